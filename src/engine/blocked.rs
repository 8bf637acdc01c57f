//! Deliveries of one partition that cannot start for another reason than want of slots, by lane.

use std::collections::{BTreeMap, BTreeSet};

use super::{fair_queue::LaneId, waiting::Load};
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
    total: Load,
    /// How many by lane, so that the longest is at hand.
    by_length: BTreeSet<(usize, LaneId)>,
    /// The same by bytes.
    by_weight: BTreeSet<(usize, LaneId)>,
}

impl Blocked {
    /// So many of this lane wait in this group.
    pub fn add(&mut self, group: Group, load: Load, lane: LaneId) {
        let lanes = self.0.entry(group).or_default();
        lanes.total += load;
        lanes.by_length.insert((load.records, lane));
        lanes.by_weight.insert((load.bytes, lane));
    }

    /// So many of this lane waited in this group.
    pub fn remove(&mut self, group: Group, load: Load, lane: LaneId) {
        let Some(lanes) = self.0.get_mut(&group) else {
            return;
        };
        lanes.total.records -= load.records;
        lanes.total.bytes -= load.bytes;
        lanes.by_length.remove(&(load.records, lane));
        lanes.by_weight.remove(&(load.bytes, lane));
        if lanes.by_length.is_empty() {
            self.0.remove(&group);
        }
    }

    /// What waits in the groups that count.
    pub fn load(&self, counts: impl Fn(Group) -> bool) -> Load {
        let mut load = Load::default();
        for (_, lanes) in self.0.iter().filter(|(group, _)| counts(**group)) {
            load += lanes.total;
        }
        load
    }

    /// The lane with most of them, of the groups that count.
    pub fn longest(&self, counts: impl Fn(Group) -> bool) -> Option<LaneId> {
        let groups = self.0.iter().filter(|(group, _)| counts(**group));
        groups.filter_map(|(_, lanes)| lanes.by_length.last()).max().map(|(_, lane)| *lane)
    }

    /// The lane with most bytes, of the groups that count, and how many they are.
    pub fn heaviest(&self, counts: impl Fn(Group) -> bool) -> Option<(usize, LaneId)> {
        let groups = self.0.iter().filter(|(group, _)| counts(**group));
        groups.filter_map(|(_, lanes)| lanes.by_weight.last()).max().copied()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
