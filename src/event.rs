//! Bytes of a record → [`Event`], or why they are none.
//!
//! Three forms are read (`contract`, section 1): a plain JSON object, which is also the body that
//! the merchant receives, and `CloudEvents` 1.0 in binary and in structured mode, from which a body
//! is made. Nothing here touches Kafka, a clock or the network.

mod cloud;
mod field;
mod plain;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::model::{Event, Header, Timestamp};

pub use field::check_url;

/// Bytes of a value that are taken unless `events.max_bytes` says otherwise.
pub const DEFAULT_MAX_BYTES: usize = 256 * 1024;

/// Why the bytes of a record are no event that can be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not a JSON object, a tombstone, or framed for a schema registry.
    #[error("{0}")]
    NoEvent(String),
    /// An object that breaks a rule of the contract.
    #[error("{0}")]
    Invalid(String),
}

/// Reads an event of at most [`DEFAULT_MAX_BYTES`]; see [`decode_within`].
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&Bytes>,
    headers: &[Header],
    record_time: Timestamp,
) -> Result<Event, Undecodable> {
    decode_within(DEFAULT_MAX_BYTES, key, value, headers, record_time)
}

/// Reads an event of at most `max_bytes` bytes of value. `record_time` stands in for the time of a
/// `CloudEvent` that has none. Messages name the field, the rule and, shortened, what was found.
pub fn decode_within(
    max_bytes: usize,
    key: Option<&[u8]>,
    value: Option<&Bytes>,
    headers: &[Header],
    record_time: Timestamp,
) -> Result<Event, Undecodable> {
    let text = value_text(max_bytes, value)?;
    match cloud::mode(headers)? {
        None => plain::decode(key, text.0, text.1),
        Some(mode) => cloud::decode(mode, key, text.1, headers, record_time),
    }
}

/// Removes what only paynotify may say (`paynotify-*`, `__dlq.*`) from the headers of a
/// publisher; the rest stays in order.
pub fn strip_ours(headers: Vec<Header>) -> Vec<Header> {
    headers.into_iter().filter(|(name, _)| !is_ours(name)).collect()
}

/// Whether a header of this name is ours on the ladder and on the dead-letter topic.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("paynotify-") || name.starts_with("__dlq.")
}

fn value_text(max_bytes: usize, value: Option<&Bytes>) -> Result<(&Bytes, &str), Undecodable> {
    let no_event = |message: &str| Err(Undecodable::NoEvent(message.to_owned()));
    let Some(value) = value else {
        return no_event("value: is a tombstone, but must be a JSON object");
    };
    match value.first() {
        None => return no_event("value: is empty, but must be a JSON object"),
        Some(0) => {
            return no_event(
                "value: begins with byte 0, so it is framed for a schema registry; publish plain \
                 JSON, without a schema registry serializer",
            );
        }
        Some(_) => {}
    }
    if value.len() > max_bytes {
        let found = value.len();
        return Err(Undecodable::Invalid(format!(
            "value: must be at most {max_bytes} bytes (events.max_bytes), but is {found}"
        )));
    }
    match std::str::from_utf8(value) {
        Ok(text) => Ok((value, text)),
        Err(error) => Err(Undecodable::NoEvent(format!(
            "value: is not UTF-8 from byte {}, but must be a JSON object",
            error.valid_up_to()
        ))),
    }
}
