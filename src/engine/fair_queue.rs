//! Lanes and their turns: every endpoint with something to do and room to do it gets the attempts
//! of its weight each round, whatever waits behind it (deficit round robin, Shreedhar and
//! Varghese 1995).

use std::collections::BTreeSet;

use super::{
    backlog::Backlog,
    blocked::{Blocked, Group},
    breaker::BreakerSettings,
    lane::{DeliveryId, End, Lane, LaneKey, Limits, TURN},
    returns::Parking,
    slots::{Slots, Spot, Trust},
    waiting::Waits,
};
use crate::model::{Grade, Named, Partition, Source, Timestamp};

/// Number of a lane while it lives.
pub type LaneId = usize;

/// All lanes of a worker.
#[derive(Debug)]
pub struct FairQueue {
    lanes: slab::Slab<Lane>,
    by_key: Named<LaneKey, LaneId>,
    slots: Slots,
    breaker: BreakerSettings,
    next_ticket: u64,
    open: usize,
    /// By partition: the deliveries that wait for more than a slot.
    blocked: Named<Partition, Blocked>,
    /// Those whose count has changed since it was asked for.
    changed: BTreeSet<Partition>,
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

impl Place {
    /// The place of what waits in this lane.
    pub fn of(lane: LaneId, (source, accepted, delivery): Waits) -> Self {
        Self { lane, source, accepted, delivery }
    }

    fn waits(self) -> Waits {
        (self.source, self.accepted, self.delivery)
    }
}

impl FairQueue {
    /// No lanes yet.
    pub fn new(slots: Slots, breaker: BreakerSettings) -> Self {
        Self {
            lanes: slab::Slab::new(),
            by_key: Named::default(),
            slots,
            breaker,
            next_ticket: 0,
            open: 0,
            blocked: Named::default(),
            changed: BTreeSet::new(),
        }
    }

    /// The lane of an endpoint, made when new; its limits follow the policy, and it may want to be
    /// looked at then ([`FairQueue::look`]).
    pub fn lane(
        &mut self,
        now: Timestamp,
        key: LaneKey,
        index: i32,
        mut limits: Limits,
    ) -> (LaneId, Option<Timestamp>) {
        if let Some(known) = self.renew(now, &key, limits) {
            return known;
        }
        limits.class = self.slots.class(limits.class);
        let id = self.lanes.insert(Lane::new(key.clone(), index, limits));
        self.by_key.insert(key, id);
        (id, None)
    }

    /// The lane of an endpoint, if it lives, goes by these limits from now on; it may want to be
    /// looked at then ([`FairQueue::look`]).
    pub fn renew(
        &mut self,
        now: Timestamp,
        key: &LaneKey,
        mut limits: Limits,
    ) -> Option<(LaneId, Option<Timestamp>)> {
        let id = *self.by_key.get(key)?;
        limits.class = self.slots.class(limits.class);
        let mut wake = None;
        if self.lanes[id].limits() != limits {
            let breaker = self.breaker;
            self.change(id, |lane| {
                lane.set_limits(now, limits, &breaker);
                wake = lane.arrange(now);
            });
        }
        Some((id, wake))
    }

    /// Whether no lane lives.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether a living lane goes by these limits.
    pub fn has_limits(&self, id: LaneId, mut limits: Limits) -> bool {
        limits.class = self.slots.class(limits.class);
        self.lanes.get(id).is_some_and(|lane| lane.limits() == limits)
    }

    /// Looks at a living lane.
    pub fn get(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.get(id)
    }

    /// Puts a delivery into its lane, which may want to be looked at then ([`FairQueue::look`]). Its
    /// record costs so many bytes to hold.
    pub fn push(&mut self, now: Timestamp, place: Place, bytes: usize) -> Option<Timestamp> {
        let (breaker, mut wake) = (self.breaker, None);
        self.change(place.lane, |lane| {
            lane.push(now, place.waits(), bytes, &breaker);
            wake = lane.arrange(now);
        });
        wake
    }

    /// Takes a waiting delivery out.
    pub fn remove(&mut self, place: Place) {
        self.change(place.lane, |lane| {
            lane.waiting.remove(place.waits());
        });
    }

