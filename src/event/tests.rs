use base64::Engine as _;
use bytes::Bytes;
use proptest::prelude::*;

use super::{DEFAULT_MAX_BYTES, Undecodable, decode, decode_within, strip_ours};
use crate::model::{Event, Header, Resource, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const GOOD: &str = r#"{ "id":"evt_1","type":"payment.completed","timestamp":"2026-01-31T12:00:00.5+02:00",
 "merchant_id":"m_42","data":{"amount":"12.50","note":"Grüße"},"other":[1],
 "resource":{"type":"payment","id":"pay_1","version":3},"notify_url":"https://shop.example/x?y=1" }"#;

fn plain(key: &str, value: &str) -> Result<Event, Undecodable> {
    decode(Some(key.as_bytes()), Some(&Bytes::from(value.to_owned())), &[], NOW)
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), Bytes::from(value.to_owned()))
}

fn binary(extra: &[(&str, &str)]) -> Vec<Header> {
    let mut headers = vec![
        header("ce_specversion", "1.0"),
        header("ce_source", "/payments"),
        header("ce_type", "payment.completed"),
        header("content-type", "application/json"),
    ];
    headers.extend(extra.iter().map(|(name, value)| header(name, value)));
    headers
}

fn invalid(result: Result<Event, Undecodable>) -> String {
    match result {
        Err(Undecodable::Invalid(message)) => message,
        other => panic!("expected an invalid event, got {other:?}"),
    }
}

fn no_event(result: Result<Event, Undecodable>) -> String {
    match result {
        Err(Undecodable::NoEvent(message)) => message,
        other => panic!("expected no event, got {other:?}"),
    }
}

#[test]
fn the_body_of_a_plain_event_is_the_value_byte_for_byte() {
    let value = Bytes::from_static(GOOD.as_bytes());
    let event = decode(Some(b"m_42"), Some(&value), &[], NOW).unwrap();
    assert_eq!(event.body, value);
    assert_eq!(event.body.as_ptr(), value.as_ptr(), "not even copied");
    assert_eq!(event.id.as_str(), "evt_1");
    assert_eq!(event.kind.as_str(), "payment.completed");
    assert_eq!(event.happened.to_string(), "2026-01-31T10:00:00.500Z");
    let resource = Resource { kind: "payment".into(), id: "pay_1".into(), version: Some(3) };
    assert_eq!(event.resource, Some(resource));
    assert_eq!(event.notify_url.as_deref(), Some("https://shop.example/x?y=1"));
}

#[test]
fn escapes_in_a_field_are_read_as_what_they_mean() {
    let event = plain("m_42", &GOOD.replace("evt_1", r"evt\u005f1")).unwrap();
    assert_eq!(event.id.as_str(), "evt_1");
}

#[test]
fn what_is_no_json_object_is_undecodable_and_says_why() {
    assert!(no_event(decode(Some(b"m"), None, &[], NOW)).contains("tombstone"));
    assert!(no_event(plain("m", "")).contains("empty"));
    assert!(no_event(plain("m", "[1]")).contains("must be a JSON object, but is an array"));
    assert!(no_event(plain("m", "{\"id\":")).contains("not valid JSON"));
    assert!(no_event(plain("m", "{} {}")).contains("not valid JSON"));
    assert!(no_event(plain("m", "\0\0\0\0\u{1}{}")).contains("schema registry"));
    let latin = Bytes::from_static(b"{\"id\":\"\xe9\"}");
    assert!(no_event(decode(Some(b"m"), Some(&latin), &[], NOW)).contains("UTF-8 from byte 7"));
}

