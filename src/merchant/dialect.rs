//! Dialects: how a request is signed, so that its merchant can verify it. One file each, behind one
//! trait; [`sign`] chooses by the endpoint's policy.
//!
//! Signing is a pure function of secrets, time, address, id and body.

mod custom;
mod encode;
pub mod standard;
mod stripe_like;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderValue};
use url::Position;

use crate::{
    engine::FailReason,
    model::{Dialect, Endpoint, EventId, Secret, Timestamp},
};

pub(super) use self::custom::rsa_sha256;
use self::{standard::Standard, stripe_like::StripeLike};

/// What a signature may cover.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// Path and query of the URL.
    pub path: &'a str,
    /// Id of the event.
    pub id: &'a EventId,
    /// Time of the attempt.
    pub now: Timestamp,
    /// The very bytes that are sent.
    pub body: &'a [u8],
}

/// A dialect: it knows which headers show that a request is genuine.
trait Scheme {
    /// Adds its headers. `keys` are those valid now, newest first. Gives the ids of those that
    /// signed, separated by commas; nothing where none of them can.
    fn sign(
        &self,
        keys: &[&Secret],
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Option<String>;
}

/// Adds the headers of the endpoint's dialect and gives the ids of the keys that signed, separated
/// by commas; none where the dialect signs nothing.
pub fn sign(
    endpoint: &Endpoint,
    id: &EventId,
    now: Timestamp,
    body: &[u8],
    headers: &mut HeaderMap,
) -> Result<Option<String>, FailReason> {
    let keys = valid(&endpoint.secrets, now);
    let path = &endpoint.url[Position::BeforePath..Position::AfterQuery];
    let request = Unsigned { path, id, now, body };
    let signed = match &endpoint.policy.dialect {
        Dialect::None => return Ok(None),
        Dialect::Standard => Standard.sign(&keys, &request, headers),
        Dialect::StripeLike(header) => StripeLike(header).sign(&keys, &request, headers),
        Dialect::Custom(custom) => custom.sign(&keys, &request, headers),
    };
    signed.map(Some).ok_or(FailReason::NoSecret)
}

/// The secrets valid at `now`, newest first: by `not_before`, those without one last; equal ones
/// stay in the order of the entry.
pub fn valid(secrets: &[Secret], now: Timestamp) -> Vec<&Secret> {
    let mut valid: Vec<&Secret> = secrets.iter().filter(|secret| secret.is_valid(now)).collect();
    valid.sort_by_key(|secret| std::cmp::Reverse(secret.not_before));
    valid
}

/// Signatures are plain ASCII, which always is a header's value.
fn value(text: String) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}

/// `text` at the end of a list separated by `separator`.
fn append(list: &mut String, separator: char, text: &str) {
    if !list.is_empty() {
        list.push(separator);
    }
    list.push_str(text);
}
