//! Addresses that strangers choose: what must never be reached, tried from every side.
//!
//! Nothing here leaves this machine: loopback addresses that are allowed stand for public ones.

mod dns;
mod published;
mod rebinding;
mod table;
mod targets;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use ipnet::IpNet;
use paynotify::{
    engine::{Answer, FailReason},
    merchant::{
        client::{Client, ClientSettings, Names},
        directory::{self, Rules, parse_entry},
        guard::{Guard, Ports, network},
    },
    model::{Endpoint, Event, Span, Timestamp},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const BODY: &[u8] = br#"{"id":"evt","type":"payment.completed","merchant_id":"m_42","timestamp":"2026-01-31T12:00:00Z","data":{}}"#;

/// At any port.
fn guard(allow: &[&str], deny: &[&str]) -> Guard {
    let networks = |texts: &[&str]| -> Vec<IpNet> {
        texts.iter().map(|text| network(text).unwrap()).collect()
    };
    Guard::new(networks(allow), networks(deny), Ports::any())
}

/// Asks these name servers, and keeps no answer for longer than it says.
fn client(guard: Guard, servers: &[SocketAddr]) -> Client {
    let names = Names { servers: servers.to_vec(), shortest: Span::ZERO, ..Names::default() };
    client_with(guard, names)
}

fn client_with(guard: Guard, names: Names) -> Client {
    let settings = ClientSettings { allow_http: true, guard, names, ..ClientSettings::default() };
    Client::new(&settings).unwrap()
}

/// The endpoint of a merchant at this URL, if the guard lets it register.
fn register(url: &str, guard: &Guard) -> Result<Arc<Endpoint>, directory::Error> {
    let entry = json!({ "format": 1, "merchant_id": "m_42", "endpoints": [{
        "id": "e", "url": url, "policy": { "timeout": "5s" },
        "secrets": [{ "id": "s", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }],
    }] });
    let rules = Rules { allow_http: true, guard: guard.clone(), ..Rules::default() };
    parse_entry(entry.to_string().as_bytes(), &rules).map(|merchant| merchant.endpoints[0].clone())
}

/// An endpoint that was registered before anybody cared, if it is one at all.
fn registered(url: &str) -> Option<Arc<Endpoint>> {
    register(url, &guard(&["0.0.0.0/0", "::/0"], &[])).ok()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_769_860_800_000)
}

fn event() -> Event {
    let value = Bytes::from_static(BODY);
    paynotify::event::decode(Some(b"m_42"), Some(&value), &[], now()).unwrap()
}

async fn attempt(client: &Client, url: &str) -> Answer {
    let endpoint = registered(url).unwrap_or_else(|| panic!("{url:?} is no URL"));
    client.attempt(&endpoint, &event(), 1, &[], now).await.answer
}

fn is_denied(answer: &Answer) -> bool {
    *answer == Answer::Failed(FailReason::AddressDenied)
}

fn is_delivered(answer: &Answer) -> bool {
    matches!(answer, Answer::Response { status: 200, .. })
}

/// Somebody who listens, and counts connections.
struct Listener {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Listener {
    /// Answers everybody with 200 and hangs up.
    async fn start(address: &str) -> Self {
        Self::answering(
            address,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        )
        .await
    }

    async fn answering(address: &str, answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let visits = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&visits), answer.into());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = Vec::new();
                while !request.ends_with(BODY) {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, visits }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}
