//! Events: plain JSON, and `CloudEvents` in both modes.

use bytes::Bytes;
use paynotify::{
    event::{Undecodable, decode, decode_within, is_ours, strip_ours},
    model::{Event, Header, Timestamp},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{any_json, damaged, damages, is_fit_to_show, pointers, spoiled};

fn good() -> Value {
    json!({
        "id": "evt_1", "type": "payment.completed", "timestamp": "2026-01-31T12:00:00Z",
        "merchant_id": "m_42", "data": { "amount": "10.00", "list": [1, null, {}] },
        "resource": { "type": "payment", "id": "pay_1", "version": 7 },
        "notify_url": "https://shop.example/x",
    })
}

fn cloud() -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "/payments", "type": "payment.completed",
        "time": "2026-01-31T12:00:00Z", "subject": "pay_1",
        "datacontenttype": "application/json", "data": { "amount": "10.00" },
    })
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

fn structured() -> Vec<Header> {
    vec![header("content-type", "application/cloudevents+json")]
}

fn read(value: &[u8], headers: &[Header]) -> Result<Event, Undecodable> {
    decode(Some(b"m_42"), Some(&Bytes::copy_from_slice(value)), headers, Timestamp::default())
}

/// What was read is no larger than what came in but for the frame of a made body.
fn is_bounded(result: &Result<Event, Undecodable>, came_in: usize) -> Result<(), TestCaseError> {
    match result {
        Ok(event) => prop_assert!(event.body.len() <= came_in + 2_000, "{}", event.body.len()),
        Err(error) => is_fit_to_show(&error.to_string())?,
    }
    Ok(())
}

fn any_headers() -> impl Strategy<Value = Vec<Header>> {
    let names = select(vec![
        "content-type",
        "Content-Type",
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_subject",
        "paynotify-endpoint",
        "__dlq.errors.topic",
        "traceparent",
    ]);
    let values = prop_oneof![
        vec(any::<u8>(), 0..40),
        "application/(cloudevents(-batch)?)?(\\+json|\\+xml)?(; ?charset=[a-z8-]{0,6})?"
            .prop_map(String::into_bytes),
        select(vec!["1.0", "0.3", "payment.completed", "2026-01-31T12:00:00Z", "a", ""])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec((names.prop_map(str::to_owned), values.prop_map(Bytes::from)), 0..9)
}

proptest! {
    #[test]
    fn any_record_is_an_event_or_an_error_that_can_be_shown(
        key in option::of(vec(any::<u8>(), 0..300)),
        value in option::of(vec(any::<u8>(), 0..400)),
        headers in any_headers(),
        max in 0_usize..500,
    ) {
        let value = value.map(Bytes::from);
        let result = decode_within(max, key.as_deref(), value.as_ref(), &headers, Timestamp::default());
        is_bounded(&result, max)?;
    }

    #[test]
    fn a_damaged_event_is_an_event_or_an_error_that_can_be_shown(
        damages in damages(), headers in any_headers(),
    ) {
        for (document, headers) in
            [(good(), Vec::new()), (cloud(), structured()), (good(), headers)]
        {
            let value = damaged(document.to_string().as_bytes(), &damages);
            is_bounded(&read(&value, &headers), value.len())?;
        }
    }

    #[test]
    fn an_error_names_the_field_that_was_spoiled(which in any::<prop::sample::Index>(), with in any_json()) {
        let fields = pointers(&good());
        let pointer = which.get(&fields);
        if let Err(error) = read(spoiled(&good(), pointer, with).to_string().as_bytes(), &[]) {
            let error = error.to_string();
            is_fit_to_show(&error)?;
            let field = pointer.split('/').nth(1).unwrap();
            prop_assert!(error.starts_with(field), "{pointer}: {error}");
        }
    }

    #[test]
    fn an_error_names_the_attribute_that_was_spoiled(which in any::<prop::sample::Index>(), with in any_json()) {
        let fields = pointers(&cloud());
        let pointer = which.get(&fields);
        if let Err(error) = read(spoiled(&cloud(), pointer, with).to_string().as_bytes(), &structured()) {
            let error = error.to_string();
            is_fit_to_show(&error)?;
            let field = pointer.split('/').nth(1).unwrap();
            prop_assert!(error.contains(field), "{pointer}: {error}");
        }
    }

    #[test]
    fn both_modes_of_a_cloud_event_are_the_same_event(
        id in "[A-Za-z0-9]{1,20}", source in "/[a-z]{1,9}", kind in "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}",
        note in ".{0,30}",
    ) {
        let data = json!({ "note": note });
        let whole = json!({
            "specversion": "1.0", "id": id, "source": source, "type": kind,
            "time": "2026-01-31T12:00:00Z", "datacontenttype": "application/json", "data": data,
        });
        let headers = [
            ("ce_specversion", "1.0"), ("ce_id", &id), ("ce_source", &source), ("ce_type", &kind),
            ("ce_time", "2026-01-31T12:00:00Z"), ("content-type", "application/json"),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| header(name, value)).collect();
        let one = read(whole.to_string().as_bytes(), &structured());
        prop_assert!(one.is_ok(), "{one:?}");
        prop_assert_eq!(one, read(data.to_string().as_bytes(), &headers));
    }

    #[test]
    fn no_header_of_ours_comes_through_and_every_other_does(headers in any_headers()) {
        let expected: Vec<_> = headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
        prop_assert_eq!(strip_ours(headers), expected);
    }
}