    /// The next delivery by turn, now in flight; `None` when nobody may start. Its lane may want to
    /// be looked at then ([`FairQueue::look`]).
    pub fn start_next(&mut self, now: Timestamp) -> Option<(Place, Option<Timestamp>)> {
        loop {
            let id = self.slots.next(now)?;
            let lane = &mut self.lanes[id];
            if let Some(spot) = lane.spot.take() {
                self.slots.leave(spot);
            }
            if lane.credit < TURN {
                lane.next_round();
            }
            let Some(waits) = lane.waiting.oldest().filter(|_| lane.credit >= TURN) else {
                self.line_up(id);
                continue;
            };
            let (breaker, mut wake) = (self.breaker, None);
            self.slots.begun(lane.trust(), now);
            self.change(id, |lane| {
                lane.start(now, waits, &breaker);
                wake = lane.arrange(now);
            });
            return Some((Place::of(id, waits), wake));
        }
    }

    /// When more of what waits may begin although nothing ends; told once.
    pub fn next_start(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.slots.next_suspects(now)
    }

    /// A started delivery turned out to need no attempt.
    pub fn cancel(&mut self, lane: LaneId) {
        self.change(lane, Lane::cancel);
    }

    /// The time has come to look at a lane; gives the time of the next look.
    pub fn look(&mut self, id: LaneId, now: Timestamp) -> Option<Timestamp> {
        self.lanes.get(id)?;
        let (breaker, mut next) = (self.breaker, None);
        self.change(id, |lane| {
            lane.look(now, &breaker);
            next = lane.arrange(now);
        });
        next
    }

    /// An attempt takes longer than is usual.
    pub fn slowed(&mut self, lane: LaneId) {
        self.change(lane, Lane::slowed);
    }

    /// An attempt ended; its lane may want to be looked at then ([`FairQueue::look`]).
    pub fn attempt_ended(&mut self, lane: LaneId, now: Timestamp, end: End) -> Option<Timestamp> {
        let (breaker, mut wake) = (self.breaker, None);
        let (class, trust) = (self.lanes[lane].limits().class, self.lanes[lane].trust());
        self.change(lane, |lane| {
            lane.attempt_ended(now, end, &breaker);
            wake = lane.arrange(now);
        });
        self.slots.ended(class, trust, now, end.took);
        wake
    }

    /// The grade on which one more delivery of this lane is best parked, which waits for its turn.
    pub fn parking_grade(&mut self, now: Timestamp, lane: LaneId, parking: Parking<'_>) -> Grade {
        self.lanes[lane].parking_grade(now, parking)
    }

    /// The same of one that waits for a slot alone; `None` while nobody can tell.
    pub fn parking_grade_for_slot(
        &mut self,
        now: Timestamp,
        lane: LaneId,
        parking: Parking<'_>,
    ) -> Option<Grade> {
        let lane = &self.lanes[lane];
        self.slots.parking_grade(lane.limits().class, lane.trust(), now, parking)
    }

    /// What was sent away of those that wait for the same slots as this lane.
    pub fn backlog(&mut self, lane: LaneId) -> &mut Backlog {
        let lane = &self.lanes[lane];
        self.slots.backlog(lane.limits().class, lane.trust())
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
        self.slots.forget_returns();
        let of_index = self.lanes.iter().filter(|(_, lane)| lane.index == index);
        for id in of_index.map(|(id, _)| id).collect::<Vec<_>>() {
            self.change(id, |lane| lane.returns.clear());
        }
    }

    /// Deliveries of this partition that wait for more than a slot: their lane is at its cap or rate
    /// or under suspicion, or their class has to leave slots to another.
    pub fn blocked(&self, partition: Partition) -> usize {
        let Some(blocked) = self.blocked.get(&partition) else {
            return 0;
        };
        blocked.load(|group| self.holds_back(group)).records
    }

    /// Bytes of records of all partitions that wait for more than a slot.
    pub fn blocked_bytes(&self) -> usize {
        let held_back = |group| self.holds_back(group);
        self.blocked.values().map(|blocked| blocked.load(held_back).bytes).sum()
    }

