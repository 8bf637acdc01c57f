//! Default conditions of two keys each: `rate` and `acknowledge.json`.

use serde_json::Value as Json;

use crate::{
    merchant::directory::acknowledging_json,
    model::{Policy, Rate},
};

use super::super::{
    reader::{Reader, Value},
    setting::{Setting, decimal, not},
};

/// A string, a number, true or false in an answer.
#[derive(Debug)]
struct Scalar(Json);

/// `rate.per_second`, and `rate.burst` beside it.
pub(super) fn read_rate(policy: &mut Policy, reader: &mut Reader) {
    const PER_SECOND: &str = "defaults.policy.rate.per_second";
    const BURST: &str = "defaults.policy.rate.burst";
    let (mut per_second, mut burst) = (None, None);
    reader.read(PER_SECOND, &mut per_second);
    reader.read(BURST, &mut burst);
    match per_second.map(|per_second| Rate::parse(per_second, burst)) {
        Some(Some(rate)) => policy.rate = Some(rate),
        Some(None) => {
            let what = "is not from 0.001 to 100000 with a burst from 1 to 1000000";
            reader.refuse(PER_SECOND, what, "write such as 50, and a burst of 100");
        }
        None if burst.is_some() => {
            reader.refuse(BURST, "there is no rate", format!("write {PER_SECOND} too"));
        }
        None => {}
    }
}

/// `acknowledge.json.pointer` with `acknowledge.json.equals`.
pub(super) fn read_json(policy: &mut Policy, reader: &mut Reader) {
    const POINTER: &str = "defaults.policy.acknowledge.json.pointer";
    const EQUALS: &str = "defaults.policy.acknowledge.json.equals";
    let (mut pointer, mut equals): (Option<String>, Option<Scalar>) = (None, None);
    reader.read(POINTER, &mut pointer);
    reader.read(EQUALS, &mut equals);
    match (pointer, equals) {
        (Some(pointer), Some(Scalar(equals))) => match acknowledging_json(pointer, equals) {
            Ok(rule) => policy.acknowledge.json = Some(rule),
            Err((field, what, remedy)) => {
                reader.refuse(&format!("defaults.policy.acknowledge.json.{field}"), what, remedy);
            }
        },
        (Some(_), None) => {
            reader.refuse(POINTER, "nothing says what has to be there", format!("write {EQUALS}"));
        }
        (None, Some(_)) => {
            reader.refuse(EQUALS, "nothing says where", format!("write {POINTER}, such as /code"));
        }
        (None, None) => {}
    }
}

impl Setting for Option<f64> {
    const WANTED: &'static str = "a number such as 50 or 0.5";

    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| format!("{text:?} is not a number"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Self::from_text(&decimal(value)?)
    }

    fn show(&self) -> Option<String> {
        self.map(|number| number.to_string())
    }
}

impl Setting for Option<Scalar> {
    const WANTED: &'static str = "a string, a number, true or false";

    /// What the environment says is a string unless it can be something else.
    fn from_text(text: &str) -> Result<Self, String> {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        if scalar { Ok(Some(Scalar(value))) } else { Err(format!("{text:?} is none")) }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Some(Scalar(Json::from(text.as_str())))),
            Value::Integer(number) => Ok(Some(Scalar(Json::from(*number)))),
            Value::Boolean(flag) => Ok(Some(Scalar(Json::from(*flag)))),
            Value::Number(text) | Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        // Strings, numbers and flags of JSON are those of TOML.
        self.as_ref().map(|Scalar(value)| value.to_string())
    }
}
