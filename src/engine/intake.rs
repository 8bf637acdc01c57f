//! Records come in, within bounds; what is finished is committed.

use std::sync::Arc;

use super::{
    COMMIT_AGAIN, Command, Commit, Delivery, Engine, Epoch, READ_AHEAD, Record, Stage,
    lane::DeliveryId, ledger::Entered, timers::Timer,
};
use crate::model::{Offset, Partition, Source, Span, Timestamp};

/// Records that are due later than this are held only in small numbers, so that long grades leave
/// the memory to short ones.
const FAR: Span = Span::from_secs(60);
/// So many of them.
const FAR_RECORDS: usize = 32;

/// What a held record costs beyond its bytes: ledger, delivery, lane, timers.
const RECORD_OVERHEAD: usize = 512;

impl Engine {
    /// A record was read under this assignment. Records of a partition come in offset order.
    pub fn handle_record(&mut self, now: Timestamp, epoch: Epoch, record: Record) {
        let partition = record.partition;
        let Some(hold) = self.holds.get_mut(&partition) else {
            return;
        };
        if hold.epoch != epoch || hold.draining {
            return;
        }
        let id = DeliveryId(self.next_delivery);
        self.next_delivery += 1;
        let bytes = RECORD_OVERHEAD + record.content.size();
        let mut far = false;
        match hold.open(record.offset, record.appended, bytes, id) {
            Entered::Repeated => return,
            Entered::AlreadyResolved => self.finished(now, partition),
            Entered::Unresolved => {
                self.held.add(partition, bytes);
                let due = match partition.source {
                    Source::Completions => now,
                    Source::Grade(grade) => record.appended + grade.delay(),
                };
                far = due > now + FAR;
                let envelope = record.envelope.clone();
                let delivery = Delivery {
                    record: Arc::new(record),
                    epoch,
                    envelope,
                    endpoint: None,
                    due,
                    queued: now,
                    stage: Stage::Resting,
                    failures: 0,
                };
                self.deliveries.insert(id, Box::new(delivery));
                if due <= now {
                    self.release(now, id);
                } else {
                    self.timers.set(due, Timer::Due(id));
                }
                self.unbalanced.insert(partition);
            }
        }
        self.pause_if_full(partition, far);
    }

    /// The reader stands at `position` without having met a record on the way there.
    pub fn handle_position(
        &mut self,
        now: Timestamp,
        partition: Partition,
        epoch: Epoch,
        position: Offset,
    ) {
        if let Some(hold) = self.holds.get_mut(&partition)
            && hold.epoch == epoch
            && !hold.draining
        {
            let before = hold.ledger.watermark();
            hold.ledger.skip_to(position);
            if hold.ledger.watermark() != before {
                self.finished(now, partition);
            }
        }
    }

    /// The broker answered a commit. A refused one is tried again with what is true then.
    pub fn handle_committed(&mut self, now: Timestamp, commit: &Commit, accepted: bool) {
        let Some(hold) = self.holds.get_mut(&commit.partition) else {
            return;
        };
        if hold.epoch != commit.epoch {
            return;
        }
        hold.commit.in_flight = false;
        let (partition, epoch) = (commit.partition, commit.epoch);
        if accepted {
            hold.commit.confirmed = commit.position;
            hold.commit.waiting_since = (hold.commit.finished > 0).then_some(now);
        } else {
            hold.commit.at = Some(now + COMMIT_AGAIN);
        }
        if let Some(at) = hold.commit.at {
            self.timers.set(at.max(now), Timer::Commit { partition, epoch });
        }
    }

    /// An offset is finished: the commit is planned, and there may be room for more.
    pub(super) fn finished(&mut self, now: Timestamp, partition: Partition) {
        let (interval, every) = (self.settings.commit_interval, self.settings.commit_every);
        if let Some(hold) = self.holds.get_mut(&partition)
            && let Some(at) = hold.finished(now, interval, every)
        {
            let epoch = hold.epoch;
            self.timers.set(at, Timer::Commit { partition, epoch });
        }
    }

    pub(super) fn commit_if_due(&mut self, now: Timestamp, partition: Partition, epoch: Epoch) {
        let Some(hold) = self.holds.get_mut(&partition) else {
            return;
        };
        let due = hold.commit.at.is_some_and(|at| at <= now);
        if hold.epoch != epoch || hold.commit.in_flight || !due {
            return;
        }
        hold.commit.at = None;
        hold.commit.finished = 0;
        hold.commit.in_flight = true;
        if let Some(commit) = self.commit_of(partition) {
            self.commands.push_back(Command::Commit(commit));
        }
    }

