//! Where the keys of merchants' secrets come from.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    kafka::REDACTED,
    reader::Value,
    setting::{Setting, list, not, quoted, split},
};

/// A program and its arguments; none without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

/// Keys as text, from the environment; never shown.
#[derive(Clone, Default)]
pub struct KeyText(Option<SecretString>);

impl KeyText {
    /// Whether there are any.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The text, for reading the keys only.
    pub fn text(&self) -> Option<SecretString> {
        self.0.clone()
    }
}

impl PartialEq for KeyText {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |one: &Self| one.0.as_ref().map(|text| text.expose_secret().to_owned());
        exposed(self) == exposed(other)
    }
}

impl Eq for KeyText {}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_some() { REDACTED } else { "None" })
    }
}

impl Setting for Command {
    const WANTED: &'static str = "a program and its arguments, such as [\"print-keys\", \"prod\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(split(text).map(str::to_owned).collect()))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(not(other)),
                })
                .collect::<Result<_, _>>()
                .map(Self),
            Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| list(self.0.iter().cloned()))
    }
}

impl Setting for KeyText {
    const WANTED: &'static str = "keys as `<id> <32 bytes in base64>`, separated by commas";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(Some(text.into())))
    }

    /// What is wrong with it must not show it.
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::String(text) => Self::from_text(text),
            _ => Err("not a text".to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        self.is_some().then(|| quoted(REDACTED))
    }
}
