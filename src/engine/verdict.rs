//! What an attempt's answer means.
//!
//! The verdict `refused` of the vocabulary has no rule yet: every answer that is no
//! acknowledgement may be followed by a better one.

use serde_json::Value;

use super::{Answer, BodyVerdict, FailReason, TlsFault};
use crate::model::{Acknowledge, JsonRule};

/// What an answer means for its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The merchant has it.
    Delivered,
    /// Try again, for this reason (a word of the attempts log).
    Retry(&'static str),
}

/// What is known of a response's body when it has been read.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// Its bytes, or their beginning.
    pub bytes: &'a [u8],
    /// Whether these are all.
    pub complete: bool,
    /// Whether it has a content encoding.
    pub encoded: bool,
}

/// Judges an answer by the endpoint's rule.
pub fn judge(rule: &Acknowledge, answer: &Answer) -> Verdict {
    match answer {
        Answer::Response { status, .. } if !rule.statuses.contains(*status) => {
            Verdict::Retry("status")
        }
        Answer::Response { body, .. } => match body {
            BodyVerdict::Holds => Verdict::Delivered,
            BodyVerdict::Differs => Verdict::Retry("body"),
            BodyVerdict::TooLong => Verdict::Retry("too_large"),
            BodyVerdict::NotText => Verdict::Retry("body_not_text"),
            BodyVerdict::Encoded => Verdict::Retry("body_encoded"),
        },
        Answer::Failed(reason) => Verdict::Retry(reason.as_str()),
    }
}

/// Holds a body against the rule: apart from [`judge`], since it may take a while and the client
/// has a task for it. A byte order mark at the beginning is passed over.
pub fn judge_body(rule: &Acknowledge, body: Body<'_>) -> BodyVerdict {
    if !rule.reads_body() {
        return BodyVerdict::Holds;
    }
    if body.encoded {
        return BodyVerdict::Encoded;
    }
    if !body.complete {
        return BodyVerdict::TooLong;
    }
    let Ok(text) = std::str::from_utf8(body.bytes) else { return BodyVerdict::NotText };
    let text = text.trim_start_matches('\u{feff}').trim();
    let says = rule.body.as_deref().is_none_or(|wanted| text == wanted);
    if says && rule.json.as_ref().is_none_or(|rule| holds(rule, text)) {
        BodyVerdict::Holds
    } else {
        BodyVerdict::Differs
    }
}

fn holds(rule: &JsonRule, text: &str) -> bool {
    let found = serde_json::from_str::<Value>(text).ok();
    found.as_ref().and_then(|json| json.pointer(&rule.pointer)) == Some(&rule.equals)
}

impl FailReason {
    /// Every word, for metrics that exist at zero.
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Connect,
        Self::Tls(TlsFault::Handshake),
        Self::Dns,
        Self::AddressDenied,
        Self::Reset,
        Self::TooLarge,
        Self::Protocol,
        Self::NoSecret,
    ];

    /// The word of the attempts log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls(_) => "tls",
            Self::Dns => "dns",
            Self::AddressDenied => "address_denied",
            Self::Reset => "reset",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::NoSecret => "no_secret",
        }
    }

    /// What the word leaves open, for people.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Tls(fault) => Some(fault.as_str()),
            _ => None,
        }
    }
}
