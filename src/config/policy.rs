//! `[defaults.policy]`: what an endpoint gets that does not say otherwise.

mod conditions;

use std::collections::BTreeMap;

use crate::{
    merchant::directory::{Schedules, acknowledging_body},
    model::{ClassId, Dialect, Policy, Preset, Span, Weight},
};

use super::{
    kafka::REDACTED,
    reader::{Reader, Value},
    setting::{Setting, decimal},
};

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

/// A schedule, or the name of one.
#[derive(PartialEq)]
struct Intervals(Vec<Span>);

impl Defaults {
    pub(super) fn read(&mut self, reader: &mut Reader, schedules: &Schedules, classes: &[String]) {
        let policy = &mut self.policy;
        let mut intervals = Intervals(std::mem::take(&mut policy.intervals));
        reader.read("defaults.policy.intervals", &mut intervals);
        policy.intervals = intervals.0;
        reader.read("defaults.policy.max_age", &mut policy.max_age);
        reader.read("defaults.policy.jitter", &mut policy.jitter);
        reader.read("defaults.policy.timeout", &mut policy.timeout);
        reader.read("defaults.policy.max_in_flight", &mut policy.max_in_flight);
        conditions::read_rate(policy, reader);
        reader.read("defaults.policy.weight", &mut policy.weight);
        read_class(policy, reader, classes);
        reader.read("defaults.policy.http2", &mut policy.http2);
        reader.read("defaults.policy.dialect", &mut policy.dialect);
        reader.read("defaults.policy.acknowledge.statuses", &mut policy.acknowledge.statuses);
        reader.read("defaults.policy.acknowledge.body", &mut policy.acknowledge.body);
        if let Some(Err((what, remedy))) =
            policy.acknowledge.body.as_deref().map(acknowledging_body)
        {
            reader.refuse("defaults.policy.acknowledge.body", what, remedy);
        }
        conditions::read_json(policy, reader);
        read_headers(policy, reader);
        check_intervals(policy, reader, schedules);

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

/// A class is called by its name, and known by its place.
fn read_class(policy: &mut Policy, reader: &mut Reader, classes: &[String]) {
    const KEY: &str = "defaults.policy.class";
    let mut name = classes.get(policy.class.place()).cloned().unwrap_or_default();
    reader.read(KEY, &mut name);
    match classes.iter().position(|class| *class == name).and_then(ClassId::at) {
        Some(class) => policy.class = class,
        None => reader.refuse(
            KEY,
            format!("{name:?} is not configured"),
            format!("write one of {}, or [scheduling.classes.{name}]", classes.join(", ")),
        ),
    }
}

/// The default schedule must be possible on this ladder, for merchants that have no other.
fn check_intervals(policy: &Policy, reader: &mut Reader, schedules: &Schedules) {
    const KEY: &str = "defaults.policy.intervals";
    let (shortest, longest) = (schedules.shortest, schedules.longest);
    for interval in &policy.intervals {
        if !(shortest..=longest).contains(interval) {
            let what = format!("{interval} is not from {shortest} to {longest}");
            return reader.refuse(
                KEY,
                what,
                "change it, or directory.shortest_interval and directory.longest_interval",
            );
        }
        if let Some((what, remedy)) = schedules.too_many_hops(*interval) {
            return reader.refuse(KEY, what, remedy);
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

impl Setting for Intervals {
    const WANTED: &'static str = "a list of durations such as [\"15s\", \"3m\", \"1h\"], \
                                  or a schedule such as \"wechat-pay\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Some(preset) = Preset::named(text.trim()) {
            return Ok(Self(preset.intervals()));
        }
        Vec::from_text(text).map(Self)
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::String(text) => Self::from_text(text),
            other => Vec::from_value(other).map(Self),
        }
    }

    fn show(&self) -> Option<String> {
        self.0.show()
    }
}

impl Setting for Weight {
    const WANTED: &'static str = "a number from 0.1 to 100";

    fn from_text(text: &str) -> Result<Self, String> {
        let weight = text.trim().parse().ok().and_then(Self::parse);
        weight.ok_or_else(|| format!("{text:?} is not a number from 0.1 to 100"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Self::from_text(&decimal(value)?)
    }

    fn show(&self) -> Option<String> {
        Some((f64::from(self.tenths()) / 10.0).to_string())
    }
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
