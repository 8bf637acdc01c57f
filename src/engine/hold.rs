//! What the engine holds of one partition: its ledger, the open records, what is to be committed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Epoch,
    lane::DeliveryId,
    ledger::{Entered, Ledger},
};
use crate::model::{Offset, Partition, Span, Timestamp};

/// One partition under one assignment.
#[derive(Debug)]
pub struct Hold {
    /// Under which assignment.
    pub epoch: Epoch,
    /// Which offsets are unresolved.
    pub ledger: Ledger,
    /// Records with work left.
    open: BTreeMap<Offset, OpenRecord>,
    /// Bytes of the open records.
    pub bytes: usize,
    /// Whether records are taken.
    pub taking: bool,
    /// Whether what came in last is due so late that few records are enough.
    pub far: bool,
    /// Whether it is being given back: nothing new begins.
    pub draining: bool,
    /// What is finished and not committed.
    pub commit: CommitState,
}

/// One record with deliveries that are not resolved.
#[derive(Debug)]
pub struct OpenRecord {
    /// Its deliveries.
    pub deliveries: BTreeSet<DeliveryId>,
    /// What it costs to hold.
    pub bytes: usize,
    /// When it was appended.
    pub appended: Timestamp,
}

/// Finished work that waits for a commit.
#[derive(Debug)]
pub struct CommitState {
    /// Offsets finished since the last commit was asked for.
    pub finished: u32,
    /// When a commit is to be asked for.
    pub at: Option<Timestamp>,
    /// One is on the way.
    pub in_flight: bool,
    /// Since when something finished is not confirmed.
    pub waiting_since: Option<Timestamp>,
    /// What the broker has confirmed.
    pub confirmed: Offset,
}

impl Hold {
    /// Nothing held yet; a first commit follows at once, so that the broker's clock of expiry
    /// begins anew.
    pub fn new(epoch: Epoch, ledger: Ledger, now: Timestamp) -> Self {
        let confirmed = ledger.watermark();
        Self {
            epoch,
            ledger,
            open: BTreeMap::new(),
            bytes: 0,
            taking: true,
            far: false,
            draining: false,
            commit: CommitState {
                finished: 0,
                at: Some(now),
                in_flight: false,
                waiting_since: None,
                confirmed,
            },
        }
    }

    /// Enters a record with its one delivery.
    pub fn open(
        &mut self,
        offset: Offset,
        appended: Timestamp,
        bytes: usize,
        delivery: DeliveryId,
    ) -> Entered {
        let entered = self.ledger.enter(offset);
        if entered == Entered::Unresolved {
            self.bytes += bytes;
            let deliveries = BTreeSet::from([delivery]);
            self.open.insert(offset, OpenRecord { deliveries, bytes, appended });
        }
        entered
    }

    /// One more delivery of an open record.
    pub fn add_delivery(&mut self, offset: Offset, delivery: DeliveryId) {
        if let Some(record) = self.open.get_mut(&offset) {
            record.deliveries.insert(delivery);
        }
    }

    /// A delivery is done; returns the record's bytes when that was the last one.
    pub fn close_delivery(&mut self, offset: Offset, delivery: DeliveryId) -> Option<usize> {
        let record = self.open.get_mut(&offset)?;
        record.deliveries.remove(&delivery);
        if !record.deliveries.is_empty() {
            return None;
        }
        let bytes = record.bytes;
        self.open.remove(&offset);
        self.ledger.resolve(offset);
        self.bytes -= bytes;
        Some(bytes)
    }

    /// Deliveries of a record that are not done.
    pub fn deliveries(&self, offset: Offset) -> impl Iterator<Item = DeliveryId> + '_ {
        self.open.get(&offset).into_iter().flat_map(|record| record.deliveries.iter().copied())
    }

    /// Deliveries of every open record.
    pub fn all_deliveries(&self) -> impl Iterator<Item = DeliveryId> + '_ {
        self.open.values().flat_map(|record| record.deliveries.iter().copied())
    }

    /// How many records are held.
    pub fn records(&self) -> usize {
        self.open.len()
    }

    /// Append time of the oldest open record.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.open.values().next().map(|record| record.appended)
    }

    /// An offset was finished; returns when to commit, if that is news.
    pub fn finished(&mut self, now: Timestamp, interval: Span, every: u32) -> Option<Timestamp> {
        self.commit.finished += 1;
        self.commit.waiting_since.get_or_insert(now);
        let at = if self.commit.finished >= every { now } else { now + interval };
        if self.commit.at.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.commit.at = Some(at);
        Some(at)
    }
}

/// Bounds on what is held.
#[derive(Debug, Clone, Copy)]
pub struct HoldBounds {
    /// Records of one partition.
    pub records: usize,
    /// Bytes of all partitions; grades together may take half of them.
    pub bytes: usize,
}

/// Bytes held now.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldBytes {
    /// Of completions.
    pub completions: usize,
    /// Of all grades.
    pub grades: usize,
}

impl HeldBytes {
    /// Counts a record in.
    pub fn add(&mut self, partition: Partition, bytes: usize) {
        *self.of(partition) += bytes;
    }

    /// Counts records out.
    pub fn subtract(&mut self, partition: Partition, bytes: usize) {
        let held = self.of(partition);
        *held = held.saturating_sub(bytes);
    }

    /// Whether this partition's share of `limit` is used up.
    pub fn exceeds(&self, partition: Partition, limit: usize) -> bool {
        let (used, share) = self.share(partition, limit);
        used >= share
    }

    /// Whether at least half of this partition's share of `limit` is free. What the others hold
    /// makes the share smaller and nothing else: it may stay for hours.
    pub fn has_room(&self, partition: Partition, limit: usize) -> bool {
        let (used, share) = self.share(partition, limit);
        used < share.div_ceil(2)
    }

    /// What is used of a share, and the share: what the others leave, of which grades together
    /// may have half of the limit.
    fn share(&self, partition: Partition, limit: usize) -> (usize, usize) {
        match partition.source {
            crate::model::Source::Completions => {
                (self.completions, limit.saturating_sub(self.grades))
            }
            crate::model::Source::Grade(_) => {
                (self.grades, limit.saturating_sub(self.completions).min(limit / 2))
            }
        }
    }

    fn of(&mut self, partition: Partition) -> &mut usize {
        match partition.source {
            crate::model::Source::Completions => &mut self.completions,
            crate::model::Source::Grade(_) => &mut self.grades,
        }
    }
}