#[test]
fn a_broken_rule_is_invalid_and_names_field_rule_and_finding() {
    for (from, to, expected) in [
        ("\"id\":\"evt_1\",", "", "id: is required, but is missing"),
        ("\"evt_1\"", "12", "id: must be a string, but is a number"),
        ("evt_1", "a b", "id: an event id must match ^[A-Za-z0-9_:-]{1,128}$, but is \"a b\""),
        ("payment.completed", "Payment", "type: an event type must match"),
        ("2026-01-31T12:00:00.5+02:00", "31.1.2026", "timestamp: \"31.1.2026\" is not an RFC 3339"),
        ("2026-01-31T12:00:00.5+02:00", "2026-01-31T12Z", "timestamp: must be an RFC 3339 time"),
        ("\"m_42\"", "null", "merchant_id: is required"),
        (
            "m_42",
            "m_43",
            "merchant_id: must equal the key of the record, \"m_42\", but is \"m_43\"",
        ),
        ("\"data\":{", "\"no\":{", "data: is required"),
        ("\"data\":", "\"data\":[],\"no\":", "data: must be an object, but is an array"),
        ("\"other\":[1]", "\"id\":\"evt_2\"", "value: duplicate field `id`"),
        ("\"version\":3", "\"version\":-3", "resource.version: must be a whole number"),
        ("https://shop", "ftp://shop", "notify_url: must be an http or https URL"),
        (
            "https://shop",
            "https://a:b@shop",
            "notify_url: must not hold a user name or a password, but is not shown",
        ),
    ] {
        let message = invalid(plain("m_42", &GOOD.replacen(from, to, 1)));
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }
}

#[test]
fn a_missing_or_bad_key_is_invalid() {
    let value = Bytes::from_static(GOOD.as_bytes());
    assert!(invalid(decode(None, Some(&value), &[], NOW)).starts_with("key: must be the merchant"));
    assert!(invalid(plain("m 42", GOOD)).starts_with("key: a merchant id must match"));
}

#[test]
fn too_many_bytes_are_invalid() {
    let value = Bytes::from(GOOD.replace("12.50", &"9".repeat(DEFAULT_MAX_BYTES)));
    let message = invalid(decode(Some(b"m_42"), Some(&value), &[], NOW));
    assert!(message.contains("at most 262144 bytes (events.max_bytes)"), "{message}");
    assert!(decode_within(value.len(), Some(b"m_42"), Some(&value), &[], NOW).is_ok());
}

