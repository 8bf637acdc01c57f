//! Lanes that get probes alone and hold what has lost patience. Thousands of endpoints that began to
//! fail together lose it together: they are parked by and by, or everybody else would have to wait.

use std::{collections::BTreeSet, ops::Bound};

use super::fair_queue::LaneId;
use crate::model::Timestamp;

/// At most so many deliveries are parked in a millisecond. Where more lose patience, the bounds on what
/// is held park the rest.
const AT_ONCE: usize = 2;

/// Those lanes, and how many were parked of late.
#[derive(Debug, Default)]
pub struct Impatient {
    lanes: BTreeSet<LaneId>,
    /// Whose turn was last.
    last: LaneId,
    /// How many were parked in this millisecond.
    parked: Option<(Timestamp, usize)>,
}

impl Impatient {
    /// Something in this lane has lost patience.
    pub fn insert(&mut self, lane: LaneId) {
        self.lanes.insert(lane);
    }

    /// Nothing in this lane has, any more.
    pub fn remove(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
    }

    /// The lane whose turn it is.
    pub fn next(&self) -> Option<LaneId> {
        let later = (Bound::Excluded(self.last), Bound::Unbounded);
        self.lanes.range(later).next().or_else(|| self.lanes.first()).copied()
    }

    /// Whether one more may be parked in this millisecond.
    pub fn may_park(&self, now: Timestamp) -> bool {
        self.parked.is_none_or(|(at, count)| at != now || count < AT_ONCE)
    }

    /// One of this lane is parked.
    pub fn parked(&mut self, now: Timestamp, lane: LaneId) {
        let before = self.parked.filter(|(at, _)| *at == now).map_or(0, |(_, count)| count);
        self.parked = Some((now, before + 1));
        self.last = lane;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    const LANES: [LaneId; 3] = [3, 7, 0];

    #[test]
    fn lanes_take_turns_and_few_are_parked_in_a_millisecond() {
        let mut impatient = Impatient::default();
        for lane in LANES {
            impatient.insert(lane);
        }
        let mut turns = Vec::new();
        let mut now = Timestamp::from_millis(1_700_000_000_000);
        for _ in 0..3 {
            let mut at_once = 0;
            while at_once <= AT_ONCE && impatient.may_park(now) {
                let lane = impatient.next().unwrap();
                impatient.parked(now, lane);
                turns.push(lane);
                at_once += 1;
            }
            assert_eq!(at_once, AT_ONCE);
            now = now + Span::from_millis(1);
        }
        assert_eq!(turns, [3, 7, 0, 3, 7, 0]);
        for lane in LANES {
            impatient.remove(lane);
        }
        assert_eq!(impatient.next(), None);
    }
}
