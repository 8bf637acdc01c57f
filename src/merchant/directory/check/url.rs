//! Where to send, and what.

use ::url::{Host, Url};

use super::{
    Rules,
    problem::{Checked, Problem},
};
use crate::{
    merchant::guard::Denied,
    model::{EventFilter, EventType},
};

/// Names are not resolved here: who answers for them may answer otherwise at delivery, where the
/// addresses are checked.
pub(super) fn url(text: &str, rules: &Rules) -> Checked<Url> {
    // The URL itself is not quoted: it may hold a password.
    let url = crate::event::check_url(text)
        .map_err(|rule| Problem::new("url", rule, "write such as https://shop.example/hooks"))?;
    if url.scheme() == "http" && !rules.allow_http {
        let remedy = "use https, or set delivery.allow_http";
        return Err(Problem::new("url", "http is not allowed", remedy));
    }
    rules.guard.url(&url).map_err(|denied| refused("url", &denied))?;
    Ok(url)
}

/// A host that events may name; its port is not known before.
pub(super) fn host(text: &str, rules: &Rules) -> Checked<()> {
    // Hosts are compared with those of parsed URLs, so they have to be in the same form.
    let Some(host) = Host::parse(text).ok().filter(|host| host.to_string() == text) else {
        // It may hold a password, as the URL may.
        let found: String = text.chars().take(80).collect();
        let found =
            if text.contains('@') { "what has a user".to_owned() } else { format!("{found:?}") };
        let what = format!("{found} is not a host name");
        let remedy = "write the lower-case name without scheme, port and path";
        return Err(Problem::new("", what, remedy));
    };
    rules.guard.host(&host).map_err(|denied| refused("", &denied))?;
    Ok(())
}

fn refused(path: &str, denied: &Denied) -> Problem {
    Problem::new(path, denied.to_string(), &denied.remedy())
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
