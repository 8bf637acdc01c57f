//! Values of an entry → a merchant, every rule of the contract held.

use std::{collections::HashSet, sync::Arc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::{
    AcknowledgeEntry, Defaults, EndpointEntry, Entry, Error, PolicyEntry, Rules, SecretEntry,
};
use crate::model::{
    Acknowledge, Endpoint, EventFilter, EventType, Merchant, MerchantId, Policy, Secret,
    SecretBytes, Span, StatusSet,
};

const ENDPOINTS: usize = 32;
const INTERVALS: usize = 64;
const FILTERS: usize = 64;
const SECRETS: usize = 8;
const HEADERS: usize = 32;
const HEADER_BYTES: usize = 4096;
const HOSTS: usize = 64;
const LONGEST_INTERVAL: Span = Span::from_secs(7 * 86_400);
/// The id under which events with their own `notify_url` are delivered.
const RESERVED_ENDPOINT: &str = "notify_url";
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
/// Standard base64; secrets are found with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An error still on its way up to the root of the entry.
#[derive(Debug)]
pub(super) struct Problem {
    path: String,
    what: String,
    remedy: String,
}

type Checked<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(path: &str, what: impl Into<String>, remedy: &str) -> Self {
        Self { path: path.to_owned(), what: what.into(), remedy: remedy.to_owned() }
    }

    fn unsupported(path: &str) -> Self {
        Self::new(path, "not supported by this version", "leave it out")
    }

    pub(super) fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }

    pub(super) fn into_error(self, merchant: Option<MerchantId>) -> Error {
        Error { merchant, ..Error::new(&self.path, self.what, &self.remedy) }
    }
}

pub(super) fn merchant(entry: Entry, rules: &Rules) -> Result<Merchant, Error> {
    let id = entry.merchant_id.clone();
    checked(entry, rules).map_err(|problem| problem.into_error(Some(id)))
}

fn checked(entry: Entry, rules: &Rules) -> Checked<Merchant> {
    if entry.format != 1 {
        let what = format!("is {}, but this version reads 1", entry.format);
        return Err(Problem::new("format", what, "write \"format\": 1"));
    }
    let name = entry.name.unwrap_or_else(|| entry.merchant_id.to_string());
    if name.len() > 256 {
        return Err(Problem::new("name", "is longer than 256 bytes", "shorten it"));
    }
    at_most("notify_url_hosts", entry.notify_url_hosts.len(), HOSTS)?;
    for (at, host) in entry.notify_url_hosts.iter().enumerate() {
        // Hosts are compared with those of parsed URLs, so they have to be in the same form.
        if url::Host::parse(host).map(|parsed| parsed.to_string()).as_deref() != Ok(host) {
            return Err(Problem::new(
                &format!("notify_url_hosts[{at}]"),
                format!("{:?} is not a host name", host.chars().take(80).collect::<String>()),
                "write the lower-case name without scheme, port and path",
            ));
        }
    }
    at_most("endpoints", entry.endpoints.len(), ENDPOINTS)?;
    let mut ids = HashSet::new();
    let mut endpoints = Vec::with_capacity(entry.endpoints.len());
    for (at, entry) in entry.endpoints.into_iter().enumerate() {
        let path = format!("endpoints[{at}]");
        let endpoint = endpoint(entry, rules).map_err(|problem| problem.within(&path))?;
        if !ids.insert(endpoint.id.clone()) {
            let what = format!("{:?} is used twice", endpoint.id.as_str());
            return Err(Problem::new("id", what, "give each endpoint its own id").within(&path));
        }
        endpoints.push(Arc::new(endpoint));
    }
    Ok(Merchant {
        id: entry.merchant_id,
        name,
        state: entry.state,
        notify_url_hosts: entry.notify_url_hosts,
        endpoints,
    })
}

fn endpoint(entry: EndpointEntry, rules: &Rules) -> Checked<Endpoint> {
    if entry.id.as_str() == RESERVED_ENDPOINT {
        let what = "\"notify_url\" is reserved for events with a URL of their own";
        return Err(Problem::new("id", what, "choose another id"));
    }
    if entry.auth.is_some() {
        return Err(Problem::unsupported("auth"));
    }
    let url = url(&entry.url, rules.allow_http)?;
    at_most("events", entry.events.len(), FILTERS)?;
    let events = each("events", &entry.events, event_filter)?;
    let policy = policy(entry.policy, &rules.defaults, rules.shortest_interval)
        .map_err(|problem| problem.within("policy"))?;
    Ok(Endpoint {
        id: entry.id,
        url,
        state: entry.state,
        events,
        policy,
        secrets: secrets(&entry.secrets)?,
    })
}

