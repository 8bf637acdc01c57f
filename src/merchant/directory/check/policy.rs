//! An endpoint's policy, the defaults filled in.

use super::{
    acknowledge::acknowledge,
    dialect,
    headers::headers,
    problem::{Checked, Problem, within},
    schedule,
};
use crate::{
    merchant::directory::{Defaults, PolicyEntry, Schedules},
    model::{Policy, Span},
};

pub(in super::super) fn policy(
    entry: PolicyEntry,
    defaults: &Defaults,
    schedules: &Schedules,
) -> Checked<Policy> {
    supported(&entry)?;
    let defaults = defaults.0.clone();
    let mut policy = Policy {
        intervals: defaults.intervals,
        max_age: defaults.max_age,
        jitter: defaults.jitter,
        timeout: entry.timeout.unwrap_or(defaults.timeout),
        max_in_flight: entry.max_in_flight.unwrap_or(defaults.max_in_flight),
        http2: entry.http2.unwrap_or(defaults.http2),
        acknowledge: acknowledge(entry.acknowledge, defaults.acknowledge)
            .map_err(|problem| problem.within("acknowledge"))?,
        dialect: dialect::dialect(entry.dialect, defaults.dialect)?,
        headers: match entry.headers {
            Some(headers) => headers.into_iter().collect(),
            None => defaults.headers,
        },
    };
    schedule::schedule(&mut policy, entry.intervals, entry.max_age, entry.jitter)?;
    schedule::check(&policy, schedules)?;
    within("timeout", policy.timeout, Span::from_millis(100), Span::from_secs(60))?;
    if !(1..=1024).contains(&policy.max_in_flight) {
        let what = format!("is {}, but must be from 1 to 1024", policy.max_in_flight);
        return Err(Problem::new("max_in_flight", what, "the default is 8"));
    }
    headers(&policy.headers)?;
    dialect::apart(&policy)?;
    Ok(policy)
}

/// Refuses what the contract knows and this version does not.
fn supported(entry: &PolicyEntry) -> Checked<()> {
    let differs = |value: Option<f64>, neutral: f64| {
        value.is_some_and(|value| value.total_cmp(&neutral).is_ne())
    };
    for (path, used) in [
        ("rate", entry.rate.is_some()),
        ("weight", differs(entry.weight, 1.0)),
        ("class", entry.class.as_ref().is_some_and(|class| class != "standard")),
    ] {
        if used {
            return Err(Problem::unsupported(path));
        }
    }
    Ok(())
}
