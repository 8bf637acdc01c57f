//! Every metric of the program: name, help, labels, and a typed way to count it.
//!
//! Labels have finite values, all there at zero from the start; merchants are bounded by
//! [`super::worst`]. Names are part of the contract (section 8).

mod declare;
mod memory;
mod reading;
mod slots;

use std::sync::{Mutex, PoisonError};

use prometheus::{
    Counter, Encoder as _, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Registry,
    TextEncoder,
};

use crate::{
    engine::{DeadReason, DeliveryOutcome, EventOutcome, FailReason, ParkReason},
    model::{Grade, Ladder, MerchantId, Named, Source, Span},
};

use super::{labels, process, worst::Worst};

use declare::Declare;
use memory::Memory;
use reading::Reading;
use slots::Slots;

/// Seconds; the default timeout is 10 s, the longest 2 m.
const ATTEMPT_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Seconds, from a prompt merchant to the end of the longest schedule.
const DELAY_BUCKETS: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0,
    172_800.0, 345_600.0,
];

/// Reasons of attempts that are words of the log but no [`FailReason`]; `other` takes the rest.
const REASONS: &[&str] = &["status", "body", "body_not_text", "body_encoded", "other"];

/// Result of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitResult {
    /// The broker stored it.
    Ok,
    /// It did not; a later commit covers it.
    Failed,
    /// The partition is no longer ours.
    Fenced,
}

/// Handles of all metrics, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: [IntCounter; labels::EVENT_OUTCOMES.len()],
    attempts: Named<(DeliveryOutcome, &'static str), IntCounter>,
    attempt_duration: Histogram,
    delivery_delay: Histogram,
    routed: Named<Grade, IntCounter>,
    parked: Named<Grade, IntCounter>,
    dead_letters: Named<DeadReason, IntCounter>,
    topics: Named<Source, Topic>,
    commits: [IntCounter; 3],
    slots: Slots,
    memory: Memory,
    reading: Reading,
    endpoints_disabled: IntGauge,
    rebalances: IntCounter,
    clock_skew: Gauge,
    merchant_failures: IntCounterVec,
    other_failures: IntCounter,
    worst: Mutex<Worst>,
    resident: IntGauge,
    cpu: Counter,
}

/// Metrics of one consumed topic.
#[derive(Debug)]
struct Topic {
    unresolved: IntGauge,
    oldest: Gauge,
    lag: IntGauge,
    lost: IntCounter,
    lateness: Histogram,
}

