//! The Rust types against the published schemas: what the types take, the schemas take; what is
//! bad, both refuse.

use bytes::Bytes;
use paynotify::{
    event,
    merchant::{
        directory::{Rules, parse_entry, seal_entry},
        guard::Guard,
        vault::{KeySource, Vault},
    },
    model::Timestamp,
    schema,
};
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn decodes(event: &Value) -> bool {
    let value = Bytes::from(event.to_string());
    let key = event["merchant_id"].as_str().unwrap_or("m").to_owned();
    event::decode(Some(key.as_bytes()), Some(&value), &[], Timestamp::default()).is_ok()
}

fn parses(entry: &Value) -> bool {
    // Whom one may dial is no matter of the schema.
    let rules = Rules { allow_http: true, guard: Guard::with_loopback(), ..Rules::default() };
    parse_entry(entry.to_string().as_bytes(), &rules).is_ok()
}

fn good_event() -> Value {
    json!({ "id": "e", "type": "a.b", "timestamp": "2026-01-31T12:00:00Z", "merchant_id": "m",
        "data": {}, "resource": { "type": "payment", "id": "p", "version": 1 },
        "notify_url": "https://shop.example/x" })
}

fn good_entry() -> Value {
    json!({ "format": 1, "merchant_id": "m", "name": "Acme", "state": "paused",
        "notify_url_hosts": ["shop.example"],
        "endpoints": [{ "id": "e", "url": "https://shop.example/x", "state": "active",
            "events": ["payment.*"], "auth": null,
            "policy": { "intervals": ["15s"], "max_age": "1h", "timeout": "10s", "jitter": 0.25,
                "max_in_flight": 8, "rate": { "per_second": 50, "burst": 100 }, "weight": 2.5, "class": "standard",
                "acknowledge": { "statuses": ["2xx"], "body": "success",
                    "json": { "pointer": "/result/0", "equals": null } },
                "dialect": "standard", "headers": { "x-shop": "42" } },
            "secrets": [{ "id": "s1", "kind": "hmac", "value": KEY, "not_before": null,
                "expires": "2030-01-01T00:00:00Z" }] }] })
}

/// Every document that comes from the good one by putting a value at a JSON pointer.
fn spoiled(good: &Value, table: &[(&str, &[Value])]) -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    for (pointer, values) in table {
        for value in *values {
            let mut document = good.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[name] = value.clone();
            documents.push((format!("{pointer} = {value}"), document));
        }
    }
    documents
}

#[test]
fn good_documents_are_taken_by_both() {
    assert_eq!(schema::event().faults(&good_event()), [""; 0]);
    assert_eq!(schema::merchant().faults(&good_entry()), [""; 0]);
    assert!(decodes(&good_event()) && parses(&good_entry()));
}

#[test]
fn bad_events_are_refused_by_both() {
    let times = ["", "now", "2026-01-31", "2026-13-31T12:00:00Z", "2026-01-31 12:00:00Z"];
    let urls = ["", "x", "ftp://a", "https://", "https://u@a", "https://a b", "https://a\\b"];
    let table: &[(&str, &[Value])] = &[
        ("/id", &[json!(null), json!(1), json!(""), json!("a b"), json!("x".repeat(129))]),
        ("/type", &[json!("A"), json!("a..b"), json!(""), json!("a".repeat(129)), json!([])]),
        ("/timestamp", &times.map(Value::from)),
        ("/merchant_id", &[json!(""), json!("m/1"), json!({}), json!("m\n")]),
        ("/data", &[json!(null), json!([]), json!("{}"), json!(1)]),
        ("/resource", &[json!("p"), json!({}), json!({ "type": "p", "id": 1 })]),
        ("/resource/version", &[json!(-1), json!("1"), json!(1.5)]),
        ("/notify_url", &urls.map(Value::from)),
    ];
    let mut documents = spoiled(&good_event(), table);
    for name in ["id", "type", "timestamp", "merchant_id", "data"] {
        let mut document = good_event();
        document.as_object_mut().unwrap().remove(name);
        documents.push((format!("without {name}"), document));
    }
    for (what, document) in documents {
        assert!(!decodes(&document), "the types take {what}");
        assert!(!schema::event().faults(&document).is_empty(), "the schema takes {what}");
    }
}