    pub(super) fn refresh_commit(&mut self, now: Timestamp, partition: Partition, epoch: Epoch) {
        if !self.is_current(partition, epoch) {
            return;
        }
        if let Some(hold) = self.holds.get_mut(&partition) {
            hold.commit.at = Some(now);
        }
        self.commit_if_due(now, partition, epoch);
        self.timers.set(now + self.settings.commit_refresh, Timer::Refresh { partition, epoch });
    }

    /// Work on a delivery is done for good.
    pub(super) fn resolve(&mut self, now: Timestamp, id: DeliveryId) {
        self.stuck.remove(&id);
        let Some(delivery) = self.deliveries.remove(&id) else {
            return;
        };
        let (partition, offset) = (delivery.record.partition, delivery.record.offset);
        let Some(hold) = self.holds.get_mut(&partition) else {
            return;
        };
        if let Some(bytes) = hold.close_delivery(offset, id) {
            let room = self.held.subtract(partition, bytes);
            self.finished(now, partition);
            if room {
                self.resume_what_fits();
            }
            self.resume_if_room(partition);
        } else {
            let at = now + super::FAN_OUT_PATIENCE;
            let epoch = delivery.epoch;
            self.timers.set(at, Timer::FanOut { partition, epoch, offset });
        }
    }

    fn pause_if_full(&mut self, partition: Partition, far: bool) {
        let Some(hold) = self.holds.get_mut(&partition) else {
            return;
        };
        hold.far = far && hold.records() >= FAR_RECORDS;
        let enough = READ_AHEAD * self.settings.max_in_flight;
        let slots = self.lanes.slots();
        self.sated |= slots.startable() >= enough && !slots.has_hungry();
        let full = hold.far
            || (hold.records() > 0 && self.sated)
            || hold.records() >= self.settings.hold.records
            || !hold.ledger.can_take()
            || (hold.records() > 0 && self.held.is_full(partition));
        if hold.taking && full {
            hold.taking = false;
            self.paused.insert(partition);
            self.commands.push_back(Command::Pause(partition));
        }
    }

    fn resume_if_room(&mut self, partition: Partition) {
        let bounds = self.settings.hold;
        // What waits for more than a slot may stay for long: room is half of what it leaves.
        let stays = self.lanes.blocked(partition);
        let Some(hold) = self.holds.get_mut(&partition) else {
            return;
        };
        let most = if hold.far { FAR_RECORDS.min(bounds.records) } else { bounds.records };
        let room = hold.records() == 0
            || (hold.records() <= usize::midpoint(most, stays).min(most - 1)
                && self.held.has_room(partition)
                && !self.sated);
        if !hold.taking && !hold.draining && room && hold.ledger.can_take() {
            hold.taking = true;
            self.paused.remove(&partition);
            self.commands.push_back(Command::Resume(partition));
        }
    }

    /// Goes on reading when half of what was enough has started, or for a class that has nothing to do
    /// with its reserve.
    pub(super) fn read_on(&mut self) {
        while let Some(partition) = self.lanes.next_changed() {
            if self.paused.contains(&partition) {
                self.resume_if_room(partition);
            }
        }
        let was_hungry = std::mem::replace(&mut self.hungry, self.lanes.slots().has_hungry());
        if self.hungry && !was_hungry {
            self.resume_what_fits();
        }
        let slots = self.lanes.slots();
        let half = READ_AHEAD * self.settings.max_in_flight / 2;
        if self.sated && (slots.startable() <= half || slots.has_hungry()) {
            self.sated = false;
            self.resume_what_fits();
        }
    }

    /// Records and the directory share their memory, and the directory has changed.
    pub(super) fn share_memory(&mut self) {
        let (before, limit) = (self.held.limit(), self.settings.hold.beside(self.directory_bytes));
        self.held.set_limit(limit);
        if limit > before {
            self.resume_what_fits();
        }
    }

    /// Bytes became free, so others may go on.
    pub(super) fn resume_what_fits(&mut self) {
        for partition in self.paused.iter().copied().collect::<Vec<_>>() {
            self.resume_if_room(partition);
        }
    }
}

impl super::Content {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let (key, value) = (self.key.as_ref(), self.value.as_ref());
        headers + key.map_or(0, bytes::Bytes::len) + value.map_or(0, bytes::Bytes::len)
    }
}
