//! What must hold whenever a worker's loop has turned, for each thing that it does, and at rest.

mod attempts;
mod records;
mod rest;

use std::cmp::Ordering;

use paynotify::engine::Status;

pub use self::attempts::LaneWatch;
use super::world::World;

/// What a held record costs beyond its content.
const RECORD_OVERHEAD: usize = 512;

impl World {
    /// A worker's loop has turned.
    pub fn check_turn(&mut self, worker: usize, before: &Status) {
        let process = &self.workers[worker];
        let now = process.told;
        let status = process.engine.status(now, usize::MAX);
        let settings = &self.plan.settings;
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        if status.in_flight != process.attempts.len() {
            let running = process.attempts.len();
            broken.push(("slots", format!("{} counted, {running} run", status.in_flight)));
        }
        let most = settings.hold.records + self.plan.batch - 1;
        for one in &status.partitions {
            if one.unresolved > most {
                broken.push(("memory", format!("{} holds {}", one.partition, one.unresolved)));
            }
            if one.startable {
                broken.push(("turns", format!("the head of {} is left standing", one.partition)));
            }
            let reading = process.reading.get(&one.partition);
            let draining = process.revoking.as_ref();
            let draining = draining.is_some_and(|all| all.indexes.contains(&one.partition.index));
            if one.unresolved == 0 && !one.taking && !draining {
                broken.push(("pause", format!("{} is empty and not read", one.partition)));
            }
            if reading.is_some_and(|reading| reading.wanted != one.taking) && !draining {
                broken.push(("pause", format!("{}: taking is {}", one.partition, one.taking)));
            }
        }
        let largest = self.largest + RECORD_OVERHEAD;
        // What was held before the directory grew may stay.
        let falls = status.held_bytes > status.held_most;
        let most = if falls { process.held_most.max(status.held_most) } else { status.held_most };
        let bytes = most + status.partitions.len() * self.plan.batch * largest;
        if status.held_bytes > bytes || status.held_most > settings.hold.bytes {
            let Status { held_bytes, held_most, .. } = &status;
            broken.push(("memory", format!("{held_bytes} bytes are held of {held_most}")));
        }
        for lane in &status.lanes {
            if lane.waiting > settings.lane_records {
                broken.push(("memory", format!("{} wait for {:?}", lane.waiting, lane.key)));
            }
        }
        if status.suspects > before.suspects && status.suspects > settings.max_suspects {
            broken.push(("suspects", format!("{} suspects run", status.suspects)));
        }
        for (class, was) in status.classes.iter().zip(&before.classes) {
            if class.in_flight > was.in_flight && class.in_flight > class.most {
                broken.push(("class", format!("{} of {} run", class.in_flight, class.name)));
            }
        }
        let waiting: usize = status.classes.iter().map(|class| class.waiting).sum();
        let may = settings.classes.iter().any(|class| class.most > 0);
        if status.in_flight == 0 && waiting > 0 && process.signing && may {
            broken.push(("turns", format!("{waiting} could start and none runs")));
        }
        if process.engine.poll_timeout().is_some_and(|at| at <= now) {
            broken.push(("timer", "a timer was left behind".to_owned()));
        }
        if status.partitions.iter().any(|one| !process.held.contains_key(&one.partition)) {
            broken.push(("epoch", "something is held that is not ours".to_owned()));
        }
        self.count_status(worker, &status);
        for (invariant, why) in broken {
            self.fail(invariant, format!("w{worker}: {why}"));
        }
    }

    fn count_status(&mut self, worker: usize, status: &Status) {
        let process = &mut self.workers[worker];
        if status.held_bytes <= status.held_most || status.held_most > process.held_most {
            process.held_most = status.held_most;
        }
        if status.directory_too_large {
            self.coverage.saw("memory", "of the directory");
        }
        let was = std::mem::replace(&mut process.open_breakers, status.breakers_open);
        match status.breakers_open.cmp(&was) {
            Ordering::Greater => self.coverage.saw("breaker", "opened"),
            Ordering::Less => self.coverage.saw("breaker", "closed"),
            Ordering::Equal => {}
        }
        if status.suspects >= self.plan.settings.max_suspects {
            self.coverage.saw("slots", "suspects at their limit");
        }
        if status.in_flight >= self.plan.settings.max_in_flight {
            self.coverage.saw("slots", "all taken");
        }
        let at_most = |class: &paynotify::engine::ClassStatus| class.in_flight >= class.most;
        if status.classes.len() > 1 && status.classes.iter().any(at_most) {
            self.coverage.saw("slots", "class at its most");
        }
        match (status.braked.attempts, status.braked.letters) {
            (true, true) => self.coverage.saw("braked", "both"),
            (true, false) => self.coverage.saw("braked", "attempts"),
            (false, true) => self.coverage.saw("braked", "letters"),
            (false, false) => {}
        }
    }
}