#[test]
fn bad_merchants_are_refused_by_both() {
    let urls = ["", "shop.example", "ftp://a", "https://u:p@a", "https://@a", "https:///a"];
    let statuses = [json!([]), json!(["3xx"]), json!(["1xx"]), json!(["20"]), json!([200])];
    let bad_rates = [
        json!({}),
        json!({ "per_second": 0 }),
        json!({ "per_second": 1e6 }),
        json!({ "per_second": "1" }),
        json!({ "per_second": 1, "burst": 0.5 }),
        json!({ "per_second": 1, "each": 1 }),
        json!(5),
    ];
    let bad_json = [
        json!({}),
        json!({ "pointer": "/a" }),
        json!({ "pointer": "a", "equals": 1 }),
        json!({ "pointer": "/a~2", "equals": 1 }),
        json!({ "pointer": "/a~", "equals": 1 }),
        json!({ "pointer": "/a", "equals": {} }),
        json!({ "pointer": "/a", "equals": 1, "colour": 1 }),
    ];
    let custom = |field: &str, value: Value| {
        let mut dialect = json!({ "kind": "custom", "algorithm": "hmac-sha256",
            "encoding": "hex", "headers": { "x-a": "{signature}" }, "content": "{body}" });
        dialect[field] = value;
        dialect
    };
    let dialects = [
        json!("wechat"),
        json!(1),
        json!({}),
        json!({ "kind": "custom" }),
        json!({ "kind": "none", "content": "{body}" }),
        json!({ "kind": "stripe-like", "header": "a b" }),
        custom("algorithm", json!("md5")),
        custom("encoding", json!(null)),
        custom("headers", json!({})),
        custom("headers", json!({ "a b": "{signature}" })),
        custom("content", json!("fixed")),
        custom("colour", json!(1)),
    ];
    let auths = [
        json!("x"),
        json!({ "kind": "digest" }),
        json!({ "kind": "basic", "username": "u" }),
        json!({ "kind": "basic", "username": "u:", "password": "p" }),
        json!({ "kind": "bearer", "token": "a b" }),
        json!({ "kind": "bearer", "token": "t", "username": "u" }),
        json!({ "kind": "client_certificate", "certificate": "x", "key": "y" }),
        json!({ "kind": "client_certificate", "token": "t" }),
        json!({ "kind": "basic", "username": "u", "password": "sealed:1:k1:x:y" }),
        json!({ "kind": "bearer", "token": "sealed:1:" }),
    ];
    let table: &[(&str, &[Value])] = &[
        ("/format", &[json!(2), json!("1"), json!(null)]),
        ("/merchant_id", &[json!(""), json!("a b"), json!(1)]),
        ("/state", &[json!("asleep"), json!(null)]),
        ("/colour", &[json!("red")]),
        ("/notify_url_hosts", &[json!("a"), json!([1]), json!([""])]),
        ("/endpoints", &[json!(null), json!({}), json!([1]), json!([{}])]),
        ("/endpoints/0/id", &[json!(""), json!("notify_url"), json!("a".repeat(65))]),
        ("/endpoints/0/url", &urls.map(Value::from)),
        ("/endpoints/0/events", &[json!(["A"]), json!(["*.a"]), json!("*"), json!([""])]),
        ("/endpoints/0/colour", &[json!(1)]),
        ("/endpoints/0/policy/colour", &[json!(1)]),
        (
            "/endpoints/0/policy/intervals",
            &[json!(["1x"]), json!([1]), json!("1s"), json!("wechat")],
        ),
        ("/endpoints/0/policy/max_age", &[json!(1), json!("1 h"), json!("-1h")]),
        ("/endpoints/0/policy/timeout", &[json!(10), json!("")]),
        ("/endpoints/0/policy/max_in_flight", &[json!(0), json!(1025), json!(-1), json!(1.5)]),
        ("/endpoints/0/policy/rate", &bad_rates),
        ("/endpoints/0/policy/weight", &[json!(0), json!(100.5), json!("1"), json!(-1)]),
        ("/endpoints/0/policy/http2", &[json!("yes"), json!(1)]),
        ("/endpoints/0/policy/jitter", &[json!(-0.1), json!(1.1), json!("0.1")]),
        ("/endpoints/0/policy/acknowledge/statuses", &statuses),
        (
            "/endpoints/0/policy/acknowledge/body",
            &[json!(""), json!(" ok"), json!("ok\n"), json!(1)],
        ),
        ("/endpoints/0/policy/acknowledge/json", &bad_json),
        ("/endpoints/0/policy/acknowledge/colour", &[json!(1)]),
        ("/endpoints/0/policy/headers", &[json!({ "a b": "c" }), json!({ "a": 1 }), json!([])]),
        ("/endpoints/0/policy/dialect", &dialects),
        ("/endpoints/0/auth", &auths),
        ("/endpoints/0/secrets/0/kind", &[json!("rsa"), json!("dsa"), json!(null)]),
        ("/endpoints/0/secrets/0/value", &[json!("x"), json!("whsec_short"), json!(1)]),
        ("/endpoints/0/secrets/0/colour", &[json!(1)]),
        ("/endpoints/0/secrets/0/id", &[json!(""), json!("a,b")]),
    ];
    for (what, document) in spoiled(&good_entry(), table) {
        assert!(!parses(&document), "the types take {what}");
        assert!(!schema::merchant().faults(&document).is_empty(), "the schema takes {what}");
    }
}

