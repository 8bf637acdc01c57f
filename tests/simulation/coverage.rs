//! How often each thing happened, and what never did.

use std::collections::{BTreeMap, BTreeSet};

use paynotify::engine::{DeadReason, FailReason, ParkReason};

use super::faults::Fault;

/// What was seen: a kind of thing and its name.
pub type Seen = (&'static str, &'static str);

/// Counts of one world or of many.
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    /// By kind and name.
    pub counts: BTreeMap<Seen, u64>,
    /// Seeds in which both happened.
    pub pairs: BTreeMap<(Fault, Fault), u64>,
    /// Faults of this world.
    pub faults: BTreeSet<Fault>,
}

impl Coverage {
    /// It happened.
    pub fn saw(&mut self, kind: &'static str, name: &'static str) {
        *self.counts.entry((kind, name)).or_default() += 1;
    }

    /// A fault happened.
    pub fn fault(&mut self, fault: Fault) {
        self.saw("fault", fault.word());
        self.faults.insert(fault);
    }

    /// How often.
    pub fn count(&self, kind: &'static str, name: &'static str) -> u64 {
        self.counts.get(&(kind, name)).copied().unwrap_or(0)
    }

    /// Adds what a finished world saw.
    pub fn add(&mut self, other: &Self) {
        for (seen, count) in &other.counts {
            *self.counts.entry(*seen).or_default() += count;
        }
        for (pair, count) in &other.pairs {
            *self.pairs.entry(*pair).or_default() += count;
        }
        for first in &other.faults {
            for second in other.faults.range(first..).skip(1) {
                *self.pairs.entry((*first, *second)).or_default() += 1;
            }
        }
    }

    /// What must be seen in ten thousand worlds and was not.
    pub fn missing(&self) -> Vec<String> {
        let missing = required().into_iter().filter(|seen| !self.counts.contains_key(seen));
        missing.map(|(kind, name)| format!("{kind} {name}")).collect()
    }

    /// Pairs of faults that never met in a world.
    pub fn missing_pairs(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (at, first) in Fault::ALL.iter().enumerate() {
            for second in &Fault::ALL[at + 1..] {
                if !self.pairs.contains_key(&(*first, *second)) {
                    missing.push(format!("{} with {}", first.word(), second.word()));
                }
            }
        }
        missing
    }
}

/// Every transition that the worlds together have to reach.
fn required() -> Vec<Seen> {
    let all = |kind: &'static str, names: &[&'static str]| {
        names.iter().map(|name| (kind, *name)).collect::<Vec<Seen>>()
    };
    let mut list = all("command", &["attempt", "route", "commit", "pause", "resume", "report"]);
    list.extend(all("event", &["delivered", "filtered", "dead", "fanned out"]));
    list.extend(all("outcome", &["delivered", "retry", "parked", "filtered", "dead"]));
    list.extend(ParkReason::ALL.iter().map(|reason| ("park", reason.as_str())));
    list.extend(
        // No rule gives the verdict `refused` yet.
        DeadReason::ALL
            .iter()
            .filter(|reason| **reason != DeadReason::Refused)
            .map(|reason| ("dead", reason.as_str())),
    );
    list.extend(FailReason::ALL.iter().map(|reason| ("fail", reason.as_str())));
    list.extend(all(
        "verdict",
        &["delivered", "status", "body", "too_large", "body_not_text", "body_encoded"],
    ));
    list.extend(all("braked", &["attempts", "letters", "both", "uncounted attempt"]));
    list.extend(all("route", &["grade", "dead letter", "hop", "again", "detour", "truncated"]));
    list.extend(all("route failure", &["passing", "refused", "too large", "answer lost"]));
    list.extend(all("commit", &["accepted", "fenced", "refused", "not held", "last", "repeated"]));
    list.extend(all("map", &["empty", "runs", "bits", "used", "foreign", "format", "cluster"]));
    list.extend(all("map", &["watermark", "damaged", "skipped a record"]));
    list.extend(all("group", &["eager", "cooperative", "session over", "left", "drained"]));
    list.extend(all("group", &["not drained", "last commits late"]));
    list.extend(all("late answer", &["attempt", "route", "commit", "records"]));
    list.extend(all("reader", &["records", "end", "gap", "paused with more"]));
    list.extend(all("breaker", &["opened", "closed"]));
    list.extend(all("slots", &["suspects at their limit", "all taken", "class at its most"]));
    list.extend(all("memory", &["of the directory"]));
    list.extend(all("poison", &["undecodable", "invalid", "tombstone"]));
    list.extend(all("zombie", &["attempt", "route", "commit"]));
    list.extend(Fault::ALL.iter().map(|fault| ("fault", fault.word())));
    list
}
