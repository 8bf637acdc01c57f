//! A receiver that costs as little as it can: one thread, HTTP/1.1 by hand, 200 at once. Where it is
//! given a directory for its certificate, it speaks TLS at another port too.
//!
//! `GET /stats` tells what came since `GET /reset`; from `GET /sick` to `GET /heal` some paths are not
//! answered, or with 500. All of these are for the benchmark.

mod serve;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::topics::PARTITIONS;

pub use serve::serve;

/// Requests to this path are measured from publish to answer.
pub const LIVE: &str = "/live";
/// Requests to this one are only counted.
pub const DRAIN: &str = "/drain";

/// Requests to this path are not answered while the receiver is sick.
pub const HANG: &str = "/hang";
/// Requests to this one are answered by 500 then.
pub const FAIL: &str = "/fail";
/// Of requests to this one, three of ten are answered by 500: by event and attempt, whoever asks.
pub const STORM: &str = "/storm";
/// Of requests to this one it is known how long none came for a partition.
pub const TIMED: &str = "/timed";
/// Of the merchants at this path some are not answered while the receiver is sick, one of every partition; what
/// comes for the others is measured.
pub const HOLES: &str = "/holes";
/// Requests to this one are answered after so long, as by a server that is somewhere else.
pub const REMOTE: &str = "/remote";

/// Whether a merchant is one that is not answered: eight of a thousand.
pub fn is_hole(merchant: u64) -> bool {
    merchant / u64::from(PARTITIONS.unsigned_abs()) == 50
}

/// The process, its addresses, and a connection for questions. It ends when this is dropped.
pub struct Receiver {
    address: SocketAddr,
    /// That of TLS, and the certificate to trust.
    secured: Option<(SocketAddr, PathBuf)>,
    child: Child,
    stdin: Option<ChildStdin>,
    questions: BufReader<std::net::TcpStream>,
}

/// What came since the last reset. Times in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Requests.
    pub count: u64,
    /// Those with a signature.
    pub signed: u64,
    /// Bytes of requests, refused ones included, heads and bodies.
    pub bytes: u64,
    /// Events that were acknowledged, each once however often it came.
    pub acknowledged: u64,
    /// When the first came.
    pub first_us: i64,
    /// When the last came.
    pub last_us: i64,
    /// Those to the path that is measured.
    pub live: u64,
    /// Median from publish to answer.
    pub p50_us: u64,
    /// The same of the slowest hundredth.
    pub p99_us: u64,
}

impl Stats {
    /// Requests per second between the first and the last.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn per_second(&self) -> f64 {
        let micros = (self.last_us - self.first_us).max(1);
        self.count as f64 * 1e6 / micros as f64
    }
}

/// By partition.
pub type Gaps = [i64; PARTITIONS as usize];

impl Receiver {
    /// Starts the process.
    pub fn start() -> anyhow::Result<Self> {
        Self::begin(None)
    }

    /// Starts the process with TLS beside; its certificate is written into this directory.
    pub fn start_secured(directory: &Path) -> anyhow::Result<Self> {
        Self::begin(Some(directory.join("receiver.pem")))
    }

    fn begin(certificate: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("receiver").args(&certificate).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("stdout is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let mut addresses = line.split_whitespace().map(str::parse);
        let mut next = || addresses.next().context("the receiver says its addresses");
        let address: SocketAddr = next()??;
        let secured = certificate.map(|certificate| anyhow::Ok((next()??, certificate)));
        let questions = std::net::TcpStream::connect(address)?;
        questions.set_nodelay(true)?;
        let stdin = child.stdin.take();
        let secured = secured.transpose()?;
        Ok(Self { address, secured, child, stdin, questions: BufReader::new(questions) })
    }

    /// Scheme, host and port of its URLs.
    pub fn base(&self, tls: bool) -> String {
        match &self.secured {
            Some((address, _)) if tls => format!("https://{address}"),
            _ => format!("http://{}", self.address),
        }
    }

    /// The certificate to trust, if it speaks TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.secured.as_ref().map(|(_, certificate)| certificate.as_path())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since the last reset.
    pub fn stats(&mut self) -> anyhow::Result<Stats> {
        let body = self.ask("/stats")?;
        serde_json::from_slice(&body).context("the receiver tells its statistics")
    }

    /// Counts from 0 again, all but the events acknowledged.
    pub fn reset(&mut self) -> anyhow::Result<()> {
        self.ask("/reset").map(drop)
    }

    /// Forgets which events were acknowledged, for others with the same numbers.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.ask("/forget").map(drop)
    }

    /// How long none came for each partition since the last reset, in microseconds, at most.
    pub fn gaps(&mut self) -> anyhow::Result<Gaps> {
        let body = self.ask("/gaps")?;
        serde_json::from_slice(&body).context("the receiver tells its gaps")
    }

    /// Makes some paths fail, or well again.
    pub fn set_sick(&mut self, sick: bool) -> anyhow::Result<()> {
        self.ask(if sick { "/sick" } else { "/heal" }).map(drop)
    }

    fn ask(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        write!(self.questions.get_mut(), "GET {path} HTTP/1.1\r\n\r\n")?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.questions.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.questions.read_exact(&mut body)?;
        Ok(body)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
