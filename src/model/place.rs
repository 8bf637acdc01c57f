//! Where a record is: topic, partition, offset.

use std::{fmt, sync::Arc};

use super::Grade;

/// Offset of a record in its partition; also a commit position (the next offset to read).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of the consumed topics: completions, or one grade of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The input topic.
    Completions,
    /// A delay topic.
    Grade(Grade),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completions => f.write_str("completions"),
            Self::Grade(grade) => write!(f, "delay.{grade}"),
        }
    }
}

/// One partition of one consumed topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub source: Source,
    /// Partition number; the same in completions and in every grade.
    pub index: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.index)
    }
}

/// Coordinates of a record by topic name, written `topic/partition/offset`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinates {
    /// Full name of the topic.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: Offset,
}

/// Why a text is no coordinates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} are no coordinates: write topic/partition/offset")]
pub struct CoordinatesError(String);

impl Coordinates {
    /// Reads `topic/partition/offset`.
    pub fn parse(text: &str) -> Result<Self, CoordinatesError> {
        let wrong = || CoordinatesError(text.chars().take(300).collect());
        let mut parts = text.rsplitn(3, '/');
        let (Some(offset), Some(partition), Some(topic)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let offset = offset.parse().ok().filter(|offset| *offset >= 0).ok_or_else(wrong)?;
        let partition = partition.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)?;
        if topic.is_empty() || topic.contains('/') {
            return Err(wrong());
        }
        Ok(Self { topic: topic.into(), partition, offset: Offset(offset) })
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}
