//! Which version of a merchant's entry something was read from.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Offset;

/// Version of an entry of the directory: another for every change, whatever changed. 0 is no entry.
///
/// On the topic it is the place of the record, so the later one is the greater; in a file it is made
/// of the line, and only says whether two are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// There is no entry.
    pub const NONE: Self = Self(0);

    /// That of the record at this offset of the directory topic.
    pub fn at(offset: Offset) -> Self {
        Self(u64::try_from(offset.0).map_or(0, |offset| offset.saturating_add(1)))
    }

    /// That of a line with this digest: 52 bits, which every reader of JSON keeps exactly.
    pub fn of_digest(digest: [u8; 32]) -> Self {
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        Self((u64::from_be_bytes(first) >> 12).max(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
