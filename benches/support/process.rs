//! What the system knows about another process: processor time by thread, and memory.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;

/// Ticks of processor time in a second, as Linux tells them to programs.
const TICKS: f64 = 100.0;

/// Seconds of processor time so far.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    /// Of the whole process, ended threads included.
    pub total: f64,
    /// By the name of the thread, numbers cut off.
    pub by_thread: BTreeMap<String, f64>,
}

impl Cpu {
    /// Reads it.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let mut by_thread = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end while it is looked at.
            if let Ok((name, seconds)) = times(&task?.path().join("stat")) {
                let name = name.trim_end_matches(|char: char| !char.is_alphabetic()).to_owned();
                *by_thread.entry(name).or_default() += seconds;
            }
        }
        let (_, total) = times(Path::new(&format!("/proc/{pid}/stat")))?;
        Ok(Self { total, by_thread })
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let used = |(name, seconds): (&String, &f64)| {
            let before = before.by_thread.get(name).copied().unwrap_or_default();
            (name.clone(), seconds - before)
        };
        Self {
            total: self.total - before.total,
            by_thread: self.by_thread.iter().map(used).collect(),
        }
    }
}

/// Processor time of everything on this machine, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    used: f64,
    idle: f64,
}

impl Processors {
    /// Until now.
    pub fn now() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let fields = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
        let fields = fields.context("/proc/stat begins with all processors")?.split_whitespace();
        let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
        let &[user, nice, system, idle, waiting, interrupt, soft, ..] = ticks.as_slice() else {
            anyhow::bail!("/proc/stat tells of seven kinds of processor time")
        };
        Ok(Self { used: user + nice + system + interrupt + soft, idle: idle + waiting })
    }

    /// The part of the time since `before` that was used; what the host took away counts as neither.
    pub fn used_since(self, before: Self) -> f64 {
        let (used, idle) = (self.used - before.used, self.idle - before.idle);
        used / (used + idle)
    }
}

/// The most memory that the process ever had resident, in MiB.
pub fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmHWM:")
}

/// The memory that the process has resident now, in MiB.
pub fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmRSS:")
}

fn memory_mib(pid: u32, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("/proc tells the memory of a process")?.trim().parse()?;
    Ok(kib / 1024.0)
}

/// Seconds of processor time of all children of this process that have ended.
pub fn ended_children() -> anyhow::Result<f64> {
    let (_, fields) = stat(Path::new("/proc/self/stat"))?;
    seconds(&fields, 13)
}

/// Name, and user and system time in seconds, of a `stat` file.
fn times(path: &Path) -> anyhow::Result<(String, f64)> {
    let (name, fields) = stat(path)?;
    Ok((name, seconds(&fields, 11)?))
}

/// User and system time, which stand side by side.
fn seconds(fields: &[String], at: usize) -> anyhow::Result<f64> {
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    let both = ticks(at).zip(ticks(at + 1)).context("a stat file tells times")?;
    Ok((both.0 + both.1) / TICKS)
}

/// The name, and what stands behind it.
fn stat(path: &Path) -> anyhow::Result<(String, Vec<String>)> {
    let stat = fs::read_to_string(path)?;
    // The name stands in parentheses and may hold any character.
    let (front, rest) = stat.rsplit_once(')').context("a stat file has a name")?;
    let name = front.split_once('(').map_or("", |(_, name)| name).to_owned();
    Ok((name, rest.split_whitespace().map(str::to_owned).collect()))
}
