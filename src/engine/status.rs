//! What the engine holds, for people and metrics.

use std::cmp::Reverse;

use super::{Braked, Engine, LaneKey, Stage, hold::Hold, lane::Lane};
use crate::model::{Offset, Partition, Span, Timestamp};

/// A look at the engine.
#[derive(Debug, Clone)]
pub struct Status {
    /// Every held partition.
    pub partitions: Vec<PartitionStatus>,
    /// Attempts running now.
    pub in_flight: usize,
    /// Of them, attempts of endpoints under suspicion.
    pub suspects: usize,
    /// Endpoints that get probes alone.
    pub breakers_open: usize,
    /// Every scheduling class.
    pub classes: Vec<ClassStatus>,
    /// Bytes of held records.
    pub held_bytes: usize,
    /// Bytes that they may have, beside the directory.
    pub held_most: usize,
    /// Bytes of the directory, about.
    pub directory_bytes: usize,
    /// Whether the directory leaves records less than they are to have.
    pub directory_too_large: bool,
    /// Whether an outage of ours stops the giving up of events.
    pub braked: Braked,
    /// Deliveries whose route the broker did not take.
    pub stuck_routes: usize,
    /// How long finished offsets have waited for a commit, at most.
    pub uncommitted_for: Option<Span>,
    /// The longest lanes, longest first.
    pub lanes: Vec<LaneStatus>,
}

/// One held partition.
#[derive(Debug, Clone)]
pub struct PartitionStatus {
    /// Which one.
    pub partition: Partition,
    /// Everything below is resolved.
    pub watermark: Offset,
    /// What the broker has confirmed.
    pub committed: Offset,
    /// The next offset that comes in.
    pub reached: Offset,
    /// Unresolved records in memory.
    pub unresolved: usize,
    /// Append time of the oldest of them.
    pub oldest: Option<Timestamp>,
    /// Whether its head could begin at once: it is due, and nothing holds it up.
    pub startable: bool,
    /// Whether records are taken.
    pub taking: bool,
}

/// One scheduling class.
#[derive(Debug, Clone)]
pub struct ClassStatus {
    /// What policies call it.
    pub name: String,
    /// Slots that are its own.
    pub reserved: usize,
    /// Slots that it has at most.
    pub most: usize,
    /// Attempts running.
    pub in_flight: usize,
    /// Deliveries that wait for nothing but a slot.
    pub waiting: usize,
}

/// One lane.
#[derive(Debug, Clone)]
pub struct LaneStatus {
    /// Whose.
    pub key: LaneKey,
    /// Deliveries that wait for their turn.
    pub waiting: usize,
    /// Attempts running.
    pub in_flight: u32,
    /// Deliveries parked and not back.
    pub parked: u64,
    /// Whether it gets probes alone.
    pub open: bool,
}

impl Engine {
    /// Looks at everything; the cost grows with what is held.
    pub fn status(&self, now: Timestamp, longest_lanes: usize) -> Status {
        let partitions = self.holds.iter().map(|(partition, hold)| PartitionStatus {
            partition: *partition,
            watermark: hold.ledger.watermark(),
            committed: hold.commit.confirmed,
            reached: hold.ledger.end(),
            unresolved: hold.ledger.unresolved(),
            oldest: hold.oldest(),
            startable: self.is_startable(now, hold),
            taking: hold.taking,
        });
        let mut lanes: Vec<&Lane> = self.lanes.lanes().collect();
        lanes.sort_by_key(|lane| {
            Reverse((lane.waiting.len() as u64 + lane.returns.total(), lane.in_flight))
        });
        lanes.truncate(longest_lanes);
        Status {
            partitions: partitions.collect(),
            in_flight: self.in_flight(),
            suspects: self.lanes.slots().suspects(),
            breakers_open: self.lanes.open(),
            classes: self
                .lanes
                .slots()
                .classes()
                .map(|(class, demand)| ClassStatus {
                    name: class.name.clone(),
                    reserved: class.reserved,
                    most: class.most.min(self.settings.max_in_flight),
                    in_flight: demand.in_flight,
                    waiting: demand.startable,
                })
                .collect(),
            held_bytes: self.held.total(),
            held_most: self.held.limit(),
            directory_bytes: self.directory_bytes,
            directory_too_large: self.settings.hold.is_exceeded_by(self.directory_bytes),
            braked: self.brake.braked(now),
            stuck_routes: self.stuck.len(),
            uncommitted_for: self
                .holds
                .values()
                .filter_map(|hold| hold.commit.waiting_since)
                .min()
                .map(|since| now.since(since)),
            lanes: lanes
                .into_iter()
                .map(|lane| LaneStatus {
                    key: lane.key.clone(),
                    waiting: lane.waiting.len(),
                    in_flight: lane.in_flight,
                    parked: lane.returns.total(),
                    open: lane.is_open(),
                })
                .collect(),
        }
    }

    /// A head whose time has come and that nothing woke, or that waits although slots are free for
    /// whose turn it is. After every command is given out, no head is startable.
    fn is_startable(&self, now: Timestamp, hold: &Hold) -> bool {
        let idle_slots = self.attempting && self.lanes.slots().has_next(now);
        let waits_in_vain = |id| match self.deliveries.get(&id).map(|one| (&one.stage, one.due)) {
            Some((Stage::Resting, due)) => due <= now,
            Some((Stage::Queued(place), _)) => {
                idle_slots && self.lanes.get(place.lane).is_some_and(|lane| !lane.is_blocked())
            }
            _ => false,
        };
        !hold.draining && hold.deliveries(hold.ledger.watermark()).any(waits_in_vain)
    }
}
