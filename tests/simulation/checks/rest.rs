//! What must hold when nothing happens any more.

use paynotify::model::{Offset, Partition};

use crate::{
    broker::{Kept, Log},
    directory::{Owed, owed},
    world::World,
};

impl World {
    /// The world is at rest.
    pub fn check_rest(&mut self) {
        if self.ledger.open > 0 {
            let open = self.describe_open();
            return self.fail("L1", format!("nothing happens any more, but {open}"));
        }
        for (partition, log) in &self.broker.logs {
            let (commit, end) = (log.commit, self.end_of_duty(*partition, log));
            if commit < end && log.data_end() > log.start {
                let detail = format!("{partition} is committed at {commit}, its end is {end}");
                return self.fail("L1", detail);
            }
        }
        for (event, truth) in self.ledger.events.iter().enumerate() {
            let versions = &self.directory.merchants[truth.merchant];
            let [only] = versions.as_slice() else { continue };
            let missing = match &truth.event {
                _ if truth.lost => None,
                Err(_) => (!truth.dead.contains(&None)).then_some(0),
                Ok(known) => match owed(only.entry.as_deref(), known) {
                    Owed::Endpoints(all) => all.into_iter().find(|one| !truth.is_done(*one)),
                    Owed::Unknown | Owed::NotAllowed => (!truth.dead.contains(&None)).then_some(0),
                },
            };
            if let Some(endpoint) = missing {
                return self.fail("L1", format!("evt_{event} is lost for e{endpoint}"));
            }
        }
        let (extra, allowed) = (self.ledger.extra, self.ledger.allowed(&self.directory));
        if extra > allowed {
            let detail = format!("{extra} deliveries were repeated, {allowed} may have been");
            return self.fail("L4", detail);
        }
        let numbers = self.ledger.events.iter().flat_map(|truth| truth.numbers.values());
        let twice: u64 = numbers.map(|count| u64::from(count - 1)).sum();
        let excused = allowed + self.ledger.forgotten > 0 || self.plan.settings.flood_brake;
        // The brake makes attempts that do not count.
        if twice > 0 && !excused {
            self.fail("L4", format!("{twice} attempts were made twice without a fault"));
        }
    }

    /// One past the last record before anything that nobody waits for any more.
    fn end_of_duty(&self, partition: Partition, log: &Log) -> Offset {
        let waits = |kept: &&Kept| {
            let truth = &self.ledger.events[kept.event];
            let there = !kept.deleted || self.is_held(partition, kept.offset);
            truth.lost && there && !truth.carriers[kept.carrier].covered
        };
        let end = log.records.iter().position(|kept| waits(&kept)).unwrap_or(log.records.len());
        end.checked_sub(1).map_or(Offset(0), |last| log.records[last].offset.next())
    }

    /// Whether a worker read this record and has not resolved it, whatever the broker still has.
    fn is_held(&self, partition: Partition, offset: Offset) -> bool {
        self.workers.iter().any(|worker| {
            let epoch = worker.held.get(&partition);
            epoch.is_some_and(|epoch| worker.reads.contains_key(&(partition, *epoch, offset)))
        })
    }

    /// What is not resolved, for people.
    pub fn describe_open(&self) -> String {
        let mut open = Vec::new();
        for (event, truth) in self.ledger.events.iter().enumerate() {
            for carrier in truth.carriers.iter().filter(|one| !one.covered && !truth.lost) {
                let Offset(offset) = carrier.offset;
                open.push(format!("evt_{event} at {} {offset}", carrier.partition));
            }
        }
        let count = open.len();
        open.truncate(5);
        format!("{count} records are open: {}", open.join(", "))
    }
}
