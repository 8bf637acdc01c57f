//! Envelope ↔ headers of the ladder.

use std::fmt::{Display, Write as _};

use bytes::Bytes;

use super::Envelope;
use crate::model::{
    Coordinates, CoordinatesError, EndpointId, Header, IdError, Timestamp, TimestampError,
};

/// The format that is written.
const FORMAT: &str = "1";
/// The formats that are read: this one and the next, so that versions can be mixed.
const READABLE: [&str; 2] = ["1", "2"];

const PREFIX: &str = "paynotify-";
const KNOWN: [&str; 12] = [
    "format",
    "accepted",
    "origin",
    "endpoint",
    "attempts",
    "due",
    "first-attempt",
    "last-attempt",
    "last-reason",
    "last-status",
    "parked",
    "replay",
];
/// Belong on dead letters; on the ladder they say nothing and are dropped.
pub(super) const DEAD: [&str; 3] = ["reason", "class", "truncated"];

/// Why headers are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header that must be there is not.
    #[error("header {0} is missing: the record was not written by paynotify")]
    Missing(&'static str),
    /// A name of ours stands more than once.
    #[error("header paynotify-{0} stands more than once")]
    Twice(String),
    /// The value is not text.
    #[error("header {0} is not UTF-8")]
    NotText(&'static str),
    /// Written by a version too new to be understood.
    #[error("header paynotify-format is {0:?}, but this version reads 1 and 2: upgrade the worker")]
    Format(String),
    /// Not a number of the expected size.
    #[error("header {name} is {found:?}, but must be a whole number")]
    Number {
        /// The header.
        name: &'static str,
        /// Its value, shortened.
        found: String,
    },
    /// Not a time.
    #[error("header {name}: {source}")]
    Time {
        /// The header.
        name: &'static str,
        /// What is wrong.
        source: TimestampError,
    },
    /// Not coordinates.
    #[error("header {name}: {source}")]
    Coordinates {
        /// The header.
        name: &'static str,
        /// What is wrong.
        source: CoordinatesError,
    },
    /// Not an endpoint's id.
    #[error("header paynotify-endpoint: {0}")]
    Endpoint(#[source] IdError),
}

impl Envelope {
    /// Reads the headers of a record of the ladder; the rest, the publisher's own, is given back
    /// in its order.
    pub fn read(headers: Vec<Header>) -> Result<(Self, Vec<Header>), Error> {
        let (ours, publishers) = split(headers)?;
        Ok((ours.envelope()?, publishers))
    }

    /// Our headers for a record of the ladder; they come after the publisher's.
    pub fn write(&self) -> Vec<Header> {
        let mut ours = Writing::default();
        ours.add("format", FORMAT);
        ours.add("accepted", self.accepted);
        ours.add("origin", &self.origin);
        ours.add_some("endpoint", self.endpoint.as_ref());
        ours.add("attempts", self.attempts);
        ours.add_some("due", self.due);
        ours.add_some("first-attempt", self.first_attempt);
        ours.add_some("last-attempt", self.last_attempt);
        ours.add_some("last-reason", self.last_reason.as_ref());
        ours.add_some("last-status", self.last_status);
        ours.add("parked", self.parked);
        ours.add_some("replay", self.replay.as_ref());
        let mut headers = ours.headers();
        headers.extend(self.unknown.iter().cloned());
        headers
    }
}

/// Headers in the making: all values are one piece of memory.
struct Writing {
    values: String,
    /// Names, and where their values end.
    ends: Vec<(&'static str, usize)>,
}

impl Default for Writing {
    fn default() -> Self {
        Self { values: String::with_capacity(256), ends: Vec::with_capacity(KNOWN.len()) }
    }
}

impl Writing {
    fn add(&mut self, name: &'static str, value: impl Display) {
        // Writing to a string never fails.
        let _ = write!(self.values, "{value}");
        self.ends.push((name, self.values.len()));
    }

    fn add_some(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn headers(self) -> Vec<Header> {
        let mut values = Bytes::from(self.values);
        let mut begin = 0;
        let header = |(name, end)| {
            let value = values.split_to(end - begin);
            begin = end;
            ([PREFIX, name].concat(), value)
        };
        self.ends.into_iter().map(header).collect()
    }
}

/// Our headers of one record, each name once, without their prefix where it is `paynotify-`.
pub(super) struct Ours(Vec<Header>);

/// Parts our headers from the publisher's.
pub(super) fn split(headers: Vec<Header>) -> Result<(Ours, Vec<Header>), Error> {
    let (ours, publishers): (Vec<_>, Vec<_>) =
        headers.into_iter().partition(|(name, _)| crate::event::is_ours(name));
    for (at, (name, _)) in ours.iter().enumerate() {
        if ours[..at].iter().any(|(earlier, _)| earlier == name) {
            let name = name.strip_prefix(PREFIX).unwrap_or(name);
            return Err(Error::Twice(name.chars().take(80).collect()));
        }
    }
    Ok((Ours(ours), publishers))
}

impl Ours {
    pub(super) fn envelope(&self) -> Result<Envelope, Error> {
        let format = self.required("paynotify-format")?;
        if !READABLE.contains(&format) {
            return Err(Error::Format(format.chars().take(20).collect()));
        }
        let accepted = self.time("paynotify-accepted")?;
        let endpoint = match self.text("paynotify-endpoint")? {
            None => None,
            Some(text) => Some(EndpointId::parse(text).map_err(Error::Endpoint)?),
        };
        Ok(Envelope {
            accepted: accepted.ok_or(Error::Missing("paynotify-accepted"))?,
            origin: self
                .coordinates("paynotify-origin")?
                .ok_or(Error::Missing("paynotify-origin"))?,
            endpoint,
            attempts: self.number("paynotify-attempts")?.unwrap_or(0),
            due: self.time("paynotify-due")?,
            first_attempt: self.time("paynotify-first-attempt")?,
            last_attempt: self.time("paynotify-last-attempt")?,
            last_reason: self.text("paynotify-last-reason")?.map(str::to_owned),
            last_status: self.number("paynotify-last-status")?,
            parked: self.number("paynotify-parked")?.unwrap_or(0),
            replay: self.coordinates("paynotify-replay")?,
            unknown: self.unknown(),
        })
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, Error> {
        self.text(name)?.ok_or(Error::Missing(name))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Error> {
        match self.0.iter().find(|(found, _)| found == name) {
            None => Ok(None),
            Some((_, value)) => {
                std::str::from_utf8(value).map(Some).map_err(|_| Error::NotText(name))
            }
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let parse = |text: &str| {
            let found = || text.chars().take(40).collect();
            text.parse().map_err(|_| Error::Number { name, found: found() })
        };
        self.text(name)?.map(parse).transpose()
    }

    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // Times outside the calendar are written as bare milliseconds.
        if let Some(millis) = text.strip_suffix("ms").and_then(|number| number.parse().ok()) {
            return Ok(Some(Timestamp::from_millis(millis)));
        }
        Timestamp::parse(text).map(Some).map_err(|source| Error::Time { name, source })
    }

    fn coordinates(&self, name: &'static str) -> Result<Option<Coordinates>, Error> {
        let parse =
            |text| Coordinates::parse(text).map_err(|source| Error::Coordinates { name, source });
        self.text(name)?.map(parse).transpose()
    }

    fn unknown(&self) -> Vec<Header> {
        let is_unknown = |name: &str| {
            name.strip_prefix(PREFIX)
                .is_some_and(|rest| !KNOWN.contains(&rest) && !DEAD.contains(&rest))
        };
        self.0.iter().filter(|(name, _)| is_unknown(name)).cloned().collect()
    }
}
