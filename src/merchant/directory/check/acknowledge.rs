//! The rule of acknowledgement.

use serde_json::Value;

use super::problem::{Checked, Problem};
use crate::{
    merchant::directory::{AcknowledgeEntry, JsonEntry},
    model::{Acknowledge, JsonRule, StatusSet},
};

/// Bytes of an acknowledging body, pointer or value at most.
const LONGEST: usize = 1024;

/// Each condition that is absent comes from the defaults.
pub(super) fn acknowledge(
    entry: Option<AcknowledgeEntry>,
    defaults: Acknowledge,
) -> Checked<Acknowledge> {
    let entry = entry.unwrap_or_default();
    let statuses = entry.statuses.map(|statuses| status_set(&statuses)).transpose();
    let statuses = statuses.map_err(|what| Problem::new("statuses", what, "correct it"))?;
    Ok(Acknowledge {
        statuses: statuses.unwrap_or(defaults.statuses),
        body: entry.body.map(body).transpose()?.or(defaults.body),
        json: entry.json.map(json).transpose()?.or(defaults.json),
    })
}

/// Checks a body that acknowledges, of an entry or of the defaults: what is wrong, and the remedy.
pub fn acknowledging_body(text: &str) -> Result<(), (&'static str, &'static str)> {
    if text.is_empty() || text.trim() != text {
        let what = "is compared after trimming, so it must not be empty or begin or end blank";
        return Err((what, "write the trimmed body, such as \"success\""));
    }
    if text.len() > LONGEST {
        return Err(("is longer than 1024 bytes", "shorten it"));
    }
    Ok(())
}

fn body(text: String) -> Checked<String> {
    let problem = |(what, remedy)| Problem::new("body", what, remedy);
    acknowledging_body(&text).map(|()| text).map_err(problem)
}

fn json(JsonEntry { pointer, equals }: JsonEntry) -> Checked<JsonRule> {
    acknowledging_json(pointer, equals)
        .map_err(|(field, what, remedy)| Problem::new(&format!("json.{field}"), what, remedy))
}

/// What has to stand where in an acknowledging body; or the field, what is wrong with it, and the
/// remedy.
pub fn acknowledging_json(
    pointer: String,
    equals: Value,
) -> Result<JsonRule, (&'static str, &'static str, &'static str)> {
    let escaped = |part: &str| part.starts_with(['0', '1']);
    let good = pointer.is_empty() || pointer.starts_with('/');
    if !good || !pointer.split('~').skip(1).all(escaped) || pointer.len() > LONGEST {
        let what = "is no JSON Pointer (RFC 6901) of at most 1024 bytes";
        return Err(("pointer", what, "write such as /result/code"));
    }
    let scalar = match &equals {
        Value::Array(_) | Value::Object(_) => false,
        Value::String(text) => text.len() <= LONGEST,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    if !scalar {
        let what = "must be a string of at most 1024 bytes, a number, true, false or null";
        return Err(("equals", what, "correct it"));
    }
    Ok(JsonRule { pointer, equals })
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