fn url(text: &str, allow_http: bool) -> Checked<url::Url> {
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

/// Reads a status set: `2xx`, `204` or `200-204`; neither 1xx, which is no answer, nor 3xx, which
/// is never followed.
pub fn status_set(texts: &[String]) -> Result<StatusSet, String> {
    let number = |text: &str| -> Option<u16> {
        text.parse().ok().filter(|_| text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()))
    };
    let range = |text: &str| match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(class), _) => {
            let class: u16 = class.parse().ok().filter(|_| class.len() == 1)?;
            Some((class * 100, class * 100 + 99))
        }
        (None, Some((first, last))) => Some((number(first)?, number(last)?)),
        (None, None) => number(text).map(|status| (status, status)),
    };
    let good = |(first, last): &(u16, u16)| {
        first <= last && *first >= 200 && *last <= 599 && (*last < 300 || *first >= 400)
    };
    let mut ranges = Vec::with_capacity(texts.len());
    for text in texts {
        ranges.push(range(text).filter(good).ok_or_else(|| {
            let found: String = text.chars().take(20).collect();
            format!("{found:?} is no status: write 2xx, 204 or 200-204, but not 1xx or 3xx")
        })?);
    }
    if ranges.is_empty() {
        return Err("no status counts as acknowledged: write at least one, such as 2xx".to_owned());
    }
    Ok(StatusSet(ranges))
}

pub(super) fn policy(entry: PolicyEntry, defaults: &Defaults, shortest: Span) -> Checked<Policy> {
    supported(&entry)?;
    let defaults = defaults.0.clone();
    let policy = Policy {
        intervals: entry.intervals.unwrap_or(defaults.intervals),
        max_age: entry.max_age.unwrap_or(defaults.max_age),
        timeout: entry.timeout.unwrap_or(defaults.timeout),
        max_in_flight: entry.max_in_flight.unwrap_or(defaults.max_in_flight),
        acknowledge: match entry.acknowledge {
            Some(AcknowledgeEntry { statuses: Some(statuses), .. }) => Acknowledge {
                statuses: status_set(&statuses)
                    .map_err(|what| Problem::new("acknowledge.statuses", what, "correct it"))?,
            },
            _ => defaults.acknowledge,
        },
        signed: match entry.dialect.as_deref() {
            None => defaults.signed,
            Some("standard") => true,
            Some("none") => false,
            Some(_) => return Err(Problem::unsupported("dialect")),
        },
        headers: match entry.headers {
            Some(headers) => headers.into_iter().collect(),
            None => defaults.headers,
        },
    };
    schedule(&policy, shortest)?;
    within("timeout", policy.timeout, Span::from_millis(100), Span::from_secs(60))?;
    if !(1..=1024).contains(&policy.max_in_flight) {
        let what = format!("is {}, but must be from 1 to 1024", policy.max_in_flight);
        return Err(Problem::new("max_in_flight", what, "the default is 8"));
    }
    at_most("headers", policy.headers.len(), HEADERS)?;
    let mut names = HashSet::new();
    for pair in &policy.headers {
        header(pair)?;
        if !names.insert(pair.0.to_ascii_lowercase()) {
            let path = format!("headers.{}", pair.0);
            return Err(Problem::new(&path, "is there twice", "case does not matter: keep one"));
        }
    }
    Ok(policy)
}

/// Refuses what the contract knows and this version does not.
fn supported(entry: &PolicyEntry) -> Checked<()> {
    let acknowledge = entry.acknowledge.as_ref();
    let differs = |value: Option<f64>, neutral: f64| {
        value.is_some_and(|value| value.total_cmp(&neutral).is_ne())
    };
    for (path, used) in [
        ("rate", entry.rate.is_some()),
        ("jitter", differs(entry.jitter, 0.0)),
        ("weight", differs(entry.weight, 1.0)),
        ("class", entry.class.as_ref().is_some_and(|class| class != "standard")),
        ("acknowledge.body", acknowledge.is_some_and(|rule| rule.body.is_some())),
        ("acknowledge.json", acknowledge.is_some_and(|rule| rule.json.is_some())),
    ] {
        if used {
            return Err(Problem::unsupported(path));
        }
    }
    Ok(())
}

