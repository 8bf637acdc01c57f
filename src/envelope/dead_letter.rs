//! Headers of a dead letter, both directions.

use bytes::Bytes;

use super::{Envelope, Error, wire};
use crate::{
    engine::{DeadLetter, DeadReason},
    model::Header,
};

/// Bytes of `__dlq.errors.message` at most.
const MESSAGE_BYTES: usize = 1024;

/// A dead letter as its headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterView {
    /// What the ladder knew; never with a due time.
    pub envelope: Envelope,
    /// The word of the contract; perhaps of a newer version.
    pub reason: String,
    /// `publisher`, `merchant` or `system`.
    pub class: String,
    /// One sentence for people.
    pub message: String,
    /// The consumer group that gave it up.
    pub group: String,
    /// The value did not fit and is only at the origin.
    pub truncated: bool,
    /// The publisher's own headers, in order.
    pub headers: Vec<Header>,
}

/// Our headers for a record of the dead-letter topic; they come after the publisher's. `group` is
/// the consumer group.
pub fn dead_letter_headers(
    envelope: &Envelope,
    dead_letter: &DeadLetter,
    group: &str,
) -> Vec<Header> {
    let mut headers = envelope.write();
    headers.retain(|(name, _)| name != "paynotify-due");
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), Bytes::from(value)));
    add("paynotify-reason", dead_letter.reason.as_str().to_owned());
    add("paynotify-class", dead_letter.reason.class().as_str().to_owned());
    if dead_letter.truncated {
        add("paynotify-truncated", "true".to_owned());
    }
    let origin = &envelope.origin;
    add("__dlq.errors.topic", origin.topic.as_ref().to_owned());
    add("__dlq.errors.partition", origin.partition.to_string());
    add("__dlq.errors.offset", origin.offset.to_string());
    add("__dlq.errors.group", group.to_owned());
    add("__dlq.errors.delivery.count", envelope.attempts.to_string());
    let message = &dead_letter.message;
    let ends = message.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|end| *end <= MESSAGE_BYTES).last().unwrap_or(0);
    add("__dlq.errors.message", message[..end].to_owned());
    headers
}

impl DeadLetterView {
    /// Reads the headers of a record of the dead-letter topic.
    pub fn read(headers: Vec<Header>) -> Result<Self, Error> {
        let (ours, publishers) = wire::split(headers)?;
        let text = |name| ours.text(name).map(|text| text.unwrap_or_default().to_owned());
        Ok(Self {
            envelope: ours.envelope()?,
            reason: ours.required("paynotify-reason")?.to_owned(),
            class: ours.required("paynotify-class")?.to_owned(),
            message: text("__dlq.errors.message")?,
            group: text("__dlq.errors.group")?,
            truncated: ours.text("paynotify-truncated")? == Some("true"),
            headers: publishers,
        })
    }

    /// The reason, where this version knows it.
    pub fn known_reason(&self) -> Option<DeadReason> {
        DeadReason::parse(&self.reason)
    }
}
