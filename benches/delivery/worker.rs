//! A worker process: `paynotify worker` of the same profile as the benchmark.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use super::{events, topics};

/// How long a worker may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// What differs between workers.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Prefix of the topics.
    pub prefix: &'a str,
    /// Path of the merchants' URLs.
    pub path: &'a str,
    /// Whether the group is a new one, which reads the whole topic.
    pub new_group: bool,
    /// `delivery.max_in_flight`.
    pub in_flight: usize,
    /// `attempts_log.enabled`.
    pub attempts_log: bool,
}

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
}

impl Worker {
    /// Starts a worker, whose files are kept in `directory`.
    pub fn start(
        plan: Plan<'_>,
        bootstrap: &str,
        receiver: SocketAddr,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let Plan { prefix, path, new_group, in_flight, attempts_log } = plan;
        let group = if new_group { events::now_us() } else { 0 };
        let merchants = directory.join("merchants.jsonl");
        events::write_directory(&merchants, receiver, path)?;
        let config = directory.join("paynotify.toml");
        let text = format!(
            "kafka.bootstrap_servers = {bootstrap:?}\nkafka.group = \"bench-{group}\"\n\
             topics.prefix = {prefix:?}\ntopics.grades = {:?}\n\
             defaults.policy.intervals = {:?}\ndirectory.file = \"{}\"\n\
             delivery.max_in_flight = {in_flight}\ndelivery.allow_http = true\n\
             delivery.allow_addresses = [\"127.0.0.0/8\"]\ndelivery.ports = [\"1-65535\"]\n\
             attempts_log.enabled = {attempts_log}\nadmin.listen = \"127.0.0.1:0\"\n\
             shutdown.grace = \"5s\"\n",
            topics::GRADES,
            topics::GRADES,
            merchants.display(),
        );
        fs::write(&config, text)?;
        let log = File::create(directory.join("worker.log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_paynotify"));
        // One broker is no safe place for topics, and safe enough here.
        command.args(["worker", "--first-start", "earliest", "--allow-unsafe", "--config"]);
        command.arg(config).stdout(log.try_clone()?).stderr(log);
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
            events::pause(Duration::from_millis(10));
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