#[test]
fn a_binary_cloud_event_becomes_the_five_fields() {
    let value = Bytes::from_static(br#"{"amount":1.50}"#);
    let headers = binary(&[("ce_id", "evt-9"), ("ce_time", "2026-01-31T12:00:00Z")]);
    let event = decode(Some(b"m_42"), Some(&value), &headers, NOW).unwrap();
    let body = r#"{"id":"evt-9","type":"payment.completed","timestamp":"2026-01-31T12:00:00Z","merchant_id":"m_42","data":{"amount":1.50}}"#;
    assert_eq!(event.body, body);
    assert_eq!(event.resource, None);
}

#[test]
fn a_structured_cloud_event_is_known_by_its_content_type_in_any_case() {
    let value = Bytes::from_static(
        br#"{"specversion":"1.0","id":"e1","source":"s","type":"refund.completed","subject":"rf_1","data":{}}"#,
    );
    let headers = [header("Content-Type", "Application/CloudEvents+JSON; charset=utf-8")];
    let event = decode(Some(b"m_42"), Some(&value), &headers, NOW).unwrap();
    assert_eq!(event.happened, NOW, "without a time the record's stands in");
    let resource = Resource { kind: "refund".into(), id: "rf_1".into(), version: None };
    assert_eq!(event.resource, Some(resource));
    let again = decode(Some(b"m_42"), Some(&event.body), &[], NOW).unwrap();
    assert_eq!(again.id, event.id, "the body is a plain event again");
}

#[test]
fn data_in_base64_is_read_too() {
    let encoded = base64::engine::general_purpose::STANDARD.encode(r#"{"a":1}"#);
    let value = Bytes::from(format!(
        r#"{{"specversion":"1.0","id":"e","source":"s","type":"a.b","data_base64":"{encoded}"}}"#
    ));
    let headers = [header("content-type", "application/cloudevents+json")];
    let event = decode(Some(b"m"), Some(&value), &headers, NOW).unwrap();
    assert!(event.body.ends_with(br#""data":{"a":1}}"#));
}

#[test]
fn an_id_that_does_not_fit_becomes_a_hash_of_source_and_id() {
    let value = Bytes::from_static(b"{}");
    let id = |id: &str, source: &str| {
        let mut headers = binary(&[("ce_id", id)]);
        headers.push(header("ce_source", source));
        decode(Some(b"m"), Some(&value), &headers, NOW).unwrap().id
    };
    assert_eq!(id("a/b", "s"), id("a/b", "s"));
    assert_ne!(id("a/b", "s"), id("a/b", "t"));
    assert_ne!(id("/b", "sa"), id("a/b", "s"));
    assert!(id("a/b", "s").as_str().starts_with("ce_"));
}

#[test]
fn a_subject_of_two_parts_names_kind_and_id() {
    let value = Bytes::from_static(b"{}");
    let headers = binary(&[("ce_id", "1"), ("ce_subject", "order/o_7")]);
    let event = decode(Some(b"m"), Some(&value), &headers, NOW).unwrap();
    let resource = Resource { kind: "order".into(), id: "o_7".into(), version: None };
    assert_eq!(event.resource, Some(resource));
}

#[test]
fn cloud_events_that_break_a_rule_are_refused() {
    let value = Bytes::from_static(b"{}");
    let refused = |headers: &[Header]| decode(Some(b"m"), Some(&value), headers, NOW);
    assert!(invalid(refused(&binary(&[]))).contains("id: is required"));
    let old = binary(&[("ce_id", "1"), ("ce_specversion", "0.3")]);
    assert!(invalid(refused(&old)).contains("specversion: must be 1.0, but is \"0.3\""));
    let batch = [header("content-type", "application/cloudevents-batch+json")];
    assert!(no_event(refused(&batch)).contains("one event a record"));
    let structured = [header("content-type", "application/cloudevents+json")];
    assert!(invalid(refused(&structured)).contains("is required"));
}

#[test]
fn only_our_headers_are_stripped_and_the_order_stays() {
    let headers = ["traceparent", "paynotify-endpoint", "z", "__dlq.errors.topic", "a", "z"];
    let kept = strip_ours(headers.iter().map(|name| header(name, "v")).collect());
    let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["traceparent", "z", "a", "z"]);
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        structured in any::<bool>(),
    ) {
        let headers = if structured { vec![header("content-type", "application/cloudevents")] }
            else { binary(&[("ce_id", "1")]) };
        let value = value.map(Bytes::from);
        let _ = decode(key.as_deref(), value.as_ref(), &headers, NOW);
        let _ = decode(key.as_deref(), value.as_ref(), &[], NOW);
    }

    #[test]
    fn a_damaged_event_never_panics(at in 0..GOOD.len(), byte in any::<u8>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        let value = Bytes::from(bytes);
        let _ = decode(Some(b"m_42"), Some(&value), &[], NOW);
        let structured = [header("content-type", "application/cloudevents")];
        let _ = decode(Some(b"m_42"), Some(&value), &structured, NOW);
    }

    #[test]
    fn what_is_published_by_the_rules_is_decoded_as_published(
        id in "[A-Za-z0-9_:-]{1,128}",
        merchant in "[A-Za-z0-9_:.-]{1,128}",
        kind in "[a-z0-9_-]{1,10}(\\.[a-z0-9_-]{1,10}){0,3}",
        millis in 0_i64..4_000_000_000_000,
        note in ".{0,40}",
    ) {
        let time = Timestamp::from_millis(millis);
        let value = serde_json::json!({
            "id": id, "type": kind, "timestamp": time, "merchant_id": merchant,
            "data": { "note": note }, "extra": note,
        }).to_string();
        let event = plain(&merchant, &value).unwrap();
        prop_assert_eq!(event.id.as_str(), id);
        prop_assert_eq!(event.kind.as_str(), kind);
        prop_assert_eq!(event.merchant.as_str(), merchant);
        prop_assert_eq!(event.happened, time);
        prop_assert_eq!(&event.body[..], value.as_bytes());
    }
}
