//! Fixed headers of each request.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};

use super::problem::{Checked, Problem, at_most};

const HEADERS: usize = 32;
const HEADER_BYTES: usize = 4096;
const RESERVED_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "authorization",
    "traceparent",
    "tracestate",
    "content-type",
    "user-agent",
];

pub(super) fn headers(headers: &[(String, String)]) -> Checked<()> {
    at_most("headers", headers.len(), HEADERS)?;
    let mut names = HashSet::new();
    for pair in headers {
        header(pair)?;
        if !names.insert(pair.0.to_ascii_lowercase()) {
            let path = format!("headers.{}", pair.0);
            return Err(Problem::new(&path, "is there twice", "case does not matter: keep one"));
        }
    }
    Ok(())
}

/// Whether paynotify or HTTP sets this header; the name in lower case.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED_HEADERS.contains(&name)
        || name.starts_with("webhook-")
        || name.starts_with("paynotify-")
}

fn header((name, value): &(String, String)) -> Checked<()> {
    let path = format!("headers.{}", name.chars().take(80).collect::<String>().escape_debug());
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Problem::new(&path, "is no header name", "use letters, digits and hyphens"));
    };
    let parsed = parsed.as_str();
    if is_reserved(parsed) {
        return Err(Problem::new(&path, "is set by paynotify itself", "leave it out"));
    }
    // The value is not quoted: it may be a merchant's own token.
    if HeaderValue::from_str(value).is_err() || value.len() > HEADER_BYTES {
        let what = "has a value with control characters or of more than 4096 bytes";
        return Err(Problem::new(&path, what, "correct the value"));
    }
    Ok(())
}
