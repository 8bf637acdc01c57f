//! When and how often to retry.

use super::problem::{Checked, Problem, at_most, within};
use crate::model::{Policy, Span};

const INTERVALS: usize = 64;
const LONGEST_INTERVAL: Span = Span::from_secs(7 * 86_400);

pub(super) fn schedule(policy: &Policy, shortest: Span) -> Checked<()> {
    at_most("intervals", policy.intervals.len(), INTERVALS)?;
    let mut sum = Span::ZERO;
    for (at, interval) in policy.intervals.iter().enumerate() {
        within(&format!("intervals[{at}]"), *interval, shortest, LONGEST_INTERVAL)?;
        sum = sum.plus(*interval);
    }
    if policy.max_age < sum {
        let what = format!("is {}, but the intervals add up to {sum}", policy.max_age);
        return Err(Problem::new("max_age", what, "lengthen it, or shorten the intervals"));
    }
    Ok(())
}
