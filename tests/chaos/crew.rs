//! The workers: they come, go, freeze and die, and at the end of a round there are as many as
//! before.

use std::os::unix::process::ExitStatusExt as _;

use paynotify::{clock::Clock, fail_point::Point, model::Timestamp};

use super::repeats::{Loss, Pause};
use crate::support::system::{System, Worker};

const ABORTED: i32 = 6;
const TERMINATED: i32 = 15;

/// A worker and what was done to it.
struct Member {
    worker: Worker,
    /// It is to end at a fail point.
    armed: bool,
    /// Its clock is so wrong that it is replaced in the end.
    spoiled: bool,
    frozen_at: Option<i64>,
    /// Lines of its log that were looked at.
    read: usize,
}

/// All of them.
pub struct Crew {
    size: usize,
    live: Vec<Member>,
    leaving: Vec<Member>,
    /// Of this round.
    pub pauses: Vec<Pause>,
    /// Ends at fail points in this round.
    pub reached: usize,
    /// Of workers that are gone, in this round.
    losses: Vec<Loss>,
    /// What workers that are gone said, in this round.
    last_words: Vec<String>,
}

/// What the workers said in a round.
#[derive(Default)]
pub struct Seen {
    /// Workers that heard of partitions lost without being asked.
    pub losses: Vec<Loss>,
    /// Commits that a frozen worker took for accepted after it had gone on: worker, partition,
    /// position, and when it was stopped.
    pub late_commits: Vec<LateCommit>,
}

/// See [`Seen::late_commits`].
pub struct LateCommit {
    pub partition: String,
    pub position: i64,
    pub stopped: i64,
}

impl Crew {
    /// Starts so many, and waits until they are ready.
    pub fn start(system: &System, size: usize) -> Self {
        let mut crew = Self {
            size,
            live: Vec::new(),
            leaving: Vec::new(),
            pauses: Vec::new(),
            reached: 0,
            losses: Vec::new(),
            last_words: Vec::new(),
        };
        while crew.live.len() < size {
            crew.join(system);
        }
        crew.await_ready();
        crew
    }

    pub fn join(&mut self, system: &System) {
        self.add(system, &[], false);
    }

    /// One that ends when it passes a point for the `times`th time.
    pub fn join_armed(&mut self, system: &System, point: usize, times: u64) {
        let at = format!("{}:{times}", Point::ALL[point].1);
        self.add(system, &[("PAYNOTIFY_TESTING__FAIL_AT", &at)], false);
        self.live.last_mut().unwrap().armed = true;
    }

    pub fn join_shifted(&mut self, system: &System, shift: &str) {
        self.add(system, &[("PAYNOTIFY_TESTING__CLOCK_SHIFT", shift)], true);
    }

    fn add(&mut self, system: &System, environment: &[(&str, &str)], spoiled: bool) {
        let mut command = system.command(&["worker", "--allow-unsafe"]);
        command.envs(environment.iter().copied());
        let worker = Worker::spawn(&mut command);
        self.live.push(Member { worker, armed: false, spoiled, frozen_at: None, read: 0 });
    }

    /// One that is told to stop, while others work on.
    pub fn leave(&mut self, who: u64) {
        if let Some(index) = self.one_of(who) {
            let member = self.live.remove(index);
            member.worker.signal("-TERM");
            self.leaving.push(member);
        }
    }

    pub fn kill(&mut self, who: u64) {
        if let Some(index) = self.one_of(who) {
            let member = self.live.remove(index);
            self.mourn(&member);
            member.worker.kill();
        }
    }

    /// Keeps what is wanted of a worker that is gone.
    fn mourn(&mut self, member: &Member) {
        self.losses.extend(losses(&member.worker, member.read));
        self.last_words.push(member.worker.log());
    }

    /// Freezes one; gives its process.
    pub fn freeze(&mut self, who: u64) -> Option<u32> {
        let index = self.one_of(who)?;
        let member = &mut self.live[index];
        member.worker.signal("-STOP");
        member.frozen_at = Some(now());
        Some(member.worker.pid())
    }

    /// Lets a frozen one go on, if it is still there.
    pub fn thaw(&mut self, pid: u32) {
        for member in self.live.iter_mut().filter(|member| member.worker.pid() == pid) {
            if let Some(from) = member.frozen_at.take() {
                member.worker.signal("-CONT");
                self.pauses.push(Pause { pid, from, to: now() });
            }
        }
    }

    /// One that runs and is not frozen.
    fn one_of(&mut self, who: u64) -> Option<usize> {
        let able =
            |member: &mut Member| member.frozen_at.is_none() && member.worker.ended().is_none();
        let able: Vec<_> =
            (0..self.live.len()).filter(|index| able(&mut self.live[*index])).collect();
        able.get(usize::try_from(who % able.len().max(1) as u64).unwrap()).copied()
    }

