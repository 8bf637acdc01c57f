//! What a worker says of itself.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// The admin server of a worker.
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
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        Some((status, body.trim().to_owned()))
    }
}
