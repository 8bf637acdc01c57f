//! A worker process: `paynotify worker`, of the same profile as the benchmark unless told otherwise.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use super::time;

/// How long a worker may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
}

impl Worker {
    /// Starts a worker with this configuration, whose files are kept in `directory`.
    pub fn start(config: &str, directory: &Path) -> anyhow::Result<Self> {
        Self::start_other(Path::new(env!("CARGO_BIN_EXE_paynotify")), config, directory)
    }

    /// The same of another build of the program.
    pub fn start_other(program: &Path, config: &str, directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join("paynotify.toml");
        fs::write(&file, config)?;
        let mut command = Command::new(program);
        // One broker is no safe place for topics, and safe enough here.
        command.args(["worker", "--first-start", "earliest", "--allow-unsafe", "--config"]);
        Self::run(command.arg(file), directory)
    }

    /// The same of any program that does a worker's work.
    pub fn run(command: &mut Command, directory: &Path) -> anyhow::Result<Self> {
        let log = File::create(directory.join("worker.log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn()? })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the worker ended with {status}; see worker.log"),
        }
    }

    /// Stops it as an operator would.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the worker stopped with {status}");
                return Ok(());
            }
            time::pause(Duration::from_millis(10));
        }
        anyhow::bail!("the worker did not stop within {STOP:?}")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
