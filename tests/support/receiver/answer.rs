//! What a merchant's server writes, byte by byte where a framework would not do it.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::Manner;

/// Between two pieces of an answer that drips.
const DRIP: Duration = Duration::from_millis(50);
/// Nothing that never ends goes on for longer than this, whoever listens.
const LONGEST: Duration = Duration::from_secs(20);

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    Kept,
    Closed,
}

/// Answers one request; an error is a client that went away.
pub async fn answer(stream: &mut BufReader<TcpStream>, manner: Manner) -> io::Result<After> {
    let whole = |status, extra: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} Scripted\r\n{extra}content-length: {length}\r\n\r\n{body}")
    };
    let text = match manner {
        Manner::Ok | Manner::FailTimes(..) => whole(200, "", ""),
        Manner::Status(status) => whole(status, "", ""),
        Manner::Says(status, body) => whole(status, "", body),
        Manner::RetryAfter(seconds) => whole(503, &format!("retry-after: {seconds}\r\n"), ""),
        Manner::Slow(time) | Manner::SlowlySays(time, _) => {
            tokio::time::sleep(time).await;
            let body = if let Manner::SlowlySays(_, body) = manner { body } else { "" };
            whole(200, "", body)
        }
        Manner::Hang => {
            // Until the client goes away.
            let mut sink = [0; 64];
            while stream.read(&mut sink).await? > 0 {}
            return Ok(After::Closed);
        }
        Manner::Reset => return reset(stream),
        Manner::ResetWithin => {
            write(stream, "HTTP/1.1 200 Scripted\r\ncontent-length: 100\r\n\r\nsucc").await?;
            return reset(stream);
        }
        Manner::ResetAfter(body) => {
            write(stream, &whole(200, "", body)).await?;
            return reset(stream);
        }
        Manner::SlowHead => {
            return drip(stream, "HTTP/1.1 200 Scripted\r\n", "x-drip: drop\r\n").await;
        }
        Manner::SlowBody => {
            let head = "HTTP/1.1 200 Scripted\r\ncontent-length: 100000\r\n\r\n";
            return drip(stream, head, "s").await;
        }
        Manner::EndlessBody => {
            let head = "HTTP/1.1 500 Scripted\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = format!("1000\r\n{}\r\n", "s".repeat(0x1000));
            return flood(stream, head, &chunk).await;
        }
        Manner::Interim => {
            return flood(stream, "", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
        }
    };
    write(stream, &text).await?;
    Ok(After::Kept)
}

fn reset(stream: &BufReader<TcpStream>) -> io::Result<After> {
    stream.get_ref().set_zero_linger()?;
    Ok(After::Closed)
}

async fn drip(stream: &mut BufReader<TcpStream>, head: &str, drop: &str) -> io::Result<After> {
    write(stream, head).await?;
    for _ in 0..LONGEST.as_millis() / DRIP.as_millis() {
        write(stream, drop).await?;
        tokio::time::sleep(DRIP).await;
    }
    Ok(After::Closed)
}

async fn flood(stream: &mut BufReader<TcpStream>, head: &str, piece: &str) -> io::Result<After> {
    write(stream, head).await?;
    let endless = async {
        loop {
            write(stream, piece).await?;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONGEST, endless).await.unwrap_or(Ok(After::Closed))
}

async fn write(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    stream.get_mut().write_all(text.as_bytes()).await
}
