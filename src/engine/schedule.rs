//! When a delivery is tried again, and which way it waits until then.

use crate::model::{Grade, Ladder, Policy, Span, Timestamp};

/// No `Retry-After` delays longer than a day.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(86_400);

/// A grade that is too long by no more than this, or 1 %, still fits: late by a trifle.
const TRIFLE: Span = Span::from_millis(500);

/// What follows an attempt that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next attempt is due then.
    At(Timestamp),
    /// All attempts were made.
    Exhausted,
    /// The next attempt would be beyond the age limit.
    Expired,
}

/// How a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is due.
    Over,
    /// In memory: shorter than the smallest grade.
    Rest,
    /// On this grade, first of all.
    Hop(Grade),
}

/// The next attempt after `made` attempts, the last of which ended at `ended`.
pub fn next(
    policy: &Policy,
    made: u32,
    first_attempt: Timestamp,
    ended: Timestamp,
    retry_after: Option<Span>,
) -> Next {
    let place = usize::try_from(made.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(interval) = policy.intervals.get(place) else {
        return Next::Exhausted;
    };
    let asked = retry_after.unwrap_or(Span::ZERO).min(LONGEST_RETRY_AFTER);
    let due = ended + (*interval).max(asked);
    if due > first_attempt + policy.max_age { Next::Expired } else { Next::At(due) }
}

/// The way to wait from `now` until `due`: the largest grade that fits, never early.
pub fn wait(ladder: &Ladder, now: Timestamp, due: Timestamp) -> Wait {
    let remains = due.since(now);
    if remains == Span::ZERO {
        return Wait::Over;
    }
    let percent = Span::from_millis(remains.as_millis() / 100);
    // A rest below the smallest grade is kept in memory, where it is exact; only the trifle that
    // passes between deciding and routing may round up to the smallest grade.
    let fits = ladder.at_most(remains.plus(TRIFLE.max(percent)));
    match fits {
        Some(grade) if remains.plus(SLACK) >= ladder.smallest().delay() => Wait::Hop(grade),
        _ => Wait::Rest,
    }
}

/// Time that deciding may take between the end of an attempt and its route.
const SLACK: Span = Span::from_millis(100);

/// The grade for parking: of `step` on the ladder, or the longest up to `longest`.
pub fn parking_grade(ladder: &Ladder, step: u32, longest: Span) -> Grade {
    let allowed = ladder.grades().iter().filter(|grade| grade.delay() <= longest);
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let reached = allowed.take(step.saturating_add(1)).last();
    reached.copied().unwrap_or_else(|| ladder.smallest())
}

/// The grade for a wait estimated at `wait`, between the smallest and `longest`.
pub fn estimated_grade(ladder: &Ladder, wait: Span, longest: Span) -> Grade {
    ladder.at_most(wait.min(longest)).unwrap_or_else(|| ladder.smallest())
}
