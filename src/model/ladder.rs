//! The delay topics, shortest first.

use std::fmt;

use super::Span;

/// A delay topic with one fixed delay, named by that delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grade(Span);

/// All grades, shortest first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder(Vec<Grade>);

/// Why a list of durations is no ladder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// There has to be somewhere to go.
    #[error("a ladder needs at least one grade")]
    Empty,
    /// More grades than partitions can reasonably be held.
    #[error("a ladder has at most 32 grades, not {0}")]
    TooMany(usize),
    /// Each delay topic exists once.
    #[error("grade {0} is listed twice")]
    Twice(Span),
    /// A delay of nothing is no delay.
    #[error("a grade must be at least 100ms, not {0}")]
    TooShort(Span),
}

impl Grade {
    /// The grade with this delay.
    pub const fn new(delay: Span) -> Self {
        Self(delay)
    }

    /// The fixed delay of its topic.
    pub const fn delay(self) -> Span {
        self.0
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for Ladder {
    /// From 5 s to 12 h in ten steps.
    fn default() -> Self {
        const HOUR: u64 = 3_600;
        let seconds = [5, 15, 30, 120, 600, 1_800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
        Self(seconds.map(|delay| Grade(Span::from_secs(delay))).to_vec())
    }
}

impl Ladder {
    /// Sorts the delays into a ladder.
    pub fn new(mut delays: Vec<Span>) -> Result<Self, LadderError> {
        delays.sort_unstable();
        if delays.len() > 32 {
            return Err(LadderError::TooMany(delays.len()));
        }
        if let Some(pair) = delays.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LadderError::Twice(pair[0]));
        }
        match delays.first() {
            None => Err(LadderError::Empty),
            Some(shortest) if shortest.as_millis() < 100 => Err(LadderError::TooShort(*shortest)),
            Some(_) => Ok(Self(delays.into_iter().map(Grade).collect())),
        }
    }

    /// The shortest grade.
    pub fn smallest(&self) -> Grade {
        self.0[0]
    }

    /// The longest grade.
    pub fn largest(&self) -> Grade {
        self.0[self.0.len() - 1]
    }

    /// Every grade, shortest first.
    pub fn grades(&self) -> &[Grade] {
        &self.0
    }

    /// The longest grade with a delay of at most `span`, if any.
    pub fn at_most(&self, span: Span) -> Option<Grade> {
        self.0.iter().rev().find(|grade| grade.delay() <= span).copied()
    }

    /// The next longer grade after `grade`, if any.
    pub fn after(&self, grade: Grade) -> Option<Grade> {
        self.0.iter().find(|longer| **longer > grade).copied()
    }
}
