//! Where a partition starts (decision 5): never a guess. Pure.

use crate::model::{Offset, Timestamp};

/// What `--first-start` says about a group without any commit on topics that hold records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// Everything that is there.
    Earliest,
    /// Only what comes from now on.
    Latest,
    /// What was appended at this time or later.
    At(Timestamp),
}

/// Why a text says no first start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no first start: write earliest, latest or a time such as 2026-01-31T12:00:00.000Z"
)]
pub struct FirstStartError(String);

impl std::str::FromStr for FirstStart {
    type Err = FirstStartError;

    fn from_str(text: &str) -> Result<Self, FirstStartError> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => Timestamp::parse(time)
                .map(Self::At)
                .map_err(|_| FirstStartError(text.chars().take(60).collect())),
        }
    }
}

/// What the log of a partition holds: `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The oldest offset still there.
    pub start: Offset,
    /// The offset that the next record will get.
    pub end: Offset,
}

/// What the group has done before, on any partition of any consumed topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It has commits.
    Commits,
    /// It has none, and no partition holds a record.
    NothingYet,
    /// It has none, though there are records.
    Unknown,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the committed offset, whose metadata holds.
    Committed(Offset),
    /// Elsewhere; `lost` records were committed as unresolved, but are gone.
    At {
        /// The first offset to read.
        offset: Offset,
        /// How many records fell out of the log before they were read.
        lost: u64,
    },
    /// Nowhere: the commit is beyond the end of the log.
    Hold,
    /// Nowhere: only a person can say what is meant.
    Refuse,
}

/// Decides where to begin. `first` is the offset that the person's `--first-start` comes to on
/// this partition.
pub fn decide(
    committed: Option<Offset>,
    log: Log,
    history: History,
    first: Option<Offset>,
) -> Start {
    match (committed, history) {
        (Some(position), _) => resume(position, log),
        // The partition was added after the group began.
        (None, History::Commits | History::NothingYet) => Start::At { offset: log.start, lost: 0 },
        (None, History::Unknown) => match first {
            Some(offset) => Start::At { offset: offset.clamp(log.start, log.end), lost: 0 },
            None => Start::Refuse,
        },
    }
}

/// Decides where to go on from a position that is known: the committed one, or the one we had
/// reached when the broker said that it is out of range.
pub fn resume(position: Offset, log: Log) -> Start {
    if position > log.end {
        Start::Hold
    } else if position < log.start {
        let lost = u64::try_from(log.start.0 - position.0).unwrap_or(0);
        Start::At { offset: log.start, lost }
    } else {
        Start::Committed(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Log = Log { start: Offset(100), end: Offset(200) };
    const EMPTY: Log = Log { start: Offset(0), end: Offset(0) };

    fn at(offset: i64, lost: u64) -> Start {
        Start::At { offset: Offset(offset), lost }
    }

    #[test]
    fn a_commit_inside_the_log_is_the_start_and_its_metadata_holds() {
        for position in [100, 150, 200] {
            let start = decide(Some(Offset(position)), LOG, History::Commits, None);
            assert_eq!(start, Start::Committed(Offset(position)));
        }
    }

    #[test]
    fn a_commit_below_the_log_starts_at_the_log_and_counts_the_gap() {
        assert_eq!(decide(Some(Offset(93)), LOG, History::Commits, None), at(100, 7));
    }

    #[test]
    fn a_commit_beyond_the_end_holds_the_partition() {
        assert_eq!(decide(Some(Offset(201)), LOG, History::Commits, None), Start::Hold);
        assert_eq!(decide(Some(Offset(1)), EMPTY, History::Commits, None), Start::Hold);
    }

    #[test]
    fn a_group_without_commits_refuses_topics_that_hold_records() {
        assert_eq!(decide(None, LOG, History::Unknown, None), Start::Refuse);
        // an empty partition beside a filled one is no reason to guess either
        assert_eq!(decide(None, EMPTY, History::Unknown, None), Start::Refuse);
    }

    #[test]
    fn a_person_says_where_a_new_group_begins() {
        let first = |offset| decide(None, LOG, History::Unknown, Some(Offset(offset)));
        assert_eq!(first(0), at(100, 0));
        assert_eq!(first(150), at(150, 0));
        assert_eq!(first(i64::MAX), at(200, 0));
    }

    #[test]
    fn a_new_group_on_empty_topics_needs_no_word() {
        assert_eq!(decide(None, EMPTY, History::NothingYet, None), at(0, 0));
    }

    #[test]
    fn a_partition_added_later_begins_at_its_beginning_whatever_the_first_start() {
        assert_eq!(decide(None, LOG, History::Commits, None), at(100, 0));
        assert_eq!(decide(None, LOG, History::Commits, Some(Offset(200))), at(100, 0));
    }

    #[test]
    fn a_commit_counts_more_than_a_first_start() {
        let start = decide(Some(Offset(120)), LOG, History::Commits, Some(Offset(200)));
        assert_eq!(start, Start::Committed(Offset(120)));
    }

    #[test]
    fn a_first_start_is_read_as_people_write_it() {
        assert_eq!("earliest".parse(), Ok(FirstStart::Earliest));
        assert_eq!("latest".parse(), Ok(FirstStart::Latest));
        let time = Timestamp::parse("2026-01-31T12:00:00Z").expect("a time");
        assert_eq!("2026-01-31T12:00:00Z".parse(), Ok(FirstStart::At(time)));
        assert!("yesterday".parse::<FirstStart>().is_err());
    }
}
