//! Our own headers on records of the ladder and of the dead-letter topic (`contract`, sections 4
//! and 5): what paynotify knows about a delivery, carried in the record itself.
//!
//! Every value is a UTF-8 string and every name stands once, so headers never grow with retries.

mod dead_letter;
mod reason;
#[cfg(test)]
mod tests;
mod wire;

use bytes::Bytes;

use crate::model::{Coordinates, EndpointId, Timestamp};

pub use dead_letter::{DeadLetterView, dead_letter_headers};
pub use wire::Error;

/// What a record of the ladder says about its delivery. Every field is one header; a header
/// without a value yet is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Append time on completions: `paynotify-accepted`.
    pub accepted: Timestamp,
    /// Coordinates of the event on completions: `paynotify-origin`.
    pub origin: Coordinates,
    /// The endpoint; absent means: fan out anew.
    pub endpoint: Option<EndpointId>,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt is due.
    pub due: Option<Timestamp>,
    /// Start of the first attempt.
    pub first_attempt: Option<Timestamp>,
    /// Start of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// Why the last attempt did not deliver.
    pub last_reason: Option<String>,
    /// HTTP status of the last attempt.
    pub last_status: Option<u16>,
    /// Times routed without an attempt.
    pub parked: u32,
    /// Coordinates of the dead letter that was replayed.
    pub replay: Option<Coordinates>,
    /// Unknown `paynotify-*` headers, carried on for newer versions.
    pub unknown: Vec<(String, Bytes)>,
}

impl Envelope {
    /// Of an event just read from completions.
    pub const fn fresh(accepted: Timestamp, origin: Coordinates) -> Self {
        Self {
            accepted,
            origin,
            endpoint: None,
            attempts: 0,
            due: None,
            first_attempt: None,
            last_attempt: None,
            last_reason: None,
            last_status: None,
            parked: 0,
            replay: None,
            unknown: Vec::new(),
        }
    }
}