fn schedule(policy: &Policy, shortest: Span) -> Checked<()> {
    at_most("intervals", policy.intervals.len(), INTERVALS)?;
    let mut sum = Span::ZERO;
    for (at, interval) in policy.intervals.iter().enumerate() {
        within(&format!("intervals[{at}]"), *interval, shortest, LONGEST_INTERVAL)?;
        sum = sum.plus(*interval);
    }
    if policy.max_age < sum {
        let what = format!("is {}, but the intervals add up to {sum}", policy.max_age);
        return Err(Problem::new("max_age", what, "lengthen it, or shorten the intervals"));
    }
    Ok(())
}

fn header((name, value): &(String, String)) -> Checked<()> {
    let path = format!("headers.{}", name.chars().take(80).collect::<String>().escape_debug());
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Problem::new(&path, "is no header name", "use letters, digits and hyphens"));
    };
    let parsed = parsed.as_str();
    if RESERVED_HEADERS.contains(&parsed)
        || parsed.starts_with("webhook-")
        || parsed.starts_with("paynotify-")
    {
        return Err(Problem::new(&path, "is set by paynotify itself", "leave it out"));
    }
    // The value is not quoted: it may be a merchant's own token.
    if HeaderValue::from_str(value).is_err() || value.len() > HEADER_BYTES {
        let what = "has a value with control characters or of more than 4096 bytes";
        return Err(Problem::new(&path, what, "correct the value"));
    }
    Ok(())
}

fn secrets(entries: &[SecretEntry]) -> Checked<Vec<Secret>> {
    at_most("secrets", entries.len(), SECRETS)?;
    let mut ids = HashSet::new();
    let mut secrets = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let secret = secret(entry).map_err(|problem| problem.within(&format!("secrets[{at}]")))?;
        if !ids.insert(secret.id.clone()) {
            let path = format!("secrets[{at}].id");
            return Err(Problem::new(&path, "is used twice", "give each secret its own id"));
        }
        secrets.push(secret);
    }
    Ok(secrets)
}

fn secret(entry: &SecretEntry) -> Checked<Secret> {
    // The id goes to logs and is joined by commas there.
    if crate::model::EndpointId::parse(&entry.id).is_err() {
        let what = "must match ^[A-Za-z0-9_:.-]{1,64}$";
        return Err(Problem::new("id", what, "name it such as s1"));
    }
    if entry.kind != "hmac" {
        return Err(Problem::unsupported("kind"));
    }
    let text = entry.value.expose_secret().strip_prefix("whsec_");
    // At most 64 bytes are needed; the buffer is wiped by its owner.
    let key =
        text.and_then(|text| BASE64.decode(text).ok()).filter(|k| (24..=64).contains(&k.len()));
    let Some(key) = key else {
        let what = "must be the prefix whsec and, after _, the base64 of 24 to 64 random bytes";
        return Err(Problem::new("value", what, "make one: openssl rand -base64 32"));
    };
    if let (Some(start), Some(end)) = (entry.not_before, entry.expires)
        && start >= end
    {
        return Err(Problem::new("expires", "is not after not_before", "correct one of them"));
    }
    Ok(Secret {
        id: entry.id.clone(),
        key: SecretBytes::new(key),
        not_before: entry.not_before,
        expires: entry.expires,
    })
}

fn at_most(path: &str, found: usize, most: usize) -> Checked<()> {
    if found <= most {
        return Ok(());
    }
    let what = format!("has {found} items, but at most {most} are allowed");
    Err(Problem::new(path, what, "leave some out"))
}

fn within(path: &str, found: Span, least: Span, most: Span) -> Checked<()> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let what = format!("is {found}, but must be from {least} to {most}");
    Err(Problem::new(path, what, "correct it"))
}

fn each<T>(
    path: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Checked<Vec<T>> {
    let parse = |(at, text): (usize, &String)| {
        parse(text).map_err(|what| Problem::new(&format!("{path}[{at}]"), what, "correct it"))
    };
    texts.iter().enumerate().map(parse).collect()
}
