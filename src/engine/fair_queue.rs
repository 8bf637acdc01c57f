//! Lanes and their turns: every endpoint with something to do and room to do it gets the attempts
//! of its weight each round, whatever waits behind it (deficit round robin, Shreedhar and
//! Varghese 1995).

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::lane::{DeliveryId, Lane, LaneKey, Limits, TURN};
use crate::model::{Grade, Ladder, Partition, Source, Span, Timestamp};

/// Number of a lane while it lives.
pub type LaneId = usize;

/// All lanes of a worker.
#[derive(Debug)]
pub struct FairQueue {
    lanes: slab::Slab<Lane>,
    by_key: HashMap<LaneKey, LaneId>,
    /// Lanes with something waiting and room for an attempt, in the order of their turns.
    line: VecDeque<LaneId>,
    in_flight: usize,
    limit: usize,
    startable: usize,
    /// By partition: the deliveries that wait behind a full cap or an empty bucket.
    blocked: HashMap<Partition, Blocked>,
}

#[derive(Debug, Default)]
struct Blocked {
    total: usize,
    /// How many by lane, so that the longest is at hand.
    lanes: BTreeSet<(usize, LaneId)>,
}

/// A delivery that waits, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In which lane.
    pub lane: LaneId,
    /// From which topic it came.
    pub source: Source,
    /// When its event was accepted.
    pub accepted: Timestamp,
    /// Which delivery.
    pub delivery: DeliveryId,
}

impl FairQueue {
    /// No lanes yet; at most `limit` attempts at a time in all.
    pub fn new(limit: usize) -> Self {
        Self {
            lanes: slab::Slab::new(),
            by_key: HashMap::new(),
            line: VecDeque::new(),
            in_flight: 0,
            limit,
            startable: 0,
            blocked: HashMap::new(),
        }
    }

    /// The lane of an endpoint, made when new; its limits follow the policy, and it may want to be
    /// looked at then ([`FairQueue::look`]).
    pub fn lane(
        &mut self,
        now: Timestamp,
        key: LaneKey,
        index: i32,
        limits: Limits,
    ) -> (LaneId, Option<Timestamp>) {
        let id = if let Some(id) = self.by_key.get(&key) {
            *id
        } else {
            let id = self.lanes.insert(Lane::new(key.clone(), index, limits));
            self.by_key.insert(key, id);
            id
        };
        let mut wake = None;
        if self.lanes[id].limits() != limits {
            self.change(id, |lane| {
                lane.set_limits(now, limits);
                wake = lane.arrange(now);
            });
        }
        (id, wake)
    }

    /// Looks at a living lane.
    pub fn get(&self, id: LaneId) -> &Lane {
        &self.lanes[id]
    }

    /// Puts a delivery into its lane.
    pub fn push(&mut self, place: Place) {
        self.change(place.lane, |lane| {
            lane.push(place.source, place.accepted, place.delivery);
        });
    }

    /// Takes a waiting delivery out.
    pub fn remove(&mut self, place: Place) {
        self.change(place.lane, |lane| {
            lane.remove(place.source, place.accepted, place.delivery);
        });
    }

    /// The next delivery by turn, now in flight; `None` when nobody may start. Its lane may want to
    /// be looked at then ([`FairQueue::look`]).
    pub fn start_next(&mut self, now: Timestamp) -> Option<(Place, Option<Timestamp>)> {
        while self.in_flight < self.limit {
            let id = self.line.pop_front()?;
            let lane = &mut self.lanes[id];
            lane.in_line = false;
            let Some((source, accepted, delivery)) = lane.oldest().filter(|_| !lane.is_blocked())
            else {
                self.change(id, |_| ());
                continue;
            };
            if lane.credit < TURN {
                lane.next_round();
            }
            if lane.credit < TURN {
                lane.in_line = true;
                self.line.push_back(id);
                continue;
            }
            self.in_flight += 1;
            let mut wake = None;
            self.change(id, |lane| {
                lane.remove(source, accepted, delivery);
                lane.start(now);
                wake = lane.arrange(now);
            });
            return Some((Place { lane: id, source, accepted, delivery }, wake));
        }
        None
    }

