//! What an attempt's answer means.
//!
//! The verdict `refused` of the vocabulary has no rule yet: every answer that is no
//! acknowledgement may be followed by a better one.

use super::{Answer, FailReason};
use crate::model::Acknowledge;

/// What an answer means for its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The merchant has it.
    Delivered,
    /// Try again, for this reason (a word of the attempts log).
    Retry(&'static str),
}

/// Judges an answer by the endpoint's rule.
pub fn judge(rule: &Acknowledge, answer: &Answer) -> Verdict {
    match answer {
        Answer::Response { status, .. } if rule.statuses.contains(*status) => Verdict::Delivered,
        Answer::Response { .. } => Verdict::Retry("status"),
        Answer::Failed(reason) => Verdict::Retry(reason.as_str()),
    }
}

impl FailReason {
    /// Every reason, for metrics that exist at zero.
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Connect,
        Self::Tls,
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
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::AddressDenied => "address_denied",
            Self::Reset => "reset",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::NoSecret => "no_secret",
        }
    }
}
