//! What waits in memory and gives way to others, or waits for too long: it is parked.

use super::{
    Engine, FULL_LANE_PARKING, ParkReason,
    fair_queue::{LaneId, Place},
    lane::Lane,
    returns::Parking,
    slots::Trust,
    timers::Timer,
};
use crate::model::{Partition, Source, Span, Timestamp};

/// Records that wait for more than a slot hold no more than this part of the bytes: grades may hold
/// half, and attempts that hang some more.
const BLOCKED_BYTES: usize = 8;

/// So long a delivery waits for a probe before it is parked.
const PATIENCE: Span = Span::from_secs(1);

impl Engine {
    /// Parks a delivery that waits in a lane: until the lane has room for it, or, where nobody can
    /// tell when that will be, for longer each time.
    pub(super) fn spill(&mut self, now: Timestamp, place: Place) {
        if self.lanes.get(place.lane).is_some_and(Lane::is_open) {
            self.lanes.remove(place);
            return self.park(now, place.delivery, ParkReason::BreakerOpen);
        }
        let longest = FULL_LANE_PARKING.min(self.settings.longest_parking);
        let room = self.settings.lane_records.min(self.settings.hold.records / 2);
        let (ladder, lane) = (&self.settings.ladder, place.lane);
        let grade = self.lanes.parking_grade(now, lane, Parking { ladder, longest, room });
        self.lanes.parked(lane, now + grade.delay());
        self.lanes.remove(place);
        self.park_on(now, place.delivery, grade, ParkReason::FullLane);
    }

    /// Keeps blocked records from holding more than half of a partition's bound, and all of them from
    /// holding more than their part of the bytes.
    pub(super) fn balance(&mut self, now: Timestamp) {
        if self.unbalanced.is_empty() {
            return;
        }
        let half = self.settings.hold.records / 2;
        let mut later = Vec::new();
        while let Some(partition) = self.unbalanced.pop_first() {
            if self.holds.get(&partition).is_none_or(|hold| hold.draining) {
                continue;
            }
            while self.lanes.blocked(partition) > half {
                let Some(place) = self.lanes.newest_of_longest(partition) else {
                    break;
                };
                if partition.source != Source::Completions && !self.may_put_back(now, place) {
                    later.push(partition);
                    break;
                }
                self.put_back(now, place);
            }
        }
        self.balance_later(now, later);
        let bytes = self.held.limit() / BLOCKED_BYTES;
        while self.held.total() > bytes && self.lanes.blocked_bytes() > bytes {
            let Some((partition, place)) = self.lanes.newest_of_heaviest() else {
                break;
            };
            // What is given back is left to the next owner.
            if self.holds.get(&partition).is_none_or(|hold| hold.draining) {
                break;
            }
            self.put_back(now, place);
        }
    }

    /// Whether what came back from a grade may go there again in this millisecond. Endpoints under
    /// suspicion are not waited for: there are always some, and others' retries stand behind them.
    fn may_put_back(&mut self, now: Timestamp, place: Place) -> bool {
        let soonest = self.settings.ladder.smallest().delay();
        match self.lanes.wants_slots_as(place.lane) {
            Some(Trust::Warm | Trust::Cold) => {
                self.lanes.backlog(place.lane).may_send_away(now, soonest)
            }
            Some(Trust::Suspect) | None => true,
        }
    }

    fn balance_later(&mut self, now: Timestamp, partitions: Vec<Partition>) {
        if partitions.is_empty() {
            return;
        }
        self.unbalanced.extend(partitions);
        self.come_back(now);
    }

    /// Whoever asks for a command in the next millisecond goes on.
    fn come_back(&mut self, now: Timestamp) {
        let at = now + Span::from_millis(1);
        if self.back_at.replace(at) != Some(at) {
            self.timers.set(at, Timer::Start);
        }
    }

    fn put_back(&mut self, now: Timestamp, place: Place) {
        let reason = match self.lanes.wants_slots_as(place.lane) {
            Some(Trust::Suspect) => ParkReason::Suspects,
            Some(Trust::Warm | Trust::Cold) => ParkReason::Class,
            None => return self.spill(now, place),
        };
        let (ladder, longest) = (&self.settings.ladder, self.settings.longest_parking);
        let room = self.settings.hold.records / 2;
        let parking = Parking { ladder, longest, room };
        let grade = self.lanes.parking_grade_for_slot(now, place.lane, parking);
        let grade = grade.or_else(|| self.next_parking_grade(place.delivery));
        if let Some(grade) = grade {
            self.lanes.backlog(place.lane).sent_away(now, now + grade.delay());
        }
        self.lanes.remove(place);
        if let Some(grade) = grade {
            self.park_on(now, place.delivery, grade, reason);
        }
    }

    /// Parks what has lost its turn for more than a second in lanes that get probes alone, as much as
    /// may be in this millisecond.
    pub(super) fn park_impatient(&mut self, now: Timestamp) {
        while let Some(lane) = self.impatient.next() {
            let Some(place) = self.first_impatient(now, lane) else {
                self.impatient.remove(lane);
                continue;
            };
            if !self.impatient.may_park(now) {
                return self.come_back(now);
            }
            self.impatient.parked(now, lane);
            self.lanes.remove(place);
            self.park(now, place.delivery, ParkReason::BreakerOpen);
        }
    }

    /// The oldest of a lane that has lost patience; the one whose turn is next keeps it.
    pub(super) fn first_impatient(&self, now: Timestamp, lane: LaneId) -> Option<Place> {
        let open = self.lanes.get(lane).filter(|lane| lane.is_open())?;
        let next = open.waiting.oldest()?;
        let mut others = open.waiting.iter().filter(|waits| *waits != next);
        let found = others.find(|(_, _, delivery)| {
            let queued = self.deliveries.get(delivery).map(|delivery| delivery.queued);
            queued.is_some_and(|queued| now > queued + PATIENCE)
        })?;
        Some(Place::of(lane, found))
    }
}
