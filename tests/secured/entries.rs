//! Entries of the directory with marked secrets, where they belong and where they do not.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    marks::{BASIC, BEARER, ED25519, HMAC, TEXT},
    pki::Issued,
};

/// One merchant of each kind of secret. All of them acknowledge but `shop`, whose only attempts fail.
pub fn entries(url: impl Fn(&str) -> String, tls: u16, shown: &Issued) -> String {
    let acme = json!({ "format": 1, "merchant_id": "acme", "endpoints": [{
        "id": "main", "url": url("/acme"),
        "auth": { "kind": "basic", "username": "u", "password": BASIC },
        "secrets": [
            { "id": "s1", "kind": "hmac", "value": hmac() },
            { "id": "s2", "kind": "ed25519", "value": ed25519() },
        ] }] });
    let shop = json!({ "format": 1, "merchant_id": "shop", "endpoints": [{
        "id": "main", "url": url("/shop"), "policy": { "intervals": ["1s"], "dialect": "stripe-like" },
        "auth": { "kind": "bearer", "token": BEARER },
        "secrets": [{ "id": "s1", "kind": "hmac-text", "value": TEXT }] }] });
    let dialect = json!({ "kind": "custom", "algorithm": "rsa-sha256", "encoding": "base64",
        "headers": { "signature": "{signature}" }, "content": "{body}" });
    let signs = json!({ "format": 1, "merchant_id": "signs", "endpoints": [{
        "id": "main", "url": url("/signs"), "policy": { "dialect": dialect },
        "secrets": [{ "id": "s1", "kind": "rsa", "value": rsa() }] }] });
    let bank = json!({ "format": 1, "merchant_id": "bank", "endpoints": [{
        "id": "main", "url": format!("https://127.0.0.1:{tls}/bank"),
        "policy": { "dialect": "none" },
        "auth": { "kind": "client_certificate", "certificate": shown.pem,
            "key": shown.key.serialize_pem() } }] });
    format!("{acme}\n{shop}\n{signs}\n{bank}\n")
}

/// Secrets where they do not belong, or in a form that nobody can read.
pub fn bad_entries(key: &str) -> Vec<String> {
    let entry = |auth: Value, secrets: Value| {
        json!({ "format": 1, "merchant_id": "bad", "endpoints": [{
            "id": "main", "url": "https://shop.acme.example", "auth": auth, "secrets": secrets }] })
    };
    let secret = |id: &str, kind: &str, value: Value| {
        entry(Value::Null, json!([{ "id": id, "kind": kind, "value": value }]))
    };
    let with = |pointer: &str, value: &str| {
        let mut entry = entry(Value::Null, json!([]));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        entry.pointer_mut(parent).unwrap()[name] = json!(value);
        entry
    };
    let shown = |certificate: &str, key: &str| {
        let auth = json!({ "kind": "client_certificate", "certificate": certificate, "key": key });
        entry(auth, json!([]))
    };
    let hmac = hmac();
    let entries = [
        secret("s1", "hmac", json!([hmac])),
        secret("s1", "hmac", json!({ "sealed": hmac, "key": BEARER })),
        secret("s1", "hmac", json!(format!("sealed:1:k1:{hmac}"))),
        secret("s1", "ed25519", json!(hmac)),
        secret("s1", "rsa", json!(TEXT)),
        secret("s1", "rsa", json!(key)),
        secret("s 1", "hmac-text", json!(TEXT)),
        secret("s1", TEXT, json!(TEXT)),
        secret(&hmac, "hmac", json!("whsec_short")),
        entry(json!(BEARER), json!([])),
        entry(json!({ "kind": "bearer", "token": format!("{BEARER} {BEARER}") }), json!([])),
        entry(json!({ "kind": "bearer", "token": [BEARER] }), json!([])),
        entry(json!({ "kind": "basic", "username": "u:", "password": BASIC }), json!([])),
        entry(
            json!({ "kind": "basic", "username": format!("u:{BASIC}"), "password": "" }),
            json!([]),
        ),
        entry(json!({ "kind": BEARER, "token": BEARER }), json!([])),
        shown(key, key),
        shown(key, "none"),
        shown("none", key),
        with("/endpoints/0/url", &format!("https://u:{BASIC}@shop.acme.example")),
        with("/endpoints/0/id", &format!("{BASIC} {hmac}")),
        with("/endpoints/0/state", BASIC),
        with("/state", key),
        with("/notify_url_hosts", key),
        with("/endpoints/0/events", &hmac),
    ];
    let cut = format!("{{\"token\": \"{BEARER}\"");
    entries.iter().map(Value::to_string).chain([cut]).collect()
}

/// A test key that the examples have, known to everybody.
pub fn rsa() -> String {
    let antom: Value =
        serde_json::from_str(include_str!("../../deploy/examples/antom.json")).unwrap();
    antom["endpoints"][0]["secrets"][0]["value"].as_str().unwrap().to_owned()
}

fn hmac() -> String {
    format!("whsec_{}", STANDARD.encode(HMAC))
}

fn ed25519() -> String {
    format!("whsk_{}", STANDARD.encode(ED25519))
}
