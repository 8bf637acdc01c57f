use bytes::Bytes;
use proptest::{option, prelude::*};

use super::{DeadLetterView, Envelope, Error, dead_letter_headers};
use crate::{
    engine::{DeadLetter, DeadReason},
    model::{Coordinates, EndpointId, Header, Timestamp},
};

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), Bytes::from(value.to_owned()))
}

fn fresh() -> Envelope {
    let origin = Coordinates::parse("payments.completions/3/77").unwrap();
    Envelope::fresh(Timestamp::parse("2026-01-31T12:00:00Z").unwrap(), origin)
}

fn retried() -> Envelope {
    let time = |text| Some(Timestamp::parse(text).unwrap());
    Envelope {
        endpoint: Some(EndpointId::parse("ep_main").unwrap()),
        attempts: 2,
        due: time("2026-01-31T12:00:20Z"),
        first_attempt: time("2026-01-31T12:00:01Z"),
        last_attempt: time("2026-01-31T12:00:06.5Z"),
        last_reason: Some("status".to_owned()),
        last_status: Some(503),
        parked: 1,
        ..fresh()
    }
}

fn text(headers: &[Header]) -> String {
    let line = |(name, value): &Header| format!("{name}={}", String::from_utf8_lossy(value));
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_headers_are_those_of_the_contract() {
    assert_eq!(
        text(&retried().write()),
        "paynotify-format=1
paynotify-accepted=2026-01-31T12:00:00.000Z
paynotify-origin=payments.completions/3/77
paynotify-endpoint=ep_main
paynotify-attempts=2
paynotify-due=2026-01-31T12:00:20.000Z
paynotify-first-attempt=2026-01-31T12:00:01.000Z
paynotify-last-attempt=2026-01-31T12:00:06.500Z
paynotify-last-reason=status
paynotify-last-status=503
paynotify-parked=1"
    );
}

#[test]
fn headers_without_a_value_yet_are_absent() {
    assert_eq!(
        text(&fresh().write()),
        "paynotify-format=1
paynotify-accepted=2026-01-31T12:00:00.000Z
paynotify-origin=payments.completions/3/77
paynotify-attempts=0
paynotify-parked=0"
    );
}

#[test]
fn a_dead_letter_says_why_and_where_and_has_no_due_time() {
    let reason = DeadReason::Exhausted;
    let message = "13 attempts, the last answered 503".to_owned();
    let dead = DeadLetter { reason, message, truncated: false };
    let headers = text(&dead_letter_headers(&retried(), &dead, "paynotify"));
    assert!(!headers.contains("paynotify-due"), "{headers}");
    assert!(
        headers.ends_with(
            "paynotify-parked=1
paynotify-reason=exhausted
paynotify-class=merchant
__dlq.errors.topic=payments.completions
__dlq.errors.partition=3
__dlq.errors.offset=77
__dlq.errors.group=paynotify
__dlq.errors.delivery.count=2
__dlq.errors.message=13 attempts, the last answered 503"
        ),
        "{headers}"
    );
}

#[test]
fn a_dead_letter_is_read_back_as_it_was_written() {
    let message = "ä".repeat(2000);
    let dead = DeadLetter { reason: DeadReason::TooLarge, message, truncated: true };
    let mut headers = vec![header("traceparent", "00-1"), header("z", "1")];
    headers.extend(dead_letter_headers(&retried(), &dead, "g"));
    let view = DeadLetterView::read(headers).unwrap();
    assert_eq!(view.envelope, Envelope { due: None, ..retried() });
    assert_eq!(view.known_reason(), Some(DeadReason::TooLarge));
    assert_eq!((view.class.as_str(), view.group.as_str()), ("publisher", "g"));
    assert!(view.truncated);
    assert_eq!(view.message, "ä".repeat(512), "cut between characters");
    assert_eq!(view.headers, [header("traceparent", "00-1"), header("z", "1")]);
}

#[test]
fn every_reason_is_read_as_it_is_written() {
    for reason in DeadReason::ALL {
        assert_eq!(DeadReason::parse(reason.as_str()), Some(reason));
    }
    assert_eq!(DeadReason::parse("eaten"), None);
}

#[test]
fn headers_of_dead_letters_say_nothing_on_the_ladder() {
    let dead = DeadLetter { reason: DeadReason::System, message: String::new(), truncated: true };
    let (envelope, publishers) =
        Envelope::read(dead_letter_headers(&retried(), &dead, "g")).unwrap();
    assert_eq!(envelope, Envelope { due: None, ..retried() });
    assert_eq!(publishers, []);
}

#[test]
fn the_next_format_is_read_and_others_are_refused() {
    let format = |format: &str| {
        let mut headers = retried().write();
        headers[0] = header("paynotify-format", format);
        Envelope::read(headers).map(|(envelope, _)| envelope)
    };
    assert_eq!(format("2"), Ok(retried()));
    assert_eq!(format("3"), Err(Error::Format("3".to_owned())));
    assert_eq!(format(""), Err(Error::Format(String::new())));
}

#[test]
fn damaged_headers_are_refused_and_named() {
    let with = |name: &str, value: &str| {
        let mut headers = retried().write();
        headers.retain(|(found, _)| found != name);
        headers.push(header(name, value));
        Envelope::read(headers).unwrap_err().to_string()
    };
    assert!(with("paynotify-attempts", "-1").contains("paynotify-attempts is \"-1\""));
    assert!(with("paynotify-due", "soon").contains("paynotify-due: \"soon\" is not an RFC 3339"));
    assert!(with("paynotify-origin", "x").contains("paynotify-origin: \"x\" are no coordinates"));
    assert!(with("paynotify-endpoint", "").contains("paynotify-endpoint: an endpoint id"));
    let mut twice = retried().write();
    twice.extend(fresh().write());
    assert_eq!(Envelope::read(twice), Err(Error::Twice("format".to_owned())));
    assert_eq!(Envelope::read(Vec::new()), Err(Error::Missing("paynotify-format")));
}

prop_compose! {
    fn any_time()(millis in any::<i64>()) -> Timestamp { Timestamp::from_millis(millis) }
}

prop_compose! {
    fn any_coordinates()(
        topic in "[a-z.]{1,20}", partition in 0..i32::MAX, offset in 0..i64::MAX,
    ) -> Coordinates {
        Coordinates::parse(&format!("{topic}/{partition}/{offset}")).unwrap()
    }
}

prop_compose! {
    fn any_envelope()(
        (accepted, origin, replay) in (any_time(), any_coordinates(), option::of(any_coordinates())),
        endpoint in option::of("[A-Za-z0-9_:.-]{1,64}"),
        (attempts, parked) in (any::<u32>(), any::<u32>()),
        (due, first_attempt, last_attempt) in
            (option::of(any_time()), option::of(any_time()), option::of(any_time())),
        (last_reason, last_status) in (option::of(".{0,20}"), option::of(any::<u16>())),
        unknown in proptest::collection::btree_map(
            "paynotify-x[a-z-]{0,9}", proptest::collection::vec(any::<u8>(), 0..9), 0..4),
    ) -> Envelope {
        let endpoint = endpoint.map(|id| EndpointId::parse(&id).unwrap());
        let unknown = unknown.into_iter().map(|(name, value)| (name, value.into())).collect();
        Envelope { accepted, origin, endpoint, attempts, due, first_attempt, last_attempt,
            last_reason, last_status, parked, replay, unknown }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(envelope in any_envelope(), names in proptest::collection::vec("[a-z]{1,9}", 0..5)) {
        let publishers: Vec<_> = names.iter().map(|name| header(name, "v")).collect();
        let mut headers = publishers.clone();
        headers.extend(envelope.write());
        prop_assert_eq!(Envelope::read(headers), Ok((envelope, publishers)));
    }

    #[test]
    fn headers_do_not_grow_with_retries(envelope in any_envelope()) {
        let mut hopped = envelope.clone();
        for _ in 0..20 {
            hopped = Envelope::read(hopped.write()).unwrap().0;
        }
        prop_assert_eq!(hopped.write(), envelope.write());
    }
}
