//! Partitions come and go; work of an older assignment changes nothing.

use super::{
    Command, Commit, Engine, Epoch, Ignored, OffsetMap, Stage, hold::Hold, lane::DeliveryId,
    ledger::Ledger, timers::Timer,
};
use crate::model::{Offset, Partition, Timestamp};

impl Engine {
    /// A partition is ours from `position` on. `metadata` is that of the commit at this very
    /// position; when it cannot be used the reason is returned, and the partition is read as if
    /// it had none: repeats, never skips.
    pub fn handle_assigned(
        &mut self,
        now: Timestamp,
        partition: Partition,
        epoch: Epoch,
        position: Offset,
        metadata: Option<&str>,
    ) -> Result<(), Ignored> {
        self.drop_hold(partition);
        let map =
            metadata.filter(|text| !text.is_empty()).map_or(Ok(OffsetMap::default()), |text| {
                OffsetMap::decode(text, &self.settings.cluster, position)
            });
        let (map, used) = match map {
            Ok(map) => (map, Ok(())),
            Err(reason) => (OffsetMap::default(), Err(reason)),
        };
        self.holds.insert(partition, Hold::new(epoch, Ledger::new(position, map), now));
        // A pause of the assignment before may still be on its way to the reader.
        self.commands.push_back(Command::Resume(partition));
        self.timers.set(now, Timer::Commit { partition, epoch });
        self.timers.set(now + self.settings.commit_refresh, Timer::Refresh { partition, epoch });
        used
    }

    /// These partitions are asked back: nothing new begins, what runs may end.
    pub fn begin_revoke(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let Some(hold) = self.holds.get_mut(partition) else {
                continue;
            };
            hold.draining = true;
            let waiting: Vec<DeliveryId> = hold.all_deliveries().collect();
            for id in waiting {
                let idle = self.deliveries.get(&id).is_some_and(|delivery| {
                    !matches!(delivery.stage, Stage::Attempting | Stage::Routing(_))
                });
                if idle {
                    self.forget(id);
                }
            }
        }
    }

    /// Whether nothing of these partitions is running any more.
    pub fn is_drained(&self, partitions: &[Partition]) -> bool {
        partitions
            .iter()
            .filter_map(|partition| self.holds.get(partition))
            .all(|hold| !hold.all_deliveries().any(|id| self.deliveries.contains_key(&id)))
    }

    /// Lets these partitions go and returns what to commit for each of them. What still runs is
    /// forgotten: its answer changes nothing, and the next owner repeats it.
    pub fn finish_revoke(&mut self, partitions: &[Partition]) -> Vec<Commit> {
        let commits =
            partitions.iter().filter_map(|partition| self.commit_of(*partition)).collect();
        self.handle_lost(partitions);
        commits
    }

    /// These partitions are not ours any more; perhaps somebody else works on them already.
    pub fn handle_lost(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.drop_hold(*partition);
        }
    }

    /// Every partition held now.
    pub fn partitions(&self) -> Vec<Partition> {
        self.holds.keys().copied().collect()
    }

    /// The commit that is due for a partition, whatever the timers say.
    pub(super) fn commit_of(&self, partition: Partition) -> Option<Commit> {
        let hold = self.holds.get(&partition)?;
        let position = hold.ledger.watermark();
        let metadata = hold.ledger.resolved_beyond().encode(&self.settings.cluster, position);
        Some(Commit { partition, epoch: hold.epoch, position, metadata })
    }

    fn drop_hold(&mut self, partition: Partition) {
        let Some(hold) = self.holds.remove(&partition) else {
            return;
        };
        self.held.subtract(partition, hold.bytes);
        for id in hold.all_deliveries() {
            self.forget(id);
        }
        self.paused.remove(&partition);
        self.unbalanced.remove(&partition);
        self.lanes.forget_parked(partition.index);
        self.resume_what_fits();
    }

    /// A delivery is none of our business any more. A running attempt keeps its slot until it
    /// ends.
    pub(super) fn forget(&mut self, id: DeliveryId) {
        self.stuck.remove(&id);
        if let Some(delivery) = self.deliveries.remove(&id)
            && let Stage::Queued(place) = delivery.stage
        {
            self.lanes.remove(place);
        }
    }

    /// Whether this work belongs to the present assignment of its partition.
    pub(super) fn is_current(&self, partition: Partition, epoch: Epoch) -> bool {
        self.holds.get(&partition).is_some_and(|hold| hold.epoch == epoch)
    }
}
