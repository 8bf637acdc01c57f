//! What stands between a worker and its merchants: a proxy that asks who comes, and a merchant that
//! asks for a certificate.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// A proxy that opens every tunnel and keeps the heads of what it was asked.
pub struct Proxy {
    pub address: SocketAddr,
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(BufReader::new(stream), Arc::clone(&kept)));
            }
        });
        Self { address, heads }
    }
}

async fn tunnel(mut stream: BufReader<TcpStream>, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let to = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let Ok(mut merchant) = TcpStream::connect(&to).await else { return };
    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        // Ends with either side.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut merchant).await;
    }
}

/// A merchant behind this TLS that says yes; gives its port.
pub async fn merchant(tls: ServerConfig) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    port
}
