//! What the engine holds of one partition: its ledger, the open records, what is to be committed.

use std::collections::BTreeMap;

use super::{
    Epoch,
    lane::DeliveryId,
    ledger::{Entered, Ledger},
};
use crate::model::{Offset, Partition, Source, Span, Timestamp};

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
    pub deliveries: Vec<DeliveryId>,
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
            let deliveries = vec![delivery];
            self.open.insert(offset, OpenRecord { deliveries, bytes, appended });
        }
        entered
    }

    /// One more delivery of an open record.
    pub fn add_delivery(&mut self, offset: Offset, delivery: DeliveryId) {
        if let Some(record) = self.open.get_mut(&offset) {
            record.deliveries.push(delivery);
        }
    }

    /// A delivery is done; returns the record's bytes when that was the last one.
    pub fn close_delivery(&mut self, offset: Offset, delivery: DeliveryId) -> Option<usize> {
        let record = self.open.get_mut(&offset)?;
        record.deliveries.retain(|open| *open != delivery);
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
    /// Bytes of what is held and of the directory together: a large directory leaves less to records.
    pub with_directory: usize,
}

impl HoldBounds {
    /// Records keep this part of their bytes, however large the directory is.
    const LEAST: usize = 16;

    /// Bytes that records may have beside a directory of this size.
    pub fn beside(&self, directory: usize) -> usize {
        self.with_directory.saturating_sub(directory).clamp(Self::least(self.bytes), self.bytes)
    }

    /// Whether a directory of this size takes what is to be left to records.
    pub fn is_exceeded_by(&self, directory: usize) -> bool {
        self.with_directory.saturating_sub(directory) < Self::least(self.bytes)
    }

    /// What is left of so many bytes for records when the directory takes the rest.
    pub const fn least(bytes: usize) -> usize {
        bytes / Self::LEAST
    }
}

/// Bytes held now, of a limit that completions and grades share.
#[derive(Debug, Clone, Copy)]
pub struct HeldBytes {
    limit: usize,
    completions: usize,
    grades: usize,
}

impl HeldBytes {
    /// Nothing is held.
    pub fn new(limit: usize) -> Self {
        Self { limit, completions: 0, grades: 0 }
    }

    /// What they may have together from now on; what is held beyond it stays.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// What all may have together.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// All bytes held.
    pub fn total(&self) -> usize {
        self.completions + self.grades
    }

    /// Counts a record in.
    pub fn add(&mut self, partition: Partition, bytes: usize) {
        *self.of(partition.source) += bytes;
    }

    /// Counts records out; true when there is room now where there was none.
    pub fn subtract(&mut self, partition: Partition, bytes: usize) -> bool {
        let before = self.rooms();
        let held = self.of(partition.source);
        *held = held.saturating_sub(bytes);
        self.rooms() != before
    }

    /// Whether the share of this partition's topic is used up.
    pub fn is_full(&self, partition: Partition) -> bool {
        let (used, share) = self.share(partition.source == Source::Completions);
        used >= share
    }

    /// Whether at least half of the share of this partition's topic is free. What the others hold
    /// makes the share smaller and nothing else: it may stay for hours.
    pub fn has_room(&self, partition: Partition) -> bool {
        self.has_room_for(partition.source == Source::Completions)
    }

    fn has_room_for(&self, completions: bool) -> bool {
        let (used, share) = self.share(completions);
        used < share.div_ceil(2)
    }

    /// Fewer bytes never take room away, so a difference is room won.
    fn rooms(&self) -> (bool, bool) {
        (self.has_room_for(true), self.has_room_for(false))
    }

    /// What is used of a share, and the share: what the others leave, of which grades together
    /// may have half of the limit.
    fn share(&self, completions: bool) -> (usize, usize) {
        if completions {
            (self.completions, self.limit.saturating_sub(self.grades))
        } else {
            let left = self.limit.saturating_sub(self.completions);
            (self.grades, left.min(self.limit / 2))
        }
    }

    fn of(&mut self, source: Source) -> &mut usize {
        match source {
            Source::Completions => &mut self.completions,
            Source::Grade(_) => &mut self.grades,
        }
    }
}
