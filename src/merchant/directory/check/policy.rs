//! An endpoint's policy, the defaults filled in.

use super::{
    acknowledge::acknowledge,
    dialect,
    headers::headers,
    problem::{Checked, Problem, within},
    schedule,
};
use crate::{
    merchant::directory::{Defaults, PolicyEntry, RateEntry, Schedules},
    model::{ClassId, Policy, Rate, Span, Weight},
};

/// The class that is always there.
const STANDARD: &str = "standard";

pub(in super::super) fn policy(
    entry: PolicyEntry,
    defaults: &Defaults,
    schedules: &Schedules,
    classes: &[String],
) -> Checked<Policy> {
    let defaults = defaults.0.clone();
    let mut policy = Policy {
        intervals: defaults.intervals,
        max_age: defaults.max_age,
        jitter: defaults.jitter,
        timeout: entry.timeout.unwrap_or(defaults.timeout),
        max_in_flight: entry.max_in_flight.unwrap_or(defaults.max_in_flight),
        rate: entry.rate.map(rate).transpose()?.or(defaults.rate),
        weight: entry.weight.map_or(Ok(defaults.weight), weight)?,
        class: entry.class.map_or(Ok(defaults.class), |name| class(&name, classes))?,
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

fn class(name: &str, classes: &[String]) -> Checked<ClassId> {
    // The first one is there without being configured.
    let place = if name == STANDARD { Some(0) } else { classes.iter().position(|one| one == name) };
    place.and_then(ClassId::at).ok_or_else(|| {
        let what = "is no class of the configuration";
        Problem::new("class", what, "configure it in [scheduling.classes], or leave it out")
    })
}

fn rate(RateEntry { per_second, burst }: RateEntry) -> Checked<Rate> {
    Rate::parse(per_second, burst).ok_or_else(|| {
        let what = "is not from 0.001 to 100000 per_second with a burst from 1 to 1000000";
        Problem::new("rate", what, "write such as { \"per_second\": 50, \"burst\": 100 }")
    })
}

fn weight(turns: f64) -> Checked<Weight> {
    let problem = || Problem::new("weight", "is not from 0.1 to 100", "the default is 1");
    Weight::parse(turns).ok_or_else(problem)
}