#[test]
fn what_only_begins_like_a_sealed_secret_is_refused_by_both() {
    let halves = [
        json!("sealed:1:k1"),
        json!(format!("sealed:1:k1:{}", "A".repeat(80))),
        json!(format!("sealed:1:k 1:{}:{}", "A".repeat(80), "A".repeat(80))),
        json!(format!("sealed:2:k1:{}:{}", "A".repeat(80), "A".repeat(80))),
    ];
    let table: &[(&str, &[Value])] = &[("/endpoints/0/secrets/0/value", &halves)];
    for (what, document) in spoiled(&good_entry(), table) {
        assert!(!parses(&document), "the types take {what}");
        assert!(!schema::merchant().faults(&document).is_empty(), "the schema takes {what}");
    }
}

/// An entry for every kind of secret.
fn entries_with_secrets() -> Vec<Value> {
    let examples = ["standard", "stripe-like", "adyen", "airwallex", "mercado-pago", "antom"];
    let read = |name: &str| std::fs::read(format!("deploy/examples/{name}.json")).unwrap();
    let mut entries: Vec<Value> =
        examples.iter().map(|name| serde_json::from_slice(&read(name)).unwrap()).collect();
    let issued = rcgen::generate_simple_self_signed(["us.example".to_owned()]).unwrap();
    for auth in [
        json!({ "kind": "basic", "username": "u", "password": "" }),
        json!({ "kind": "basic", "username": "u", "password": "p".repeat(2048) }),
        json!({ "kind": "bearer", "token": "t".repeat(2048) }),
        json!({ "kind": "client_certificate", "certificate": issued.cert.pem(),
            "key": issued.signing_key.serialize_pem() }),
    ] {
        let mut entry = good_entry();
        entry["endpoints"][0]["auth"] = auth;
        entries.push(entry);
    }
    entries
}

#[test]
fn sealed_secrets_of_every_kind_are_taken_by_both() {
    // A test key, known to everybody.
    let key = "k-1_.x AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let vault = Vault::new(&KeySource::Text(key.into())).unwrap();
    for entry in entries_with_secrets() {
        assert_eq!(schema::merchant().faults(&entry), [""; 0], "{entry}");
        let sealed = seal_entry(entry.to_string().as_bytes(), &vault).unwrap().unwrap();
        let rules = Rules { vault: Some(vault.clone()), ..Rules::default() };
        parse_entry(&sealed, &rules).unwrap();
        let sealed: Value = serde_json::from_slice(&sealed).unwrap();
        assert_eq!(schema::merchant().faults(&sealed), [""; 0], "{sealed}");
        assert_ne!(sealed, entry);
    }
}

