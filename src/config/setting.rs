//! How a value of each type is written, read and shown.

use std::{net::SocketAddr, path::PathBuf};

use crate::model::{Jitter, Ladder, Span, StatusSet};

use super::{Size, reader::Value};

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// What to write, after the word "write".
    const WANTED: &'static str;

    /// Reads what a person wrote; the error says what is wrong.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a value of the file, environment or command line.
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::String(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    /// As TOML; nothing when there is no value.
    fn show(&self) -> Option<String>;
}

pub(super) fn not(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::String(text) => format!("{text:?} is of the wrong type"),
        Value::Integer(number) => format!("{number} is of the wrong type"),
        Value::Number(text) => format!("{text} is of the wrong type"),
        Value::Boolean(flag) => format!("{flag} is of the wrong type"),
        Value::List(_) => "a list is of the wrong type".to_owned(),
        Value::EmptySection => "a section is of the wrong type".to_owned(),
        Value::Other(what) => format!("{what} is of the wrong type"),
    }
}

/// A number as it was written, with decimals or without.
pub(super) fn decimal(value: &Value) -> Result<String, String> {
    match value {
        Value::Integer(number) => Ok(number.to_string()),
        Value::Number(text) | Value::Text(text) => Ok(text.clone()),
        other => Err(not(other)),
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Setting for String {
    const WANTED: &'static str = "a text that is not empty";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err("empty".to_owned()) } else { Ok(text.to_owned()) }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for Option<PathBuf> {
    const WANTED: &'static str = "the path of a file";

    fn from_text(text: &str) -> Result<Self, String> {
        String::from_text(text).map(|path| Some(PathBuf::from(path)))
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(|path| quoted(&path.to_string_lossy()))
    }
}

impl Setting for Option<String> {
    const WANTED: &'static str = String::WANTED;

    fn from_text(text: &str) -> Result<Self, String> {
        String::from_text(text).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_deref().map(quoted)
    }
}

/// A share.
impl Setting for Jitter {
    const WANTED: &'static str = "a number from 0 to 1";

    fn from_text(text: &str) -> Result<Self, String> {
        let share = text.trim().parse().ok().and_then(Self::parse);
        share.ok_or_else(|| format!("{text:?} is not a number from 0 to 1"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Self::from_text(&decimal(value)?)
    }

    fn show(&self) -> Option<String> {
        Some(self.as_f64().to_string())
    }
}

impl Setting for bool {
    const WANTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Boolean(flag) => Ok(*flag),
            Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// How many of something; never none.
impl Setting for u32 {
    const WANTED: &'static str = "a whole number from 1 to 1000000";

    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
        number.ok_or_else(|| format!("{text:?} is not a number in range"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => Self::from_text(&number.to_string())
                .map_err(|_| format!("{number} is out of range")),
            Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Option<u32> {
    const WANTED: &'static str = u32::WANTED;

    fn from_text(text: &str) -> Result<Self, String> {
        u32::from_text(text).map(Some)
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        u32::from_value(value).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.map(|number| number.to_string())
    }
}

impl Setting for Size {
    const WANTED: &'static str = "a size such as \"256KiB\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match Self::parse(text) {
            Ok(size) if size.as_bytes() == 0 => Err("0 bytes hold nothing".to_owned()),
            Ok(size) => Ok(size),
            Err(_) => Err(format!("{text:?} is not a size")),
        }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(bytes) => Self::from_text(&bytes.to_string()),
            Value::Text(text) | Value::String(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for Span {
    const WANTED: &'static str = "a duration such as \"500ms\", \"15s\", \"2m\", \"1h\" or \"7d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|_| format!("{text:?} is not a duration"))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for SocketAddr {
    const WANTED: &'static str = "an IP address and a port, such as \"0.0.0.0:9464\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not an address with a port"))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for Vec<Span> {
    const WANTED: &'static str = "a list of durations such as [\"15s\", \"3m\", \"1h\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        split(text).map(Span::from_text).collect()
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items.iter().map(Span::from_value).collect(),
            Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(list(self.iter().map(ToString::to_string)))
    }
}

impl Setting for Ladder {
    const WANTED: &'static str = "a list of different durations such as [\"5s\", \"1m\", \"1h\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::new(Vec::from_text(text)?).map_err(|error| error.to_string())
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Self::new(Vec::from_value(value)?).map_err(|error| error.to_string())
    }

    fn show(&self) -> Option<String> {
        Some(list(self.grades().iter().map(ToString::to_string)))
    }
}

impl Setting for StatusSet {
    const WANTED: &'static str = "a list of statuses such as [\"2xx\", \"404\", \"300-302\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        let ranges: Vec<_> = split(text).map(range).collect::<Result<_, _>>()?;
        if ranges.is_empty() { Err("no status".to_owned()) } else { Ok(Self(ranges)) }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        let Value::List(items) = value else {
            return match value {
                Value::Text(text) => Self::from_text(text),
                other => Err(not(other)),
            };
        };
        let texts: Result<Vec<_>, _> = items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Integer(number) => Ok(number.to_string()),
                other => Err(not(other)),
            })
            .collect();
        Self::from_text(&texts?.join(","))
    }

    fn show(&self) -> Option<String> {
        Some(list(self.0.iter().map(|(first, last)| match (first, last) {
            (first, last) if first % 100 == 0 && *last == first + 99 => {
                format!("{}xx", first / 100)
            }
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        })))
    }
}

/// `2xx`, `204` or `200-204` as an inclusive range.
fn range(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("{text:?} is not a status");
    let number = |text: &str| -> Option<u16> {
        text.parse().ok().filter(|status| (100..=599).contains(status))
    };
    let (first, last) = if let Some(class) = text.strip_suffix("xx") {
        let first = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class));
        let first = first.ok_or_else(wrong)? * 100;
        (first, first + 99)
    } else {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?)
    };
    if first <= last { Ok((first, last)) } else { Err(wrong()) }
}

pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(", "))
}
