//! The HTTP client against merchants of every manner, on loopback, byte by byte.
#![allow(clippy::disallowed_methods, reason = "tests compare with the real time")]

mod body;
mod connections;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use paynotify::{
    engine::{Answer, AttemptResult, FailReason, TlsFault},
    merchant::{
        client::{Client, ClientSettings},
        directory::{Rules, parse_entry},
        guard::Guard,
    },
    model::{Dialect, Endpoint, Event, Span, Timestamp},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{ "id":"evt_1","type":"payment.completed","timestamp":"2026-01-31T12:00:00Z",
 "merchant_id":"m_42","data":{"note":"Grüße"} }"#;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Broker time of the tests: this machine's, since the verifier compares with it.
fn clock() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap())
}

fn event() -> Event {
    let value = Bytes::from_static(BODY.as_bytes());
    paynotify::event::decode(Some(b"m_42"), Some(&value), &[], clock()).unwrap()
}

/// Merchants of these tests are on this machine and speak plain HTTP.
fn settings() -> ClientSettings {
    let guard = Guard::with_loopback();
    ClientSettings { allow_http: true, guard, ..ClientSettings::default() }
}

fn client() -> Client {
    Client::new(&settings()).unwrap()
}

fn endpoint(url: &str, timeout: &str) -> Arc<Endpoint> {
    endpoint_that_acknowledges(url, timeout, &json!({}))
}

fn endpoint_that_acknowledges(url: &str, timeout: &str, acknowledge: &Value) -> Arc<Endpoint> {
    let entry = json!({ "format": 1, "merchant_id": "m_42", "endpoints": [{
        "id": "e", "url": url, "policy": { "timeout": timeout, "headers": { "x-shop": "42" },
            "acknowledge": acknowledge },
        "secrets": [{ "id": "s1", "kind": "hmac", "value": SECRET }],
    }] });
    let rules = Rules { allow_http: true, guard: Guard::with_loopback(), ..Rules::default() };
    parse_entry(entry.to_string().as_bytes(), &rules).unwrap().endpoints[0].clone()
}

async fn send(url: &str, timeout: &str) -> AttemptResult {
    client().attempt(&endpoint(url, timeout), &event(), 1, &[], clock).await
}

/// A merchant that reads each request and then does as `manner` says; gives its address and what
/// it read.
async fn merchant<F, R>(manner: F) -> (String, mpsc::Receiver<String>)
where
    F: Fn(TcpStream) -> R + Send + Sync + 'static,
    R: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let (requests, received) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            requests.send(request).await.unwrap();
            // The client may hang up at any time.
            tokio::spawn(manner(stream));
        }
    });
    (url, received)
}

/// A merchant that answers with these bytes and then waits for the client to go.
async fn answering(answer: impl Into<String>) -> (String, mpsc::Receiver<String>) {
    let answer: Arc<str> = answer.into().into();
    merchant(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            stream.write_all(answer.as_bytes()).await?;
            until_closed(stream).await
        }
    })
    .await
}