impl Metrics {
    /// Declares every metric for the topics of this prefix and ladder.
    pub fn new(prefix: &str, ladder: &Ladder) -> Result<Self, prometheus::Error> {
        let declare = Declare::default();
        let events = declare.counters(
            "paynotify_events_total",
            "Events that left the completions topic, by outcome.",
            &["outcome"],
        )?;
        let attempts = declare.counters(
            "paynotify_attempts_total",
            "Outcomes of attempts and of deliveries without one, as in the attempts log.",
            &["outcome", "reason"],
        )?;
        let routed = declare.counters(
            "paynotify_routed_total",
            "Records written to a delay topic, parked ones included.",
            &["grade"],
        )?;
        let parked = declare.counters(
            "paynotify_parked_total",
            "Deliveries written to a delay topic without an attempt.",
            &["grade"],
        )?;
        let dead = declare.counters(
            "paynotify_dead_letters_total",
            "Deliveries given up, by reason and by whose fault it is.",
            &["reason", "class"],
        )?;
        let commits = declare.counters(
            "paynotify_commits_total",
            "Commits of positions, by result.",
            &["result"],
        )?;
        let merchant_failures = declare.counters(
            "paynotify_merchant_failures_total",
            "Failed attempts of the worst merchants; all others together as other.",
            &["merchant"],
        )?;
        let grades = ladder.grades().iter();
        let by_grade = |family: &IntCounterVec| {
            let grades = ladder.grades().iter();
            grades.map(|grade| (*grade, family.with_label_values(&[&grade.to_string()]))).collect()
        };
        let sources =
            std::iter::once(Source::Completions).chain(grades.map(|grade| Source::Grade(*grade)));
        Ok(Self {
            events: labels::EVENT_OUTCOMES
                .map(|outcome| events.with_label_values(&[labels::event(outcome)])),
            attempts: attempt_counters(&attempts),
            attempt_duration: declare.histogram(
                "paynotify_attempt_duration_seconds",
                "Time of one HTTP attempt, answer included.",
                ATTEMPT_BUCKETS,
            )?,
            delivery_delay: declare.histogram(
                "paynotify_delivery_delay_seconds",
                "Time from the event to the merchant's acknowledgement.",
                DELAY_BUCKETS,
            )?,
            routed: by_grade(&routed),
            parked: by_grade(&parked),
            dead_letters: DeadReason::ALL
                .into_iter()
                .map(|reason| {
                    let words = [reason.as_str(), reason.class().as_str()];
                    (reason, dead.with_label_values(&words))
                })
                .collect(),
            topics: declare.topics(prefix, sources)?,
            commits: ["ok", "failed", "fenced"].map(|word| commits.with_label_values(&[word])),
            slots: Slots::new(&declare)?,
            memory: Memory::new(&declare)?,
            reading: Reading::new(&declare)?,
            endpoints_disabled: declare.gauge(
                "paynotify_endpoints_disabled",
                "Endpoints that workers disabled and nobody has enabled; every worker knows all.",
            )?,
            rebalances: declare.counter(
                "paynotify_rebalances_total",
                "Changes of the partitions held by this worker.",
            )?,
            clock_skew: declare.float_gauge(
                "paynotify_clock_skew_seconds",
                "Broker time less the clock of this worker.",
            )?,
            other_failures: merchant_failures.with_label_values(&["other"]),
            merchant_failures,
            worst: Mutex::default(),
            resident: declare
                .gauge("process_resident_memory_bytes", "Resident memory of this process.")?,
            cpu: declare.float_counter(
                "process_cpu_seconds_total",
                "User and system time of this process.",
            )?,
            registry: declare.finish()?,
        })
    }

    /// An event left completions.
    pub fn event(&self, outcome: EventOutcome) {
        let index = labels::EVENT_OUTCOMES.iter().position(|known| *known == outcome);
        if let Some(counter) = index.and_then(|index| self.events.get(index)) {
            counter.inc();
        }
    }

    /// An attempt, or a delivery without one, had this outcome; no reason when delivered.
    pub fn attempt(&self, outcome: DeliveryOutcome, reason: Option<&str>) {
        let reason = reason.unwrap_or("none");
        let known = self.attempts.get(&(outcome, reason));
        if let Some(counter) = known.or_else(|| self.attempts.get(&(outcome, "other"))) {
            counter.inc();
        }
    }

    /// A request took so long.
    pub fn attempt_took(&self, took: Span) {
        self.attempt_duration.observe(took.as_secs_f64());
    }

    /// A merchant acknowledged an event so long after it happened.
    pub fn delivered_after(&self, delay: Span) {
        self.delivery_delay.observe(delay.as_secs_f64());
    }

    /// A delivery was started or routed so long after it was due.
    pub fn late(&self, source: Source, lateness: Span) {
        self.topic(source, |topic| topic.lateness.observe(lateness.as_secs_f64()));
    }

    /// The broker acknowledged a record of this grade.
    pub fn routed(&self, grade: Grade, parked: bool) {
        for family in [Some(&self.routed), parked.then_some(&self.parked)].into_iter().flatten() {
            if let Some(counter) = family.get(&grade) {
                counter.inc();
            }
        }
    }

    /// The broker acknowledged a dead letter.
    pub fn dead_letter(&self, reason: DeadReason) {
        if let Some(counter) = self.dead_letters.get(&reason) {
            counter.inc();
        }
    }