    /// A started delivery turned out to need no attempt.
    pub fn cancel(&mut self, lane: LaneId) {
        self.in_flight -= 1;
        self.change(lane, Lane::cancel);
    }

    /// The time has come to look at a lane whose rate is limited; gives the time of the next look.
    pub fn look(&mut self, id: LaneId, now: Timestamp) -> Option<Timestamp> {
        self.lanes.get(id)?;
        let mut next = None;
        self.change(id, |lane| {
            lane.look(now);
            next = lane.arrange(now);
        });
        next
    }

    /// An attempt ended.
    pub fn attempt_ended(&mut self, lane: LaneId, now: Timestamp) {
        self.in_flight -= 1;
        self.change(lane, |lane| lane.attempt_ended(now));
    }

    /// The grade on which one more delivery of this lane is best parked, so that at most `room` wait
    /// in it.
    pub fn parking_grade(
        &mut self,
        now: Timestamp,
        lane: LaneId,
        ladder: &Ladder,
        longest: Span,
        room: usize,
    ) -> Grade {
        self.lanes[lane].parking_grade(now, ladder, longest, room)
    }

    /// A delivery of this lane was parked until then.
    pub fn parked(&mut self, lane: LaneId, until: Timestamp) {
        self.change(lane, |lane| lane.returns.add(until));
    }

    /// A parked delivery came back that was to come then.
    pub fn returned(&mut self, key: &LaneKey, due: Timestamp) {
        if let Some(id) = self.by_key.get(key).copied() {
            self.change(id, |lane| lane.returns.remove(due));
        }
    }

    /// A partition number left this worker: what was parked comes back elsewhere.
    pub fn forget_parked(&mut self, index: i32) {
        let of_index = self.lanes.iter().filter(|(_, lane)| lane.index == index);
        for id in of_index.map(|(id, _)| id).collect::<Vec<_>>() {
            self.change(id, |lane| lane.returns.clear());
        }
    }

    /// Deliveries of this partition that cannot start because their lane is at its cap or rate.
    pub fn blocked(&self, partition: Partition) -> usize {
        self.blocked.get(&partition).map_or(0, |blocked| blocked.total)
    }

    /// The newest delivery of the longest blocked lane of this partition.
    pub fn newest_of_longest(&self, partition: Partition) -> Option<Place> {
        let (_, lane) = self.blocked.get(&partition)?.lanes.last()?;
        self.newest(*lane, Some(partition.source))
    }

    /// The newest delivery that waits in a lane.
    pub fn newest(&self, lane: LaneId, of: Option<Source>) -> Option<Place> {
        let (source, accepted, delivery) = self.lanes[lane].newest(of)?;
        Some(Place { lane, source, accepted, delivery })
    }

    /// Deliveries that wait for nothing but a slot.
    pub fn startable(&self) -> usize {
        self.startable
    }

    /// Attempts running now.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Every lane, for a status.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().map(|(_, lane)| lane)
    }

    /// Changes a lane and keeps the line, the blocked counts and the table true.
    fn change(&mut self, id: LaneId, change: impl FnOnce(&mut Lane)) {
        self.count_blocked(id, false);
        let lane = &mut self.lanes[id];
        self.startable -= lane.startable();
        change(lane);
        self.startable += lane.startable();
        if lane.has_nothing_waiting() {
            lane.credit = 0;
        } else if !lane.in_line && !lane.is_blocked() {
            lane.in_line = true;
            // Turns of this round are left.
            if lane.credit < TURN { self.line.push_back(id) } else { self.line.push_front(id) }
        }
        if lane.is_idle() && !lane.in_line {
            let lane = self.lanes.remove(id);
            self.by_key.remove(&lane.key);
        } else {
            self.count_blocked(id, true);
        }
    }

    fn count_blocked(&mut self, id: LaneId, add: bool) {
        let lane = &self.lanes[id];
        if !lane.is_blocked() {
            return;
        }
        for partition in lane.partitions() {
            let count = lane.waiting_from(partition.source);
            let blocked = self.blocked.entry(partition).or_default();
            if add {
                blocked.total += count;
                blocked.lanes.insert((count, id));
            } else {
                blocked.total -= count;
                blocked.lanes.remove(&(count, id));
                if blocked.total == 0 {
                    self.blocked.remove(&partition);
                }
            }
        }
    }
}
