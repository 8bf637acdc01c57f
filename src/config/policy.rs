//! `[defaults.policy]`: what an endpoint gets that does not say otherwise.

use std::collections::BTreeMap;

use crate::model::{Dialect, Policy, Span};

use super::{kafka::REDACTED, reader::Reader, setting::Setting};

/// Headers that the request itself, its signature or its trace needs.
const RESERVED: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
];

/// What merchants get that do not say otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// Policy of an endpoint without one.
    pub policy: Policy,
}

impl Defaults {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        let policy = &mut self.policy;
        reader.read("defaults.policy.intervals", &mut policy.intervals);
        reader.read("defaults.policy.max_age", &mut policy.max_age);
        reader.read("defaults.policy.timeout", &mut policy.timeout);
        reader.read("defaults.policy.max_in_flight", &mut policy.max_in_flight);
        reader.read("defaults.policy.dialect", &mut policy.dialect);
        reader.read("defaults.policy.acknowledge.statuses", &mut policy.acknowledge.statuses);
        read_headers(policy, reader);

        let sum = policy.intervals.iter().fold(Span::ZERO, |sum, interval| sum.plus(*interval));
        if policy.max_age < sum {
            let what = format!("{} is less than the sum of the intervals, {sum}", policy.max_age);
            let remedy = format!("write at least {sum}, or shorten defaults.policy.intervals");
            reader.refuse("defaults.policy.max_age", what, remedy);
        }
        if policy.timeout < Span::from_millis(100) || policy.timeout > Span::from_secs(120) {
            let what = format!("{} is out of range", policy.timeout);
            reader.refuse("defaults.policy.timeout", what, "write a duration from 100ms to 2m");
        }
    }
}

/// Headers may carry credentials of a merchant's gateway: their values are never shown.
fn read_headers(policy: &mut Policy, reader: &mut Reader) {
    const PREFIX: &str = "defaults.policy.headers.";
    let mut headers = BTreeMap::new();
    reader.read_map(PREFIX, &mut headers, |_, _| format!("{REDACTED:?}"));
    for (name, value) in &headers {
        let ours = ["webhook-", "paynotify-"].iter().any(|prefix| name.starts_with(prefix))
            || RESERVED.contains(&name.as_str());
        let key = format!("{PREFIX}{name}");
        if name.parse::<http::HeaderName>().is_err() || name.to_lowercase() != *name {
            reader.refuse(&key, "not a header name", "write a name such as x-shop, in lower case");
        } else if ours {
            reader.refuse(&key, "paynotify sets this header itself", "remove it");
        } else if http::HeaderValue::from_str(value).is_err() {
            reader.refuse(&key, "not a header value", "write visible ASCII characters");
        }
    }
    policy.headers = headers.into_iter().collect();
}

impl Setting for Dialect {
    const WANTED: &'static str =
        "\"standard\" (Standard Webhooks), \"stripe-like\" or \"none\" (unsigned)";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "custom" => Err("a custom dialect belongs into a merchant's entry".to_owned()),
            name => Self::named(name).ok_or_else(|| format!("{text:?} is not a dialect")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.name()))
    }
}