    /// So many records of this topic are held and unresolved, the oldest for so long.
    pub fn set_unresolved(&self, source: Source, records: u64, oldest: Span) {
        self.topic(source, |topic| {
            topic.unresolved.set(i64::try_from(records).unwrap_or(i64::MAX));
            topic.oldest.set(oldest.as_secs_f64());
        });
    }

    /// So many records of this topic lie beyond the committed positions.
    pub fn set_lag(&self, source: Source, records: u64) {
        self.topic(source, |topic| topic.lag.set(i64::try_from(records).unwrap_or(i64::MAX)));
    }

    /// The log of this topic lost so many records before they were read.
    pub fn lost(&self, source: Source, records: u64) {
        self.topic(source, |topic| topic.lost.inc_by(records));
    }

    /// A commit had this result.
    pub fn commit(&self, result: CommitResult) {
        let [ok, failed, fenced] = &self.commits;
        match result {
            CommitResult::Ok => ok.inc(),
            CommitResult::Failed => failed.inc(),
            CommitResult::Fenced => fenced.inc(),
        }
    }

    /// The slots for attempts, and who has them.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The memory budget, and where it is.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What comes from the brokers.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// So many endpoints were disabled by workers.
    pub fn set_endpoints_disabled(&self, endpoints: usize) {
        self.endpoints_disabled.set(gauge(endpoints));
    }

    /// Partitions came or went.
    pub fn rebalanced(&self) {
        self.rebalances.inc();
    }

    /// Broker time less our clock.
    pub fn set_clock_skew(&self, seconds: f64) {
        self.clock_skew.set(seconds);
    }

    /// An attempt for this merchant failed.
    pub fn merchant_failed(&self, merchant: &MerchantId) {
        // The sketch is whole after every operation, so a poisoned lock is as good as any.
        let mut worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = worst.observe(merchant);
        if let Some(ended) = counted.ended {
            // It fails only for a series that is not there, which is what is wanted.
            let _ = self.merchant_failures.remove_label_values(&[ended.as_str()]);
        }
        // A merchant named `other` would share the series of all others: let it.
        if counted.own {
            self.merchant_failures.with_label_values(&[merchant.as_str()]).inc();
        } else {
            self.other_failures.inc();
        }
    }

    /// All metrics as Prometheus text.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        self.resident.set(process::resident_bytes());
        self.cpu.inc_by((process::cpu_seconds() - self.cpu.get()).max(0.0));
        let mut text = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn topic(&self, source: Source, count: impl FnOnce(&Topic)) {
        if let Some(topic) = self.topics.get(&source) {
            count(topic);
        }
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Those pairs of outcome and reason that can be.
fn attempt_counters(family: &IntCounterVec) -> Named<(DeliveryOutcome, &'static str), IntCounter> {
    let failures = || {
        let fails = FailReason::ALL.into_iter().map(FailReason::as_str);
        fails.chain(REASONS.iter().copied())
    };
    let reasons = |outcome| -> Vec<&'static str> {
        match outcome {
            DeliveryOutcome::Delivered | DeliveryOutcome::Filtered => vec!["none"],
            DeliveryOutcome::Retry | DeliveryOutcome::Refused => failures().collect(),
            DeliveryOutcome::Parked => {
                ParkReason::ALL.into_iter().map(ParkReason::as_str).chain(["other"]).collect()
            }
            DeliveryOutcome::Dead => {
                DeadReason::ALL.into_iter().map(DeadReason::as_str).chain(["other"]).collect()
            }
        }
    };
    let pairs = labels::DELIVERY_OUTCOMES
        .into_iter()
        .flat_map(|outcome| reasons(outcome).into_iter().map(move |reason| (outcome, reason)));
    pairs
        .map(|(outcome, reason)| {
            let counter = family.with_label_values(&[labels::delivery(outcome), reason]);
            ((outcome, reason), counter)
        })
        .collect()
}

#[cfg(test)]
mod tests;
