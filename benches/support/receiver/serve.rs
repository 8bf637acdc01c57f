//! The receiver's process.

use std::{cell::RefCell, fs, io::Read as _, path::Path, rc::Rc, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::{
    super::{time, topics::PARTITIONS},
    DRAIN, FAIL, Gaps, HANG, HOLES, LIVE, REMOTE, STORM, Stats, TIMED, is_hole,
};

/// Connections that may be asked for before they are taken.
const BACKLOG: u32 = 4_096;
/// Events that are told apart.
const MOST_EVENTS: usize = 100_000_000;
const REMOTE_TIME: Duration = Duration::from_millis(20);

const FAILURE: &[u8] = b"HTTP/1.1 500 Sick\r\ncontent-length: 0\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Says its addresses on stdout and ends with its stdin.
pub fn serve(certificate: Option<&Path>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (gone, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = gone.send(());
    });
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let seen = Rc::new(RefCell::new(Seen::new()?));
        let (plain, secured) = (listen()?, listen()?);
        let acceptor = certificate.map(acceptor).transpose()?;
        println!("{} {}", plain.local_addr()?, secured.local_addr()?);
        let accept = async {
            while let Ok((stream, _)) = plain.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::task::spawn_local(converse(stream, Rc::clone(&seen)));
            }
        };
        let accept_secured = async {
            let Some(acceptor) = acceptor else { return std::future::pending().await };
            while let Ok((stream, _)) = secured.accept().await {
                let _ = stream.set_nodelay(true);
                let (acceptor, seen) = (acceptor.clone(), Rc::clone(&seen));
                tokio::task::spawn_local(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, seen).await;
                    }
                });
            }
        };
        tokio::select! { () = accept => {}, () = accept_secured => {}, _ = end => {} }
        Ok(())
    })
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    // One that is refused is asked for again after a second.
    socket.listen(BACKLOG)
}

/// TLS with a new certificate, which is written into this file.
fn acceptor(certificate: &Path) -> anyhow::Result<TlsAcceptor> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(certificate, own.cert.pem())?;
    let key =
        PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.into()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Seen {
    stats: Stats,
    delays: Histogram<u64>,
    /// By number of the event.
    acknowledged: Vec<bool>,
    sick: bool,
    /// By partition: when the last request came, and the longest time without.
    last: Gaps,
    gaps: Gaps,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            stats: Stats::default(),
            delays: Histogram::new_with_bounds(1, 600_000_000, 3)?,
            acknowledged: Vec::new(),
            sick: false,
            last: Gaps::default(),
            gaps: Gaps::default(),
        })
    }

    /// What to send back, if anything.
    fn answer(&mut self, head: &str) -> Option<Vec<u8>> {
        if let Some(path) = head.strip_prefix("POST ") {
            let hole = path.starts_with(HOLES) && merchant(path).is_some_and(is_hole);
            if self.sick && (hole || path.starts_with(HANG)) {
                return None;
            }
            if self.sick && path.starts_with(FAIL) {
                return Some(FAILURE.to_vec());
            }
            if path.starts_with(STORM) && fails_in_a_storm(head) {
                return Some(FAILURE.to_vec());
            }
            if path.starts_with(TIMED) {
                self.time(path);
            }
            self.record(head);
            return Some(ANSWER.to_vec());
        }
        if head.starts_with("GET /stats") {
            return Some(self.tell());
        }
        if head.starts_with("GET /gaps") {
            (0..self.gaps.len()).for_each(|partition| self.time_of(partition, false));
            return Some(answer_with(&self.gaps));
        }
        match head.split(' ').nth(1) {
            Some("/sick") => self.sick = true,
            Some("/heal") => self.sick = false,
            Some("/forget") => {
                self.acknowledged.clear();
                self.stats = Stats::default();
            }
            _ => {
                self.stats = Stats { acknowledged: self.stats.acknowledged, ..Stats::default() };
                self.delays.reset();
                (self.gaps, self.last) = (Gaps::default(), [time::now_us(); PARTITIONS as usize]);
            }
        }
        Some(ANSWER.to_vec())
    }

    /// A request for the merchant of this path came.
    fn time(&mut self, path: &str) {
        let number = usize::try_from(merchant(path).unwrap_or(0)).unwrap_or(0);
        self.time_of(number % self.gaps.len(), true);
    }

    fn time_of(&mut self, partition: usize, came: bool) {
        let now = time::now_us();
        self.gaps[partition] = self.gaps[partition].max(now - self.last[partition]);
        if came {
            self.last[partition] = now;
        }
    }

    fn tell(&mut self) -> Vec<u8> {
        self.stats.live = self.delays.len();
        self.stats.p50_us = self.delays.value_at_quantile(0.5);
        self.stats.p99_us = self.delays.value_at_quantile(0.99);
        answer_with(&self.stats)
    }

    fn record(&mut self, head: &str) {
        let now = time::now_us();
        if self.stats.count == 0 {
            self.stats.first_us = now;
        }
        self.stats.count += 1;
        self.stats.last_us = now;
        self.stats.signed += u64::from(header(head, "webhook-signature: ").is_some());
        let path = &head["POST ".len()..];
        if path.starts_with(DRAIN) {
            return;
        }
        let Some((sent, number)) = header(head, "webhook-id: ").and_then(time::published) else {
            return;
        };
        let healthy = path.starts_with(HOLES) && !merchant(path).is_some_and(is_hole);
        if healthy || path.starts_with(LIVE) {
            self.delays.saturating_record(u64::try_from(now - sent).unwrap_or(0));
        }
        let number = usize::try_from(number).unwrap_or(usize::MAX).min(MOST_EVENTS);
        if self.acknowledged.len() <= number {
            self.acknowledged.resize(number + 1, false);
        }
        self.stats.acknowledged +=
            u64::from(!std::mem::replace(&mut self.acknowledged[number], true));
    }
}

/// The number of the merchant at this path, with which a request begins.
fn merchant(path: &str) -> Option<u64> {
    path.split(' ').next()?.rsplit_once("m_")?.1.parse().ok()
}

fn answer_with(body: &impl Serialize) -> Vec<u8> {
    let body = serde_json::to_string(body).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Three of ten, spread over events and attempts by Fibonacci hashing.
fn fails_in_a_storm(head: &str) -> bool {
    let (_, number) = header(head, "webhook-id: ").and_then(time::published).unwrap_or_default();
    let attempt: u64 =
        header(head, "paynotify-attempt: ").and_then(|text| text.parse().ok()).unwrap_or(0);
    (number * 31 + attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (3 << 32) / 10
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Rc<RefCell<Seen>>) {
    let mut buffer = Vec::with_capacity(4_096);
    loop {
        // A client that goes away ends the conversation, whatever it had begun.
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while let Some((head, end)) = request(&buffer) {
            if head.strip_prefix("POST ").is_some_and(|path| path.starts_with(REMOTE)) {
                tokio::time::sleep(REMOTE_TIME).await;
            }
            let answer = {
                let mut seen = seen.borrow_mut();
                if head.starts_with("POST ") {
                    seen.stats.bytes += end as u64;
                }
                seen.answer(head)
            };
            buffer.drain(..end);
            // Without one the client hangs, until it goes away.
            let Some(answer) = answer else { continue };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// The head of a complete request, and where the request ends.
fn request(buffer: &[u8]) -> Option<(&str, usize)> {
    let head_end = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..head_end]).ok()?;
    let length = header(head, "content-length: ").and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = head_end + length;
    (buffer.len() >= end).then_some((head, end))
}

/// The value of a header; the name is in lower case, and ends with a colon and a space.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(value)
    })
}
