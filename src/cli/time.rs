//! Points in time as operators write them.

use std::time::SystemTime;

use crate::model::{Span, Timestamp};

/// The clock of this machine; good enough for filters and marks.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads RFC 3339, or a duration before now.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = Span::parse(text) {
        return Ok(now() - span);
    }
    Timestamp::parse(text).map_err(|error| format!("{error}, nor a duration before now such as 2h"))
}
