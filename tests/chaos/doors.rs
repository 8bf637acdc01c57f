//! Addresses at which nobody can be told: no such name, nobody there, TLS that fails.

use std::sync::Arc;

use rcgen::date_time_ymd;
use rustls::{ServerConfig, version::TLS13};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::pki::Authority;

/// What is wrong with each address.
pub const DOORS: [&str; 5] =
    ["no-such-name", "nobody-there", "tls-expired", "tls-wrong-name", "tls-stalled"];

/// The servers behind them; they stop when this is dropped.
pub struct Doors {
    urls: [String; 5],
    /// Who issued the certificates.
    pub authority: String,
    _stop: DropGuard,
}

impl Doors {
    pub async fn open() -> Self {
        let authority = Authority::new();
        let expired = authority.issue_with("localhost", |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        });
        let stop = CancellationToken::new();
        let expired = serve(Some(expired.server(&[&TLS13])), &stop).await;
        let named = authority.issue("shop.example").server(&[&TLS13]);
        let (named, stalled) = (serve(Some(named), &stop).await, serve(None, &stop).await);
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let urls = [
            "http://nowhere.invalid/".to_owned(),
            format!("http://127.0.0.1:{nobody}/"),
            format!("https://localhost:{expired}/"),
            format!("https://localhost:{named}/"),
            format!("https://localhost:{stalled}/"),
        ];
        Self { urls, authority: authority.pem, _stop: stop.drop_guard() }
    }

    /// The address where `DOORS[index]` is wrong.
    pub fn url(&self, index: usize) -> &str {
        &self.urls[index]
    }
}

/// Listens on a port; without a configuration it says nothing to anybody.
async fn serve(config: Option<ServerConfig>, stop: &CancellationToken) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = config.map(|config| TlsAcceptor::from(Arc::new(config)));
    let until = stop.clone();
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(until.clone().run_until_cancelled_owned(meet(stream, acceptor)));
        }
    }));
    port
}

async fn meet(mut stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    if let Some(acceptor) = acceptor {
        // The client ends it: it does not like the certificate.
        drop(acceptor.accept(stream).await);
    } else {
        // Until the client goes away.
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    }
}