async fn until_closed(mut stream: TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(&BODY.as_bytes()[BODY.len() - 9..]) {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn status(result: &AttemptResult) -> u16 {
    match &result.answer {
        Answer::Response { status, .. } => *status,
        Answer::Failed(reason) => panic!("expected a response, got {reason:?}"),
    }
}

fn failure(result: &AttemptResult) -> FailReason {
    match &result.answer {
        Answer::Failed(reason) => *reason,
        other @ Answer::Response { .. } => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_prompt_merchant_gets_the_very_bytes_and_a_signature_that_verifies() {
    let (url, mut received) = answering(OK).await;
    let trace = ["traceparent", "tracestate", "x-other"]
        .map(|name| (name.to_owned(), Bytes::from_static(b"00-ab")));
    let result = client().attempt(&endpoint(&url, "5s"), &event(), 3, &trace, clock).await;
    let answer = Answer::of_status(200);
    assert_eq!(result.answer, answer);
    assert_eq!(result.key_id.as_deref(), Some("s1"));
    assert!(result.started <= result.ended);

    let request = received.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hooks HTTP/1.1"));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        assert!(headers.insert(name, value.parse().unwrap()).is_none(), "each header once");
    }
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("paynotify/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "evt_1"),
        ("paynotify-attempt", "3"),
        ("paynotify-event-type", "payment.completed"),
        ("x-shop", "42"),
        ("traceparent", "00-ab"),
        ("tracestate", "00-ab"),
    ] {
        assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{name}");
    }
    assert!(!headers.contains_key("x-other") && !headers.contains_key("accept-encoding"));
    assert_eq!(headers["webhook-timestamp"], result.started.as_seconds().to_string());
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    verifier.verify(body.as_bytes(), &headers).unwrap();
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:1");
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let test = "a_prompt_merchant_gets_the_very_bytes_and_a_signature_that_verifies";
    let output = child.args(["--exact", test]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (target, mut visits) = answering(OK).await;
    for code in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {code} X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let (url, _received) = answering(answer).await;
        assert_eq!(status(&send(&url, "5s").await), code);
    }
    assert!(visits.try_recv().is_err());
}

#[tokio::test]
async fn whatever_hangs_or_trickles_is_a_timeout_at_the_deadline() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    for (beginning, drip) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\nx: ", "y"),
        (head, ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let (url, _received) = merchant(move |mut stream| async move {
            stream.write_all(beginning.as_bytes()).await?;
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                stream.write_all(drip.as_bytes()).await?;
            }
        })
        .await;
        let begun = Instant::now();
        assert_eq!(failure(&send(&url, "300ms").await), FailReason::Timeout, "{beginning:?}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(290), "{took:?}");
        assert!(took < Duration::from_millis(1500), "{took:?}");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_a_timeout_or_an_error_but_never_more() {
    let (url, _received) = merchant(|mut stream| async move {
        loop {
            stream.write_all("HTTP/1.1 100 Continue\r\n\r\n".repeat(100).as_bytes()).await?;
        }
    })
    .await;
    assert_eq!(failure(&send(&url, "300ms").await), FailReason::Timeout);
}

#[tokio::test]
async fn an_endless_body_is_dropped_at_the_bound_and_the_status_decides() {
    for (code, acknowledged) in [(200, true), (500, false)] {
        let (hung_up, mut hang_ups) = mpsc::channel(1);
        let (url, _received) = merchant(move |mut stream| {
            let hung_up = hung_up.clone();
            async move {
                let head = format!("HTTP/1.1 {code} X\r\ncontent-length: 99999999999\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
                let _ = hung_up.try_send(());
                Ok(())
            }
        })
        .await;
        let client = client();
        let result = client.attempt(&endpoint(&url, "20s"), &event(), 1, &[], clock).await;
        assert_eq!(status(&result), code);
        let hung_up = tokio::time::timeout(Duration::from_secs(5), hang_ups.recv()).await;
        assert!(hung_up.is_ok(), "the connection is dropped while the client lives");
        let Answer::Response { excerpt, .. } = result.answer else { unreachable!() };
        assert_eq!(excerpt, (!acknowledged).then(|| "a".repeat(256)));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_reset_wherever_it_breaks() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        for abrupt in [false, true] {
            let (url, _received) = merchant(move |mut stream| async move {
                stream.write_all(answer.as_bytes()).await?;
                if abrupt {
                    stream.set_zero_linger()?;
                }
                Ok(())
            })
            .await;
            let reason = failure(&send(&url, "5s").await);
            assert_eq!(reason, FailReason::Reset, "{answer:?}, abrupt: {abrupt}");
        }
    }
}

#[tokio::test]
async fn a_closed_port_is_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(failure(&send(&url, "5s").await), FailReason::Connect);
}

#[tokio::test]
async fn a_merchant_without_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            drop(until_closed(stream).await);
        }
    });
    assert_eq!(failure(&send(&url, "5s").await), FailReason::Tls(TlsFault::Handshake));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_dns_failure() {
    assert_eq!(failure(&send("http://paynotify.invalid/", "30s").await), FailReason::Dns);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_failure() {
    let (url, _received) = answering("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    assert_eq!(failure(&send(&url, "5s").await), FailReason::Protocol);
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_too_large() {
    let many = "x: y\r\n".repeat(65);
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    for headers in [many, long] {
        let (url, _received) =
            answering(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n")).await;
        assert_eq!(failure(&send(&url, "5s").await), FailReason::TooLarge);
    }
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let in_a_minute = std::time::SystemTime::now() + Duration::from_secs(60);
    let date = httpdate::fmt_http_date(in_a_minute);
    for (value, least, most) in [
        ("120", Some(120), Some(120)),
        (date.as_str(), Some(50), Some(60)),
        ("Thu, 01 Jan 2026 00:00:00 GMT", Some(0), Some(0)),
        ("99999999999999999999", Some(30 * 86_400), Some(30 * 86_400)),
        ("soon", None, None),
        ("-5", None, None),
        ("", None, None),
    ] {
        let (url, _received) = answering(format!(
            "HTTP/1.1 503 X\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let result = send(&url, "5s").await;
        let Answer::Response { retry_after, .. } = result.answer else { panic!("{result:?}") };
        assert!(retry_after >= least.map(Span::from_secs), "{value}: {retry_after:?}");
        assert!(retry_after <= most.map(Span::from_secs), "{value}: {retry_after:?}");
    }
}

#[tokio::test]
async fn a_failing_answer_leaves_a_masked_excerpt_and_an_acknowledgement_none() {
    let body = "no such order\u{1b}[2J card 4111111111111111";
    let answer = |status: u16| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let excerpt = |result: AttemptResult| match result.answer {
        Answer::Response { excerpt, .. } => excerpt,
        Answer::Failed(reason) => panic!("{reason:?}"),
    };
    let (url, _received) = answering(answer(404)).await;
    let masked = r"no such order\u{1b}[2J card ****************";
    assert_eq!(excerpt(send(&url, "5s").await).as_deref(), Some(masked));
    let (url, _received) = answering(answer(201)).await;
    assert_eq!(excerpt(send(&url, "5s").await), None);
    let (url, _received) = answering(answer(404)).await;
    let settings = ClientSettings { excerpts: false, ..settings() };
    let silent = Client::new(&settings).unwrap();
    let result = silent.attempt(&endpoint(&url, "5s"), &event(), 1, &[], clock).await;
    assert_eq!(excerpt(result), None);
}

#[tokio::test]
async fn nothing_is_sent_without_a_valid_secret_or_over_http_where_that_is_forbidden() {
    let (url, mut received) = answering(OK).await;
    let mut unsigned = (*endpoint(&url, "5s")).clone();
    unsigned.secrets.clear();
    let result = client().attempt(&unsigned, &event(), 1, &[], clock).await;
    assert_eq!(failure(&result), FailReason::NoSecret);
    let strict = Client::new(&ClientSettings::default()).unwrap();
    let result = strict.attempt(&endpoint(&url, "5s"), &event(), 1, &[], clock).await;
    assert_eq!(failure(&result), FailReason::Protocol);
    assert!(received.try_recv().is_err());
    unsigned.policy.dialect = Dialect::None;
    let result = client().attempt(&unsigned, &event(), 1, &[], clock).await;
    assert_eq!((status(&result), result.key_id), (200, None));
    assert!(!received.recv().await.unwrap().contains("webhook-signature"));
}
