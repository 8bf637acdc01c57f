//! Servers that do what a list of steps says, to every connection.

use std::{io, sync::Arc, time::Duration};

use rustls::version::{TLS12, TLS13};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::pki::Authority;

/// What lies below the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Plain,
    Tls,
    /// TLS that agrees on HTTP/2.
    Http2,
    /// The client is told `https`, the steps are what it gets instead of a handshake.
    NoTls,
}

/// What a server does next. After the last step it closes.
#[derive(Debug, Clone)]
pub enum Step {
    /// Reads the request to its end.
    Request,
    Say(Vec<u8>),
    /// Says this again and again, until the client is gone.
    Endless(Vec<u8>),
    /// Says this again and again, a byte at a time with 20 ms between.
    Drip(Vec<u8>),
    /// Waits for the client to go.
    Silence,
    /// Answers every request as it should.
    Honest,
    /// Ends the connection by a reset.
    Reset,
}

pub struct Server {
    pub url: String,
    pub http2: bool,
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl Server {
    pub async fn start(wire: Wire, steps: Vec<Step>, authority: &Authority) -> Self {
        let mut tls = authority.issue("localhost").server(&[&TLS12, &TLS13]);
        if wire == Wire::Http2 {
            tls.alpn_protocols = vec![b"h2".to_vec()];
        }
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = match wire {
            Wire::Plain => format!("http://{address}/"),
            _ => format!("https://localhost:{}/", address.port()),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The client may go at any time, which is no fault of the server's.
                tokio::spawn(serve(stream, wire, tls.clone(), steps.clone()));
            }
        });
        Self { url, http2: wire == Wire::Http2 }
    }
}

async fn serve(tcp: TcpStream, wire: Wire, tls: TlsAcceptor, steps: Vec<Step>) -> io::Result<()> {
    if steps.iter().any(|step| matches!(step, Step::Reset)) {
        SockRef::from(&tcp).set_linger(Some(Duration::ZERO))?;
    }
    let mut stream: Box<dyn Io> = match wire {
        Wire::Plain | Wire::NoTls => Box::new(tcp),
        Wire::Tls | Wire::Http2 => Box::new(tls.accept(tcp).await?),
    };
    for step in steps {
        match step {
            Step::Request if wire == Wire::Http2 => read_http2_request(&mut stream).await?,
            Step::Request => read_request(&mut stream).await?,
            Step::Say(bytes) => say(&mut stream, &bytes).await?,
            Step::Endless(bytes) => return endless(stream, &bytes, None).await,
            Step::Drip(bytes) => return endless(stream, &bytes, Some(20)).await,
            Step::Silence => while stream.read(&mut [0; 4096]).await? > 0 {},
            Step::Honest => loop {
                read_request(&mut stream).await?;
                say(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            },
            Step::Reset => return Ok(()),
        }
    }
    stream.shutdown().await
}

async fn say(stream: &mut Box<dyn Io>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// What the client says meanwhile is read, so that nothing but the client stops the flood.
async fn endless(stream: Box<dyn Io>, bytes: &[u8], pause: Option<u64>) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    // Small things are said many at a time.
    let flood = bytes.repeat(if pause.is_some() { 1 } else { 4096 / bytes.len() + 1 });
    let write = async {
        loop {
            let Some(pause) = pause else {
                writer.write_all(&flood).await?;
                continue;
            };
            for byte in &flood {
                writer.write_all(&[*byte]).await?;
                writer.flush().await?;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    };
    let read = async {
        while reader.read(&mut [0; 4096]).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::select! { ended = write => ended, ended = read => ended }
}

/// A request of HTTP/1.1 ends with the event, and the event with its empty data.
async fn read_request(stream: &mut Box<dyn Io>) -> io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Preface and frames up to the one that ends a stream.
async fn read_http2_request(stream: &mut Box<dyn Io>) -> io::Result<()> {
    stream.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await?;
        if head[3] <= 1 && head[4] & 1 != 0 {
            return Ok(());
        }
    }
}
