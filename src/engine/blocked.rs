//! Deliveries of one partition that cannot start for another reason than want of slots, by lane.

use std::collections::{BTreeMap, BTreeSet};

use super::fair_queue::LaneId;
use crate::model::ClassId;

/// Why lanes do not start, or whose slots they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// At the cap, at the rate, or under suspicion.
    Blocked,
    /// Nothing but slots, of this class.
    Free(ClassId),
}

/// Counts of one partition.
#[derive(Debug, Default)]
pub struct Blocked(BTreeMap<Group, Lanes>);

#[derive(Debug, Default)]
struct Lanes {
    total: usize,
    /// How many by lane, so that the longest is at hand.
    by_length: BTreeSet<(usize, LaneId)>,
}

impl Blocked {
    /// So many of this lane wait in this group.
    pub fn add(&mut self, group: Group, count: usize, lane: LaneId) {
        let lanes = self.0.entry(group).or_default();
        lanes.total += count;
        lanes.by_length.insert((count, lane));
    }

    /// So many of this lane waited in this group.
    pub fn remove(&mut self, group: Group, count: usize, lane: LaneId) {
        let Some(lanes) = self.0.get_mut(&group) else {
            return;
        };
        lanes.total -= count;
        lanes.by_length.remove(&(count, lane));
        if lanes.by_length.is_empty() {
            self.0.remove(&group);
        }
    }

    /// How many wait in the groups that count.
    pub fn count(&self, counts: impl Fn(Group) -> bool) -> usize {
        let groups = self.0.iter().filter(|(group, _)| counts(**group));
        groups.map(|(_, lanes)| lanes.total).sum()
    }

    /// The lane with most of them, of the groups that count.
    pub fn longest(&self, counts: impl Fn(Group) -> bool) -> Option<LaneId> {
        let groups = self.0.iter().filter(|(group, _)| counts(**group));
        groups.filter_map(|(_, lanes)| lanes.by_length.last()).max().map(|(_, lane)| *lane)
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
