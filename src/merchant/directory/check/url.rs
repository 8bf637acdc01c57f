//! Where to send, and what.

use super::problem::{Checked, Problem};
use crate::model::{EventFilter, EventType};

pub(super) fn url(text: &str, allow_http: bool) -> Checked<::url::Url> {
    // The URL itself is not quoted: it may hold a password.
    let url = crate::event::check_url(text)
        .map_err(|rule| Problem::new("url", rule, "write such as https://shop.example/hooks"))?;
    if url.scheme() == "http" && !allow_http {
        let remedy = "use https, or set delivery.allow_http";
        return Err(Problem::new("url", "http is not allowed", remedy));
    }
    Ok(url)
}

/// Reads a filter: `*`, `payment.*` or an exact type.
pub fn event_filter(text: &str) -> Result<EventFilter, String> {
    if text == "*" {
        return Ok(EventFilter::All);
    }
    let (name, under) = match text.strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (text, false),
    };
    EventType::parse(name).map_err(|_| {
        let found: String = text.chars().take(80).collect();
        format!("{found:?} is no filter: write *, payment.* or payment.completed")
    })?;
    let name = name.to_owned();
    Ok(if under { EventFilter::Under(name) } else { EventFilter::Exactly(name) })
}
