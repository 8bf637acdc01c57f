//! When and how often to retry.

use super::problem::{Checked, Problem, at_most, within};
use crate::{
    merchant::directory::{IntervalsEntry, Schedules},
    model::{Jitter, Policy, Preset, Span},
};

const INTERVALS: usize = 128;

/// Takes what the entry says of its schedule; `policy` holds the defaults.
pub(super) fn schedule(
    policy: &mut Policy,
    intervals: Option<IntervalsEntry>,
    max_age: Option<Span>,
    jitter: Option<f64>,
) -> Checked<()> {
    match intervals {
        Some(IntervalsEntry::List(intervals)) => policy.intervals = intervals,
        Some(IntervalsEntry::Preset(name)) => {
            let preset = Preset::named(&name).ok_or_else(unknown)?;
            policy.intervals = preset.intervals();
            policy.max_age = policy.max_age.max(preset.max_age());
        }
        None => {}
    }
    policy.max_age = max_age.unwrap_or(policy.max_age);
    if let Some(jitter) = jitter {
        policy.jitter = Jitter::parse(jitter).ok_or_else(|| {
            Problem::new("jitter", "is not a share from 0 to 1", "write such as 0.1")
        })?;
    }
    Ok(())
}

/// Checks a whole schedule.
pub(super) fn check(policy: &Policy, rules: &Schedules) -> Checked<()> {
    at_most("intervals", policy.intervals.len(), INTERVALS)?;
    let mut sum = Span::ZERO;
    for (at, interval) in policy.intervals.iter().enumerate() {
        let path = format!("intervals[{at}]");
        within(&path, *interval, rules.shortest, rules.longest)?;
        if let Some((what, remedy)) = rules.too_many_hops(*interval) {
            return Err(Problem::new(&path, what, &remedy));
        }
        sum = sum.plus(*interval);
    }
    if policy.max_age < sum {
        let what = format!("is {}, but the intervals add up to {sum}", policy.max_age);
        return Err(Problem::new("max_age", what, "lengthen it, or shorten the intervals"));
    }
    Ok(())
}

/// Without the name: it may be anything, a secret too.
fn unknown() -> Problem {
    let remedy = format!("write a list such as [\"15s\", \"3m\"], or one of {}", Preset::names());
    Problem::new("intervals", "is no schedule's name", &remedy)
}
