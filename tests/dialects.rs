//! Whole requests in every dialect of `deploy/examples`: as they stand in `tests/dialects/signed.json`,
//! which `tools/verify` holds against the libraries that merchants use.
#![allow(clippy::disallowed_methods, reason = "tests compare with the real time")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use paynotify::{
    merchant::{
        client::{Client, ClientSettings},
        directory::{Rules, parse_entry},
        guard::Guard,
    },
    model::{Endpoint, Event, Timestamp},
    schema,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

const SIGNED: &str = "tests/dialects/signed.json";
const NAMES: [&str; 6] = ["standard", "stripe-like", "adyen", "airwallex", "mercado-pago", "antom"];
/// 2026-01-05T10:00:00.123Z: within the rotation of the examples.
const NOW: Timestamp = Timestamp::from_millis(1_767_607_200_123);
/// For a request that does not come.
const PATIENCE: Duration = Duration::from_secs(10);
const BODY: &str = r#"{"id":"evt_1","type":"payment.completed","timestamp":"2026-01-05T10:00:00Z",
  "merchant_id":"m","data":{"note":"Grüße","amount":"12.50"}}"#;

fn example(name: &str) -> Vec<u8> {
    fs::read(format!("deploy/examples/{name}.json")).unwrap()
}

fn endpoint(name: &str) -> Endpoint {
    let merchant = parse_entry(&example(name), &Rules::default()).unwrap();
    Endpoint::clone(&merchant.endpoints[0])
}

fn event() -> Event {
    let value = Bytes::from_static(BODY.as_bytes());
    paynotify::event::decode(Some(b"m"), Some(&value), &[], NOW).unwrap()
}

/// The request line's path and the headers of one attempt, and which keys signed it.
async fn requested(mut endpoint: Endpoint, now: Timestamp) -> (String, HeaderMap, Option<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    endpoint.url.set_scheme("http").unwrap();
    endpoint.url.set_host(Some("127.0.0.1")).unwrap();
    endpoint.url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let merchant = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(BODY.as_bytes()) {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request breaks off");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(bytes).unwrap()
    });
    let guard = Guard::with_loopback();
    let settings = ClientSettings { allow_http: true, guard, ..ClientSettings::default() };
    let client = Client::new(&settings).unwrap();
    let result = client.attempt(&endpoint, &event(), 1, &[], || now).await;
    let request = timeout(PATIENCE, merchant).await.expect("a request arrives").unwrap();
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let (line, lines) = head.split_once("\r\n").unwrap();
    let path = line.strip_prefix("POST ").unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let mut headers = HeaderMap::new();
    for line in lines.split("\r\n") {
        let (name, value) = line.split_once(": ").unwrap();
        headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    (path, headers, result.key_id)
}

#[test]
fn every_example_is_an_entry_that_types_and_schema_take() {
    let files = fs::read_dir("deploy/examples").unwrap();
    assert_eq!(files.count(), NAMES.len(), "an example is not in the list of this test");
    for name in NAMES {
        assert_eq!(endpoint(name).policy.dialect.name() == name, name.starts_with('s'));
        schema::merchant().check(&example(name)).unwrap();
    }
}

#[tokio::test]
async fn requests_in_every_dialect_are_those_that_the_merchants_libraries_verified() {
    let mut requests = BTreeMap::new();
    for name in NAMES {
        let (path, headers, keys) = requested(endpoint(name), NOW).await;
        let ours = |name: &str| {
            ["host", "content-length", "content-type", "user-agent"].contains(&name)
                || name.starts_with("paynotify-")
        };
        let headers: BTreeMap<_, _> = headers
            .iter()
            .filter(|(name, _)| !ours(name.as_str()))
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        requests.insert(name, json!({ "path": path, "keys": keys, "headers": headers }));
    }
    let found = json!({ "body": BODY, "requests": requests });
    let wanted = fs::read(SIGNED).unwrap_or_default();
    let wanted: Value = serde_json::from_slice(&wanted).unwrap_or_default();
    if found != wanted {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("signed.json");
        fs::write(&new, format!("{found:#}\n")).unwrap();
        panic!("{SIGNED} is no longer what is sent; if {} is right, copy it there", new.display());
    }
}

#[tokio::test]
async fn the_rust_library_verifies_a_request_by_each_secret_of_a_rotation() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap());
    let (_, headers, keys) = requested(endpoint("standard"), now).await;
    assert_eq!(keys.as_deref(), Some("new,old,pair"));
    for secret in
        ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    {
        let library = standardwebhooks::Webhook::new(secret).unwrap();
        library.verify(BODY.as_bytes(), &headers).unwrap();
        assert!(library.verify(b"{}", &headers).is_err());
    }
}

#[tokio::test]
async fn credentials_are_sent_and_the_dialect_leaves_the_usual_headers_alone() {
    let (_, headers, _) = requested(endpoint("adyen"), NOW).await;
    assert_eq!(headers["authorization"], "Basic YWR5ZW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==");
    assert_eq!(headers["webhook-id"], "evt_1");
    assert_eq!(headers["webhook-timestamp"], "1767607200");
    assert!(!headers.contains_key("webhook-signature"));
}
