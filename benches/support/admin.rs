//! What a worker says of itself.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(5);

/// The admin server of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    /// An address that was free a moment ago.
    pub fn free() -> anyhow::Result<Self> {
        Ok(Self { address: TcpListener::bind("127.0.0.1:0")?.local_addr()? })
    }

    /// Where a worker is to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Status and text of `/readyz`, once there is a server.
    pub fn readiness(&self) -> Option<(u16, String)> {
        self.get("/readyz")
    }

    /// Completions partitions that it holds; none before there is a server.
    pub fn partitions(&self) -> Vec<i32> {
        let status = self.get("/status").and_then(|(_, body)| serde_json::from_str(&body).ok());
        let status: Value = status.unwrap_or_default();
        let names = status["partitions"].as_array().into_iter().flatten();
        let names = names.filter_map(|one| one["partition"].as_str()?.strip_prefix("completions/"));
        names.filter_map(|index| index.parse().ok()).collect()
    }

    /// The value of a series of `/metrics`, by its name with labels.
    pub fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let (_, text) = self.get("/metrics").context("the worker tells its metrics")?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.with_context(|| format!("there is no series {series}"))?.parse().map_err(Into::into)
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        Some((status, body.trim().to_owned()))
    }
}