#[test]
fn faults_name_the_path_and_never_the_value() {
    let table: &[(&str, &[Value])] = &[("/endpoints/0/secrets/0/value", &[json!("whsec_geheim")])];
    let (_, document) = spoiled(&good_entry(), table).remove(0);
    let faults = schema::merchant().faults(&document);
    assert!(faults[0].starts_with("/endpoints/0/secrets/0/value: "), "{faults:?}");
    assert!(!faults.join(" ").contains("geheim"), "{faults:?}");
}

#[test]
fn a_line_of_the_delivery_log_fits_its_schema() {
    let line = json!({ "format": 1, "event_id": "e", "event_type": "a.b", "merchant_id": "m",
        "endpoint_id": "e", "origin": "payments.completions/0/7", "resource": null,
        "host": "shop.example", "key_id": "s1", "trace_id": null, "attempt": 1,
        "started_at": "2026-01-31T12:00:00.000Z", "duration_ms": 12, "outcome": "retry",
        "reason": "status", "status": 503, "response_excerpt": "no", "next": "15s",
        "due_at": "2026-01-31T12:00:15.000Z", "worker": "w1" });
    assert_eq!(schema::attempt().faults(&line), [""; 0]);
    let mut bad = line.clone();
    bad["outcome"] = json!("eaten");
    assert_eq!(schema::attempt().faults(&bad).len(), 1);
}

#[test]
fn the_asyncapi_document_names_every_header_and_reason() {
    let text = include_str!("../schemas/asyncapi.yaml");
    for reason in paynotify::engine::DeadReason::ALL {
        assert!(text.contains(reason.as_str()), "{reason}");
    }
    for name in ["event", "merchant", "attempt"] {
        assert!(text.contains(&format!("./{name}.schema.json")), "{name}");
    }
}

prop_compose! {
    fn any_event()(
        id in "[A-Za-z0-9_:-]{1,128}",
        kind in "[a-z0-9_-]{1,9}(\\.[a-z0-9_-]{1,9}){0,3}",
        time in "20[0-9]{2}-0[1-9]-[012][1-8][Tt][01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]0[0-9]:[0-5][0-9])",
        merchant in "[A-Za-z0-9_:.-]{1,128}",
        version in option::of(any::<u64>()),
        url in option::of("(https?|HTTP)://[a-z]{1,9}(:[1-9][0-9]{0,3})?(/[ -~é]{0,9})?(\\?[ -~]{0,9})?"),
        extra in ".{0,9}",
    ) -> Value {
        json!({ "id": id, "type": kind, "timestamp": time, "merchant_id": merchant,
            "data": { "x": extra }, "extra": extra, "notify_url": url,
            "resource": { "type": extra, "id": id, "version": version } })
    }
}

/// A dialect and a kind of key for it.
fn any_signing() -> impl Strategy<Value = (Value, &'static str)> {
    let custom = ("[!-~]{0,3}", "[a-z{}]{0,3}").prop_map(|(text, braces)| {
        json!({ "kind": "custom", "algorithm": "hmac-sha512", "encoding": "base64-percent",
            "headers": { "x-sig": format!("{text}{{signature}}") },
            "content": format!("{braces}{{body}}") })
    });
    let stripe = "[a-z ]{1,4}".prop_map(|name| json!({ "kind": "stripe-like", "header": name }));
    prop_oneof![
        select(vec!["hmac", "ed25519"]).prop_map(|kind| (json!("standard"), kind)),
        Just((json!("stripe-like"), "hmac-text")),
        stripe.prop_map(|dialect| (dialect, "hmac-text")),
        (custom, select(vec!["hmac", "hmac-text", "hmac-hex"])),
        Just((json!({ "kind": "none", "header": null }), "hmac-hex")),
    ]
}

