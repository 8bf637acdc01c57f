//! The HTTP client against servers that mean harm, on loopback: the deadline is kept, memory is
//! bounded, the verdict is right, and whoever comes next is served.
#![allow(clippy::disallowed_methods, reason = "tests compare with the real time")]

mod http1;
mod http2;
#[path = "../support/pki.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of this module")]
mod pki;
mod pool;
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use paynotify::{
    engine::{Answer, AttemptResult, FailReason},
    merchant::{
        client::{Client, ClientSettings},
        directory::{Rules, parse_entry},
        guard::Guard,
        trust::TrustStore,
    },
    model::{Endpoint, Event, Span, Timestamp},
};
use pki::Authority;
use serde_json::json;
use server::{Server, Step, Wire};

/// Deadline of every hostile attempt.
const TIMEOUT: &str = "500ms";
/// How much later than at an idle server an attempt may end.
const TOLERANCE: Duration = Duration::from_millis(100);
/// What one case may add to the memory of this process (client, servers and all).
const MEMORY: u64 = 5 * 1024 * 1024;

/// A server's behaviour and what is to come of it.
struct Case {
    name: &'static str,
    wire: Wire,
    steps: Vec<Step>,
    expected: Expected,
    /// Expected as well, where it depends on what is faster.
    or: Option<Expected>,
}

impl Case {
    fn or(self, other: Expected) -> Self {
        Self { or: Some(other), ..self }
    }
}

/// What an attempt says; excerpts are not compared.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Status(u16, Option<Span>),
    Fails(FailReason),
}

impl From<AttemptResult> for Expected {
    fn from(result: AttemptResult) -> Self {
        match result.answer {
            Answer::Response { status, retry_after, .. } => Self::Status(status, retry_after),
            Answer::Failed(reason) => Self::Fails(reason),
        }
    }
}

fn clock() -> Timestamp {
    Timestamp::from_millis(1_769_860_800_000)
}

fn event() -> Event {
    let value = json!({ "id": "evt", "type": "payment.completed", "merchant_id": "m",
        "timestamp": "2026-01-31T12:00:00Z", "data": {} });
    let value = Bytes::from(value.to_string());
    paynotify::event::decode(Some(b"m"), Some(&value), &[], clock()).unwrap()
}

fn endpoint(server: &Server, timeout: &str) -> Arc<Endpoint> {
    let guard = Guard::with_loopback();
    let rules = Rules { allow_http: true, guard, ..Rules::default() };
    let entry = json!({ "format": 1, "merchant_id": "m", "endpoints": [{
        "id": "e", "url": server.url, "policy": { "timeout": timeout, "http2": server.http2 },
        "secrets": [{ "id": "s", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }],
    }] });
    parse_entry(entry.to_string().as_bytes(), &rules).unwrap().endpoints[0].clone()
}

fn client(authority: &Authority, max_connections: usize) -> Client {
    let trust_store = TrustStore::parse("ca".into(), authority.pem.as_bytes()).unwrap();
    let settings = ClientSettings {
        trust_store: Some(trust_store),
        guard: Guard::with_loopback(),
        allow_http: true,
        max_connections,
        ..ClientSettings::default()
    };
    Client::new(&settings).unwrap()
}

/// Makes an attempt; says what came of it and how long it took.
async fn attempt(client: &Client, server: &Server, timeout: &str) -> (Expected, Duration) {
    let (endpoint, event) = (endpoint(server, timeout), event());
    let begun = Instant::now();
    let result = client.attempt(&endpoint, &event, 1, &[], clock).await;
    (result.into(), begun.elapsed())
}

/// Runs a table with one client, which serves an honest merchant after each case. All that is wrong
/// is said at once.
async fn run(cases: Vec<Case>) {
    let authority = Authority::new();
    let client = client(&authority, 16);
    let honest = Server::start(Wire::Plain, vec![Step::Honest], &authority).await;
    let idle = Server::start(Wire::Plain, vec![Step::Silence], &authority).await;
    assert_eq!(attempt(&client, &honest, "5s").await.0, Expected::Status(200, None));
    let (answer, control) = attempt(&client, &idle, TIMEOUT).await;
    assert_eq!(answer, Expected::Fails(FailReason::Timeout));
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.name;
        let server = Server::start(case.wire, case.steps, &authority).await;
        let before = peak_memory();
        let (answer, took) = attempt(&client, &server, TIMEOUT).await;
        if answer != case.expected && Some(&answer) != case.or.as_ref() {
            wrong.push(format!("{name}: {answer:?} instead of {:?}", case.expected));
        }
        if took > control + TOLERANCE {
            wrong.push(format!("{name}: {took:?}, at an idle server {control:?}"));
        }
        let grown = peak_memory().saturating_sub(before);
        if grown > MEMORY {
            wrong.push(format!("{name}: memory grew by {} KiB", grown / 1024));
        }
        let (next, _) = attempt(&client, &honest, "5s").await;
        if next != Expected::Status(200, None) {
            wrong.push(format!("{name}: then the honest merchant: {next:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The most memory that this process has had at a time, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