    /// As many workers as before, none of them with anything wrong.
    pub fn heal(&mut self, system: &System, wrong: &mut Vec<String>) {
        for pid in self.live.iter().map(|member| member.worker.pid()).collect::<Vec<_>>() {
            self.thaw(pid);
        }
        for mut member in std::mem::take(&mut self.live) {
            let ended = member.worker.ended();
            if ended.is_some() || member.armed {
                self.mourn(&member);
            }
            match ended {
                Some(status) if member.armed && status.signal() == Some(ABORTED) => {
                    self.reached += 1;
                }
                Some(status) => {
                    wrong.push(format!("a worker ended with {status}: {}", tail(&member.worker)));
                }
                None if member.armed => member.worker.kill(),
                None if member.spoiled || self.live.len() >= self.size => {
                    member.worker.signal("-TERM");
                    self.leaving.push(member);
                }
                None => self.live.push(member),
            }
        }
        while self.live.len() < self.size {
            self.join(system);
        }
    }

    /// Waits until everybody who is told to stop has ended, and everybody else is ready.
    pub fn settle(&mut self, wrong: &mut Vec<String>) {
        for mut member in std::mem::take(&mut self.leaving) {
            let status = member.worker.wait();
            self.mourn(&member);
            let Member { worker, armed, .. } = member;
            // It gave its partitions back, and was to fail at that.
            if armed && status.signal() == Some(ABORTED) {
                self.reached += 1;
                continue;
            }
            // Before its handler of signals stands, SIGTERM ends a process at once.
            let new = status.signal() == Some(TERMINATED) && !worker.log().contains("admin server");
            if !status.success() && !new {
                wrong
                    .push(format!("told to stop, a worker ended with {status}: {}", tail(&worker)));
            }
        }
        self.await_ready();
    }

    fn await_ready(&mut self) {
        for member in &mut self.live {
            member.worker.await_ready();
        }
    }

    /// What the workers said since the last look.
    pub fn look(&mut self) -> Seen {
        let mut seen = Seen { losses: std::mem::take(&mut self.losses), ..Seen::default() };
        for member in &mut self.live {
            seen.losses.extend(losses(&member.worker, member.read));
            let lines = member.worker.lines_since(member.read);
            member.read += lines.len();
            let pid = member.worker.pid();
            if let Some(pause) = self.pauses.iter().find(|pause| pause.pid == pid) {
                seen.late_commits.extend(late_commits(&lines, pause));
            }
        }
        seen
    }

    /// What those that are there said, and those that have gone since the last call.
    pub fn logs(&mut self) -> Vec<String> {
        let gone = std::mem::take(&mut self.last_words).into_iter();
        gone.chain(self.live.iter().map(|member| member.worker.log())).collect()
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.live.len()
    }

    /// All stop as they are told to.
    pub fn dismiss(mut self, wrong: &mut Vec<String>) {
        for member in self.live.drain(..) {
            member.worker.signal("-TERM");
            self.leaving.push(member);
        }
        self.settle(wrong);
    }
}

/// By the clock that machine and brokers share.
pub fn now() -> i64 {
    Clock::without_offset().wall().as_millis()
}

/// What a worker's log says from this line on.
fn losses(worker: &Worker, from: usize) -> Vec<Loss> {
    let lines = worker.lines_since(from);
    let losses = lines.iter().filter(|line| line.contains("were lost without a revoke"));
    losses.filter_map(|line| Some(Loss { pid: worker.pid(), at: time_of(line)? })).collect()
}

fn time_of(line: &str) -> Option<i64> {
    let time = line.split_whitespace().next()?;
    Some(Timestamp::parse(time).ok()?.as_millis())
}

/// Commits of an assignment from before the stop that were accepted, as the worker heard after it.
fn late_commits(lines: &[String], pause: &Pause) -> Vec<LateCommit> {
    let commits: Vec<_> = lines.iter().filter_map(|line| commit(line)).collect();
    let before = commits.iter().filter(|one| one.at <= pause.from).map(|one| one.epoch).max();
    let late = |one: &&Answered| one.taken && one.at > pause.from && Some(one.epoch) <= before;
    commits
        .iter()
        .filter(late)
        .map(|one| LateCommit {
            partition: one.partition.clone(),
            position: one.position,
            stopped: pause.from,
        })
        .collect()
}

struct Answered {
    at: i64,
    partition: String,
    position: i64,
    epoch: u64,
    taken: bool,
}

fn commit(line: &str) -> Option<Answered> {
    if !line.contains("a commit is answered") {
        return None;
    }
    let field = |name: &str| {
        let rest = line.split_once(&format!("{name}="))?.1;
        rest.split_whitespace().next().map(|value| value.trim_matches('"').to_owned())
    };
    Some(Answered {
        at: time_of(line)?,
        partition: field("partition")?,
        position: field("position")?.parse().ok()?,
        epoch: field("epoch")?.parse().ok()?,
        taken: field("taken")? == "true",
    })
}

/// The last lines of a log.
fn tail(worker: &Worker) -> String {
    let log = worker.log();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
