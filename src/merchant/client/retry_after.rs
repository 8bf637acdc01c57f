//! How long a merchant asks to be left alone.

use crate::model::{Span, Timestamp};

/// Later dates are cut by the engine; this only keeps sums small.
const LONGEST: Span = Span::from_secs(30 * 86_400);

/// What a value of `Retry-After` asks for: seconds, or an HTTP date measured from now.
pub fn wait_asked(value: &[u8], now: Timestamp) -> Option<Span> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if text.is_empty() {
        return None;
    }
    let span = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long time.
        Span::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        let millis = i64::try_from(since_epoch.as_millis()).ok()?;
        Timestamp::from_millis(millis).since(now)
    };
    Some(span.min(LONGEST))
}
