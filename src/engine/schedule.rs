//! When a delivery is tried again, and which way it waits until then.

use crate::model::{Grade, Jitter, Ladder, Policy, Span, Timestamp};

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

/// The next attempt after `made` attempts, the last of which ended at `ended`; `spread` is what
/// jitter adds to the interval.
pub fn next(
    policy: &Policy,
    made: u32,
    first_attempt: Timestamp,
    ended: Timestamp,
    retry_after: Option<Span>,
    spread: impl FnOnce(Span) -> Span,
) -> Next {
    let place = usize::try_from(made.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(interval) = policy.intervals.get(place) else {
        return Next::Exhausted;
    };
    let asked = retry_after.unwrap_or(Span::ZERO).min(LONGEST_RETRY_AFTER);
    let due = ended + interval.plus(spread(*interval)).max(asked);
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

/// How many hops an interval costs on this ladder, none counted beyond `most`.
pub fn hops(ladder: &Ladder, interval: Span, most: usize) -> usize {
    let mut remains = interval;
    let start = Timestamp::from_millis(0);
    for hops in 0..most {
        match wait(ladder, start, start + remains) {
            Wait::Over | Wait::Rest => return hops,
            Wait::Hop(grade) => remains = remains.saturating_sub(grade.delay()),
        }
    }
    most
}

/// What jitter adds to an interval: from nothing to its share, but no more than the smallest grade,
/// so that it costs no hop. The same delivery and attempt get the same.
pub fn spread(jitter: Jitter, interval: Span, smallest: Grade, salt: u64) -> Span {
    let most = jitter.of(interval).min(smallest.delay()).as_millis();
    Span::from_millis(mixed(salt) % (most + 1))
}

/// Number that stands for a delivery's attempt: FNV-1a over its names.
pub fn salt(event: &str, endpoint: &str, made: u32) -> u64 {
    let bytes = event.bytes().chain([0]).chain(endpoint.bytes()).chain(made.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Every bit depends on every bit: the finalizer of `SplitMix64`.
pub fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The grade for parking: of `step` on the ladder, or the longest up to `longest`.
pub fn parking_grade(ladder: &Ladder, step: u32, longest: Span) -> Grade {
    let allowed = ladder.grades().iter().filter(|grade| grade.delay() <= longest);
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let reached = allowed.take(step.saturating_add(1)).last();
    reached.copied().unwrap_or_else(|| ladder.smallest())
}