    /// The newest delivery of the blocked lane that holds most bytes, and its partition.
    pub fn newest_of_heaviest(&self) -> Option<(Partition, Place)> {
        let heaviest = self.blocked.iter().filter_map(|(partition, blocked)| {
            let (bytes, lane) = blocked.heaviest(|group| self.holds_back(group))?;
            Some((bytes, *partition, lane))
        });
        let (_, partition, lane) = heaviest.max()?;
        Some((partition, self.newest(lane, Some(partition.source))?))
    }

    /// A partition of which more or less is blocked than when it was last given here.
    pub fn next_changed(&mut self) -> Option<Partition> {
        self.changed.pop_first()
    }

    /// The newest delivery of the longest blocked lane of this partition.
    pub fn newest_of_longest(&self, partition: Partition) -> Option<Place> {
        let lane = self.blocked.get(&partition)?.longest(|group| self.holds_back(group))?;
        self.newest(lane, Some(partition.source))
    }

    /// The newest delivery that waits in a lane.
    pub fn newest(&self, lane: LaneId, of: Option<Source>) -> Option<Place> {
        Some(Place::of(lane, self.lanes.get(lane)?.waiting.newest(of)?))
    }

    /// The slots and who has them.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// So many attempts at a time from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.slots.set_limit(limit);
    }

    /// Lanes that get probes alone.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Every lane, for a status.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().map(|(_, lane)| lane)
    }

    /// Among whom the lane waits for a slot, if for nothing else: it is below its cap and its rate,
    /// and its endpoint gets more than probes.
    pub fn wants_slots_as(&self, lane: LaneId) -> Option<Trust> {
        let lane = self.lanes.get(lane)?;
        (!lane.is_blocked() && !lane.is_open()).then(|| lane.trust())
    }

    fn holds_back(&self, group: Group) -> bool {
        match group {
            Group::Blocked => true,
            Group::Free(class) => self.slots.is_held_back(class),
        }
    }

    /// Changes a lane and keeps the lines, the counts and the table true.
    fn change(&mut self, id: LaneId, change: impl FnOnce(&mut Lane)) {
        self.count_blocked(id, false);
        let lane = &mut self.lanes[id];
        self.slots.subtract(lane.limits().class, lane.trust(), lane.demand());
        self.open -= usize::from(lane.is_open());
        change(lane);
        self.slots.add(lane.limits().class, lane.trust(), lane.demand());
        self.open += usize::from(lane.is_open());
        if lane.waiting.is_empty() {
            lane.credit = 0;
        }
        self.line_up(id);
        if self.lanes[id].is_idle() {
            let lane = self.lanes.remove(id);
            self.by_key.remove(&lane.key);
        } else {
            self.count_blocked(id, true);
        }
    }

    /// Puts a lane where it belongs in the lines, if it has something to do and room for it.
    fn line_up(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id];
        let (class, trust) = (lane.limits().class, lane.trust());
        let oldest = lane.waiting.oldest().filter(|_| !lane.is_blocked());
        let wanted = oldest.map(|(_, accepted, _)| {
            // Turns of this round are left, or it stands in line already.
            if lane.spot.is_none() && lane.credit < TURN {
                lane.ticket = self.next_ticket;
                self.next_ticket += 1;
            }
            let turn = self.slots.turn(class, accepted, lane.ticket);
            Spot { class, trust, turn }
        });
        if lane.spot != wanted {
            if let Some(spot) = lane.spot.take() {
                self.slots.leave(spot);
            }
            if let Some(spot) = wanted {
                self.slots.enter(spot, id);
            }
            lane.spot = wanted;
        }
    }

    fn count_blocked(&mut self, id: LaneId, add: bool) {
        let lane = &self.lanes[id];
        let group = group_of(lane);
        if group != Group::Blocked && !self.slots.has_reserves() {
            return;
        }
        for (source, load) in lane.waiting.by_source() {
            let partition = Partition { source, index: lane.index };
            self.changed.insert(partition);
            let blocked = self.blocked.entry(partition).or_default();
            if add {
                blocked.add(group, load, id);
            } else {
                blocked.remove(group, load, id);
                if blocked.is_empty() {
                    self.blocked.remove(&partition);
                }
            }
        }
    }
}

fn group_of(lane: &Lane) -> Group {
    if lane.is_blocked() || lane.trust() == Trust::Suspect {
        Group::Blocked
    } else {
        Group::Free(lane.limits().class)
    }
}
