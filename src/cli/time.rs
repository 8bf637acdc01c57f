//! Points in time as operators write them.

use crate::{
    clock::Clock,
    model::{Span, Timestamp},
};

/// The clock of this machine; good enough for filters and marks.
pub(super) fn now() -> Timestamp {
    Clock::without_offset().now()
}

/// Reads RFC 3339, or a duration before now.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = Span::parse(text) {
        return Ok(now() - span);
    }
    Timestamp::parse(text).map_err(|error| format!("{error}, nor a duration before now such as 2h"))
}