fn any_auth() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Null),
        1 => ("[ -~é]{0,9}", ".{0,9}").prop_map(|(username, password)| {
            json!({ "kind": "basic", "username": username, "password": password, "token": null })
        }),
        1 => "[ -~é]{0,9}".prop_map(|token| json!({ "kind": "bearer", "token": token })),
    ]
}

fn any_json_rule() -> impl Strategy<Value = Value> {
    let values = vec![json!(null), json!(true), json!(1), json!("S"), json!([]), json!({})];
    ("(/[a-z~01]{0,4}){0,3}", select(values))
        .prop_map(|(pointer, equals)| json!({ "pointer": pointer, "equals": equals }))
}

/// How often a part is there that may spoil the whole: most entries are to be good.
const SOME: f64 = 0.2;

prop_compose! {
    fn any_entry()(
        merchant in "[A-Za-z0-9_:.-]{1,128}",
        endpoint in "[A-Za-z0-9_:.-]{1,64}",
        url in "(https?|HTTP)://[a-z][a-z@]?[a-z]{1,9}(/[!-Z_-~é]{0,9})?",
        state in select(vec!["active", "paused", "disabled"]),
        events in proptest::collection::vec("\\*|[a-z]{1,5}(\\.[a-z]{1,5}){0,2}(\\.\\*)?", 0..4),
        intervals in proptest::collection::vec("0?[1-9][0-9]{0,2}(s|m)", 0..5),
        timeout in option::of("[1-6]?[0-9]s"),
        flight in option::of(0_u32..1030),
        jitter in option::weighted(SOME, -0.1_f64..1.1),
        rate in option::weighted(SOME, (0.0_f64..200_000.0, option::of(0.0_f64..2e6))),
        weight in option::weighted(SOME, 0.0_f64..110.0),
        body in option::weighted(SOME, "[ -~é]{0,9}"),
        json in option::weighted(SOME, any_json_rule()),
        statuses in option::of(proptest::collection::vec("[245]xx|[245][0-9]{2}|20[0-9](-[25][0-9]{2})?", 1..3)),
        header in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,9}",
        text in "[ -~é]{0,9}",
        secret in proptest::collection::vec(any::<u8>(), 23..66),
        (dialect, kind) in any_signing(),
        auth in any_auth(),
    ) -> Value {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD.encode(&secret);
        let hex = "5a".repeat(secret.len());
        let value = match kind {
            "hmac" => format!("whsec_{base64}"),
            "ed25519" => format!("whsk_{base64}"),
            _ => hex,
        };
        json!({ "format": 1, "merchant_id": merchant, "state": state, "endpoints": [{
            "id": endpoint, "url": url, "events": events,
            "policy": { "intervals": intervals, "timeout": timeout, "max_in_flight": flight,
                "jitter": jitter, "weight": weight,
                "rate": rate.map(|(per_second, burst)| json!({ "per_second": per_second, "burst": burst })),
                "acknowledge": { "statuses": statuses, "body": body, "json": json },
                "headers": { header: text },
                "dialect": dialect },
            "auth": auth, "secrets": [{ "id": "s", "kind": kind, "value": value }] }] })
    }
}

proptest! {
    #[test]
    fn events_that_decode_fit_the_schema(event in any_event()) {
        // Fails as vacuous where too few of the generated documents are good.
        prop_assume!(decodes(&event));
        prop_assert_eq!(schema::event().faults(&event), [""; 0], "{}", event);
    }

    #[test]
    fn entries_that_parse_fit_the_schema(entry in any_entry()) {
        prop_assume!(parses(&entry));
        prop_assert_eq!(schema::merchant().faults(&entry), [""; 0], "{}", entry);
    }
}

#[test]
fn a_schema_says_every_fault_of_one_document_at_once_without_its_values() {
    let mut document = good_event();
    document["id"] = json!("two words");
    document["data"] = json!("secret");
    let why = schema::event().check(document.to_string().as_bytes()).unwrap_err();
    assert!(why.contains("/id: ") && why.contains("/data: "), "{why}");
    assert!(!why.contains("two words") && !why.contains("secret"), "{why}");
    assert!(schema::merchant().check(b"{").is_err());
}
