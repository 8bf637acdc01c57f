//! A worker as a process of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::system::{DEADLINE, poll};

/// Of a worker whose test fails so many lines of its log are shown.
const SHOWN: usize = 200;

/// A worker process; killed when dropped. Where a test fails, its output ends with the worker's log.
pub struct Worker {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub admin: String,
}

impl Worker {
    /// Starts it; its log is kept.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { child, log, admin: String::new() }
    }

    /// Waits until `/readyz` says so.
    pub fn await_ready(&mut self) {
        let ready = poll(DEADLINE, || {
            if self.admin.is_empty() {
                self.admin = self.admin_address().unwrap_or_default();
            }
            !self.admin.is_empty()
                && get(&self.admin, "/readyz").is_some_and(|(status, _)| status == 200)
        });
        assert!(ready, "not ready: {}", self.log());
    }

    fn admin_address(&self) -> Option<String> {
        let log = self.log.lock().unwrap();
        let line = log.iter().find(|line| line.contains("admin server"))?;
        let (_, rest) = line.split_once("address=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.admin, path).expect("the admin server answers")
    }

    /// What `/status` says.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).unwrap()
    }

    /// How many partitions of completions and the ladder it holds.
    pub fn partitions(&self) -> usize {
        self.status()["partitions"].as_array().map_or(0, Vec::len)
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The lines of its log but for the first `count`.
    pub fn lines_since(&self, count: usize) -> Vec<String> {
        self.log.lock().unwrap().get(count..).unwrap_or_default().to_vec()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Kills it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("-TERM");
        let status = self.wait();
        (status, self.log())
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = poll(DEADLINE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "still running: {}", self.log());
        status.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let end = &log[log.len().saturating_sub(SHOWN)..];
            eprintln!("the end of the log of worker {}:\n{}", self.child.id(), end.join("\n"));
        }
    }
}

fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
