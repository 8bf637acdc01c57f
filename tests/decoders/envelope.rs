//! Headers of the ladder and of dead letters.

use bytes::Bytes;
use paynotify::{
    engine::{DeadLetter, DeadReason},
    envelope::{DeadLetterView, Envelope, dead_letter_headers},
    event::is_ours,
    model::{Coordinates, Header, Timestamp},
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::is_fit_to_show;

const NAMES: [&str; 15] = [
    "format",
    "accepted",
    "origin",
    "endpoint",
    "attempts",
    "due",
    "first-attempt",
    "last-attempt",
    "last-reason",
    "last-status",
    "parked",
    "replay",
    "reason",
    "class",
    "truncated",
];

fn any_value() -> impl Strategy<Value = Bytes> {
    let text = prop_oneof![
        "[12]",
        "[0-9]{1,25}",
        "-?[0-9]{1,25}(ms)?",
        "[a-z.]{1,9}/-?[0-9]{1,20}/-?[0-9]{1,20}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})",
        ".{0,600}",
    ];
    prop_oneof![
        text.prop_map(|text: String| Bytes::from(text)),
        vec(any::<u8>(), 0..40).prop_map(Bytes::from),
    ]
}

/// Headers that are nearly an envelope: a good one, changed in places.
fn any_headers() -> impl Strategy<Value = Vec<Header>> {
    let ours = select(NAMES.to_vec()).prop_map(|name| format!("paynotify-{name}"));
    let dead = select(vec!["topic", "message", "group", "offset"])
        .prop_map(|name| format!("__dlq.errors.{name}"));
    let name = prop_oneof![6 => ours, 1 => dead, 1 => "paynotify-.{0,90}", 1 => "[a-z-]{1,9}"];
    (vec((name, any_value()), 0..4), any::<bool>()).prop_map(|(changes, whole)| {
        let mut headers = if whole { good().write() } else { Vec::new() };
        for (name, value) in changes {
            match headers.iter_mut().find(|(found, _)| *found == name) {
                Some(header) if value.len() % 7 != 0 => header.1 = value,
                _ => headers.push((name, value)),
            }
        }
        headers
    })
}

fn good() -> Envelope {
    let origin = Coordinates::parse("payments.completions/3/41").unwrap();
    let mut envelope = Envelope::fresh(Timestamp::from_millis(1_700_000_000_000), origin);
    envelope.due = Some(Timestamp::from_millis(1_700_000_005_000));
    envelope.last_reason = Some("timeout".to_owned());
    envelope
}

fn size(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

proptest! {
    #[test]
    fn any_headers_are_an_envelope_or_an_error_that_names_the_header(headers in any_headers()) {
        match Envelope::read(headers.clone()) {
            Ok((envelope, publishers)) => {
                let theirs: Vec<_> = headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
                prop_assert_eq!(publishers, theirs, "the publisher's own come through");
                let written = envelope.write();
                // Numbers may be written shorter or longer than they came, nothing else.
                prop_assert!(size(&written) <= size(&headers) + 200);
                prop_assert_eq!(Envelope::read(written), Ok((envelope, Vec::new())));
            }
            Err(error) => {
                let error = error.to_string();
                is_fit_to_show(&error)?;
                prop_assert!(error.contains("paynotify-") || error.contains("__dlq."), "{error}");
            }
        }
    }

    #[test]
    fn any_headers_are_a_dead_letter_or_an_error_that_names_the_header(headers in any_headers()) {
        if let Err(error) = DeadLetterView::read(headers) {
            let error = error.to_string();
            is_fit_to_show(&error)?;
            prop_assert!(error.contains("paynotify-") || error.contains("__dlq."), "{error}");
        }
    }

    #[test]
    fn a_dead_letter_is_read_as_it_was_written(
        message in ".{0,1500}", group in "[a-z]{1,9}", truncated in any::<bool>(),
        reason in select(vec![DeadReason::System, DeadReason::Expired, DeadReason::Undecodable]),
        publishers in vec(("[a-z]{1,9}", any_value()), 0..4),
    ) {
        let dead = DeadLetter { reason, message: message.clone(), truncated };
        let mut headers = publishers.clone();
        headers.extend(dead_letter_headers(&good(), &dead, &group));
        let view = DeadLetterView::read(headers).unwrap();
        prop_assert_eq!(&view.envelope, &Envelope { due: None, ..good() });
        prop_assert_eq!(view.known_reason(), Some(reason));
        prop_assert_eq!((view.group, view.truncated, view.headers), (group, truncated, publishers));
        prop_assert!(message.starts_with(&view.message) && view.message.len() <= 1_024);
        prop_assert!(view.message.len() == message.len() || view.message.len() > 1_020);
    }
}
