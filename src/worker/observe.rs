//! Reports of the engine → metrics, logs, delivery log, status.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{attempts_log::AttemptsLog, memory::Usage};
use crate::{
    clock::Clock,
    engine::{DeliveryOutcome, DeliveryReport, Destination, PartitionStatus, Report, Status},
    kafka::{
        committer,
        consumer::{Assigned, Traffic},
    },
    model::{Offset, Partition, Source, Span, Timestamp},
    telemetry::metrics::{CommitResult, Metrics},
};

/// Everything that watches and never decides.
pub struct Observer {
    pub metrics: Arc<Metrics>,
    /// The delivery log, unless it is switched off.
    pub log: Option<AttemptsLog>,
    pub status: watch::Sender<Value>,
    /// What gauges are kept for.
    pub sources: Vec<Source>,
    /// Name of this worker.
    pub worker: String,
    /// How many are known.
    pub merchants: usize,
}

impl Observer {
    pub fn report(&mut self, report: Report) {
        match report {
            Report::EventResolved { outcome } => self.metrics.event(outcome),
            Report::Delivery(report) => self.delivery(&report),
        }
    }

    fn delivery(&mut self, report: &DeliveryReport) {
        self.metrics.attempt(report.outcome, report.reason);
        if let Some(answer) = &report.answer {
            self.metrics.attempt_took(answer.took);
            self.metrics.late(report.record.partition.source, answer.started.since(report.due));
        }
        if let (DeliveryOutcome::Delivered, Some(event)) = (report.outcome, report.event()) {
            self.metrics.delivered_after(report.at.since(event.happened));
        }
        if let (DeliveryOutcome::Retry, Some(event)) = (report.outcome, report.event()) {
            self.metrics.merchant_failed(&event.merchant);
        }
        if let Some(log) = &mut self.log {
            log.write(report);
        }
    }

    pub fn routed(&self, to: &Destination, parked: bool) {
        match to {
            Destination::Grade(grade) => self.metrics.routed(*grade, parked),
            Destination::DeadLetter(dead) => self.metrics.dead_letter(dead.reason),
        }
    }

    pub fn assigned(&self, assigned: &[Assigned]) {
        self.metrics.rebalanced();
        for one in assigned.iter().filter(|one| one.lost > 0) {
            self.lost(one.partition, one.lost);
        }
        tracing::info!(partitions = assigned.len(), "assigned");
    }

    pub fn lost(&self, partition: Partition, records: u64) {
        tracing::error!(%partition, records,
            "records were deleted before they were read; see topics.outage_budget");
        self.metrics.lost(partition.source, records);
    }

    pub fn revoked(&self, partitions: &[Partition]) {
        self.metrics.rebalanced();
        tracing::info!(partitions = partitions.len(), "given back");
    }

    pub fn committed(&self, result: &Result<(), committer::Error>) {
        self.metrics.commit(match result {
            Ok(()) => CommitResult::Ok,
            Err(committer::Error::NotHeld) => CommitResult::Fenced,
            Err(_) => CommitResult::Failed,
        });
    }

    pub fn merchants(&mut self, count: usize) {
        self.merchants = count;
    }

    /// Renews every gauge and the status.
    pub fn gauges(
        &self,
        status: &Status,
        memory: &Usage,
        now: Timestamp,
        clock: &Clock,
        disabled: &(usize, Vec<Value>),
    ) {
        for source in &self.sources {
            let of_it: Vec<&PartitionStatus> =
                status.partitions.iter().filter(|one| one.partition.source == *source).collect();
            let records = of_it.iter().map(|one| one.unresolved as u64).sum();
            let oldest = of_it.iter().filter_map(|one| one.oldest).min();
            let age = oldest.map_or(Span::ZERO, |oldest| now.since(oldest));
            self.metrics.set_unresolved(*source, records, age);
        }
        let slots = self.metrics.slots();
        slots.set_in_flight(status.in_flight, status.suspects);
        slots.set_breakers_open(status.breakers_open);
        slots.set_braked(status.braked.attempts, status.braked.letters);
        for class in &status.classes {
            slots.set_class(&class.name, class.in_flight, class.waiting);
        }
        self.metrics.memory().set(memory.budget(), memory.parts());
        self.metrics.set_clock_skew(clock.skew().as_secs_f64());
        self.metrics.set_endpoints_disabled(disabled.0);
        let mut described = self.describe(status, now, clock);
        described["memory"] = memory.describe();
        described["disabled_endpoints"] = json!({ "count": disabled.0, "first": disabled.1 });
        self.status.send_replace(described);
    }

    /// Renews the lag: records between the committed position and the end of the log.
    pub fn lag(&self, status: &Status, ends: &BTreeMap<Partition, Offset>) {
        for source in &self.sources {
            let of_it = status.partitions.iter().filter(|one| one.partition.source == *source);
            let behind = of_it.filter_map(|one| {
                let end = ends.get(&one.partition)?;
                u64::try_from(end.0.saturating_sub(one.committed.0)).ok()
            });
            self.metrics.set_lag(*source, behind.sum());
        }
    }

    /// So many bytes came from the brokers.
    pub fn read(&self, traffic: Traffic) {
        let Traffic { received, fetched, taken } = traffic;
        self.metrics.reading().add(received, fetched, taken);
    }

    fn describe(&self, status: &Status, now: Timestamp, clock: &Clock) -> Value {
        let partitions = status.partitions.iter().map(|one| {
            json!({
                "partition": one.partition.to_string(),
                "watermark": one.watermark.0,
                "committed": one.committed.0,
                "unresolved": one.unresolved,
                "oldest": one.oldest.map(|oldest| oldest.to_string()),
                "taking": one.taking,
            })
        });
        let lanes = status.lanes.iter().map(|lane| {
            json!({
                "merchant": lane.key.merchant.as_str(),
                "endpoint": lane.key.endpoint.as_str(),
                "waiting": lane.waiting,
                "in_flight": lane.in_flight,
                "parked": lane.parked,
                "breaker_open": lane.open,
            })
        });
        let classes = status.classes.iter().map(|class| {
            json!({
                "class": class.name,
                "reserved": class.reserved,
                "most": class.most,
                "in_flight": class.in_flight,
                "waiting": class.waiting,
            })
        });
        json!({
            "format": 1,
            "worker": self.worker,
            "at": now.to_string(),
            "merchants": self.merchants,
            "in_flight": status.in_flight,
            "suspects": status.suspects,
            "breakers_open": status.breakers_open,
            "classes": classes.collect::<Vec<_>>(),
            "held_bytes": status.held_bytes,
            "braked": { "attempts": status.braked.attempts, "letters": status.braked.letters },
            "stuck_routes": status.stuck_routes,
            "clock_skew_seconds": clock.skew().as_secs_f64(),
            "partitions": partitions.collect::<Vec<_>>(),
            "lanes": lanes.collect::<Vec<_>>(),
        })
    }

    /// Lets go of the delivery log, whose client may hang.
    pub fn leave_behind(self) {
        if let Some(log) = self.log {
            let _ = std::thread::Builder::new().name("log-left".into()).spawn(move || drop(log));
        }
    }

    /// Gives the last lines of the delivery log their time to leave.
    pub fn flush(self, deadline: Duration) {
        if let Some(log) = self.log {
            log.flush(deadline);
        }
    }
}
