//! The HTTP client and merchants whose certificates it trusts, or not.

mod certificates;
mod http2;
#[path = "../support/pki.rs"]
mod pki;

use std::sync::Arc;

use bytes::Bytes;
use paynotify::{
    engine::{Answer, FailReason, TlsFault},
    merchant::{
        client::{Client, ClientSettings},
        directory::{Rules, parse_entry},
        guard::Guard,
        trust::TrustStore,
    },
    model::{Endpoint, Timestamp},
};
use pki::Authority;
use rcgen::date_time_ymd;
use rustls::{
    ServerConfig,
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A merchant behind this TLS; gives its port.
async fn merchant(tls: ServerConfig) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust it ends the handshake.
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

/// A client that trusts this authority, or the platform's.
fn client(authority: Option<&Authority>) -> Client {
    let store = |authority: &Authority| TrustStore::parse("ca".into(), authority.pem.as_bytes());
    let trust_store = authority.map(|authority| store(authority).unwrap());
    let guard = Guard::with_loopback();
    Client::new(&ClientSettings { trust_store, guard, ..ClientSettings::default() }).unwrap()
}

fn endpoint(port: u16, auth: &Value) -> Arc<Endpoint> {
    registered("e", &format!("https://localhost:{port}/"), auth, false).unwrap()
}

/// The endpoint with this id, if it may register.
fn registered(id: &str, url: &str, auth: &Value, http2: bool) -> Result<Arc<Endpoint>, String> {
    let guard = Guard::with_loopback();
    let rules = Rules { allow_http: true, guard, ..Rules::default() };
    let entry = json!({ "format": 1, "merchant_id": "m", "endpoints": [{
        "id": id, "url": url, "policy": { "timeout": "5s", "http2": http2 },
        "secrets": [{ "id": "s", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }],
        "auth": auth,
    }] });
    let merchant = parse_entry(entry.to_string().as_bytes(), &rules);
    merchant.map(|merchant| merchant.endpoints[0].clone()).map_err(|error| error.to_string())
}

async fn send(client: &Client, endpoint: &Endpoint) -> Answer {
    let value = json!({ "id": "evt", "type": "payment.completed", "merchant_id": "m",
        "timestamp": "2026-01-31T12:00:00Z", "data": {} });
    let value = Bytes::from(value.to_string());
    let now = || Timestamp::from_millis(1_769_860_800_000);
    let event = paynotify::event::decode(Some(b"m"), Some(&value), &[], now()).unwrap();
    client.attempt(endpoint, &event, 1, &[], now).await.answer
}

async fn answer_of(port: u16, authority: Option<&Authority>) -> Answer {
    send(&client(authority), &endpoint(port, &Value::Null)).await
}

fn delivered(answer: &Answer) -> bool {
    matches!(answer, Answer::Response { status: 200, .. })
}

#[tokio::test]
async fn a_merchant_is_reached_over_tls_1_2_and_1_3_when_its_certificate_is_trusted() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let port = merchant(authority.issue("localhost").server(&[version])).await;
        let answer = answer_of(port, Some(&authority)).await;
        assert!(delivered(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    let (authority, other) = (Authority::new(), Authority::new());
    let expired = authority.issue_with("localhost", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = authority.issue_with("localhost", |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
        params.not_after = date_time_ymd(4001, 1, 1);
    });
    for (issued, fault) in [
        (expired, TlsFault::Expired),
        (early, TlsFault::NotYetValid),
        (authority.issue("shop.example"), TlsFault::WrongName),
        (other.issue("localhost"), TlsFault::UnknownIssuer),
    ] {
        let port = merchant(issued.server(&[&TLS12, &TLS13])).await;
        let answer = answer_of(port, Some(&authority)).await;
        assert_eq!(answer, Answer::Failed(FailReason::Tls(fault)));
    }
    let port = merchant(authority.issue("localhost").server(&[&TLS13])).await;
    let answer = answer_of(port, None).await;
    let unknown = FailReason::Tls(TlsFault::UnknownIssuer);
    assert_eq!(answer, Answer::Failed(unknown), "the platform does not know it");
}

#[tokio::test]
async fn a_trust_store_takes_the_place_of_the_platforms() {
    let (first, second) = (Authority::new(), Authority::new());
    let port = merchant(second.issue("localhost").server(&[&TLS13])).await;
    let pem = [first.pem.as_str(), &second.pem].concat();
    let both = TrustStore::parse("both".into(), pem.as_bytes()).unwrap();
    let settings = ClientSettings {
        trust_store: Some(both),
        guard: Guard::with_loopback(),
        ..ClientSettings::default()
    };
    let client = Client::new(&settings).unwrap();
    assert!(delivered(&send(&client, &endpoint(port, &Value::Null)).await));
    let alone = answer_of(port, Some(&first)).await;
    assert_eq!(alone, Answer::Failed(FailReason::Tls(TlsFault::UnknownIssuer)));
}

#[tokio::test]
async fn a_merchant_that_wants_a_client_certificate_is_told_apart_from_one_that_has_a_wrong_one() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let issued = authority.issue("localhost");
        let port = merchant(issued.server_with(&[version], authority.demanding())).await;
        let answer = answer_of(port, Some(&authority)).await;
        assert_eq!(answer, Answer::Failed(FailReason::Tls(TlsFault::ClientCertificate)));
    }
}

#[tokio::test]
async fn a_merchant_with_old_tls_alone_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // What a server of TLS 1.1 at most answers to a greeting without it: a fatal protocol_version.
    let refusal = [0x15, 3, 2, 0, 2, 2, 70];
    // And the beginning of one that takes 1.1 all the same.
    let hello = {
        let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        hello.extend([7; 32]);
        hello.extend([0, 0, 0x2f, 0]);
        hello
    };
    let answers = [refusal.to_vec(), hello];
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(&answer).await.unwrap();
            while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
        }
    });
    for _ in 0..2 {
        let answer = answer_of(port, Some(&Authority::new())).await;
        assert_eq!(answer, Answer::Failed(FailReason::Tls(TlsFault::Incompatible)));
    }
}
