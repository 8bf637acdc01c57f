//! What is to be looked at later, soonest first. A timer whose reason is gone does nothing.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Epoch, fair_queue::LaneId, lane::DeliveryId};
use crate::model::{Offset, Partition, Timestamp};

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A delivery's time has come.
    Due(DeliveryId),
    /// The other deliveries of a partly resolved event have had their second.
    FanOut {
        /// Where the event is.
        partition: Partition,
        /// Under which assignment.
        epoch: Epoch,
        /// Its offset.
        offset: Offset,
    },
    /// A route that failed is tried again.
    RouteAgain(DeliveryId),
    /// Attempts may have run for longer than is usual.
    Slow,
    /// Something about a lane changes by time alone.
    Lane(LaneId),
    /// More of what waits may begin.
    Start,
    /// Finished offsets are to be committed.
    Commit {
        /// Which partition.
        partition: Partition,
        /// Under which assignment.
        epoch: Epoch,
    },
    /// A position is to be committed again, so that it does not expire.
    Refresh {
        /// Which partition.
        partition: Partition,
        /// Under which assignment.
        epoch: Epoch,
    },
}

/// All timers.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<(Timestamp, Timer)>>);

impl Timers {
    /// Looks at it at that time.
    pub fn set(&mut self, at: Timestamp, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    /// The time of the first one.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the first one whose time has come.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}
