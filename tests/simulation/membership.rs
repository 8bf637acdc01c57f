//! What the group gives a worker and takes back, and what is let go on the way.

use std::{collections::BTreeSet, sync::Arc};

use paynotify::{
    engine::{Commit, Epoch, Ignored, OffsetMap},
    model::{Offset, Partition, Span},
};

use super::{
    faults::Fault,
    plan::CLUSTER,
    story::tell,
    worker::{ReadKey, Reading, Revoking},
    world::{Input, What, World},
};

/// How long a revoke may wait for what runs.
const DRAIN: Span = Span::from_secs(1);
/// How long it may wait for the last commits.
const LAST_COMMIT: Span = Span::from_secs(2);

impl World {
    /// Everything of these indexes.
    pub fn partitions_of(&self, indexes: &[i32]) -> Vec<Partition> {
        indexes.iter().flat_map(|index| self.broker.of_index(*index)).collect()
    }

    /// Reads the positions of indexes that the group gave, and begins to read.
    pub fn begin_waiting(&mut self, worker: usize) {
        if self.workers[worker].waiting.is_empty() {
            return;
        }
        let life = self.workers[worker].life;
        if self.is_on(Fault::BrokerDown) {
            let Some((member, _)) = self.workers[worker].member else { return };
            let at = self.now + Span::from_secs(1);
            let input = Input::Assigned { member, indexes: Vec::new() };
            return self.schedule(at, What::Input { worker, life, input });
        }
        let indexes: Vec<i32> =
            std::mem::take(&mut self.workers[worker].waiting).into_iter().collect();
        self.workers[worker].epoch += 1;
        let epoch = Epoch(self.workers[worker].epoch);
        let now = self.workers[worker].told;
        for partition in self.partitions_of(&indexes) {
            let log = &self.broker.logs[&partition];
            let gone = log.commit < log.start;
            let position = log.commit.max(log.start);
            let metadata = (!gone).then(|| log.metadata.clone());
            if gone {
                // What the map covered beyond the gap is read again.
                self.coverage.saw("reader", "gap");
                self.overwrite_metadata(partition, String::new());
            }
            let metadata = metadata.as_deref().filter(|text| !text.is_empty());
            self.note_map(metadata, position);
            let process = &mut self.workers[worker];
            let used = process.engine.handle_assigned(now, partition, epoch, position, metadata);
            process.held.insert(partition, epoch);
            let reading = Reading { epoch, next: position, wanted: true, fetching: false };
            process.reading.insert(partition, reading);
            let expected = metadata
                .map_or(Ok(()), |text| OffsetMap::decode(text, CLUSTER, position).map(|_| ()));
            if used != expected {
                self.fail("map", format!("{partition}: {used:?} instead of {expected:?}"));
            }
            self.kick(worker, partition);
        }
        tell!(self, "w{worker} holds {indexes:?} under epoch {}", epoch.0);
    }

    fn note_map(&mut self, metadata: Option<&str>, position: Offset) {
        let Some(text) = metadata else { return };
        let seen = match OffsetMap::decode(text, CLUSTER, position) {
            Ok(map) if map.runs().is_empty() => return,
            Ok(_) => "used",
            Err(Ignored::Foreign) => "foreign",
            Err(Ignored::Format(_)) => "format",
            Err(Ignored::Cluster(_)) => "cluster",
            Err(Ignored::Watermark { .. }) => "watermark",
            Err(Ignored::Damaged) => "damaged",
        };
        self.coverage.saw("map", seen);
    }

    pub fn begin_revoke(&mut self, worker: usize, revoking: Revoking) {
        self.finish_revoke(worker);
        if let Some(before) = self.workers[worker].releasing.take() {
            self.released(worker, before);
        }
        let own = self.workers[worker].member.is_some_and(|(own, _)| own == revoking.member);
        if !own {
            return;
        }
        let partitions = self.partitions_of(&revoking.indexes);
        let process = &mut self.workers[worker];
        process.waiting.retain(|index| !revoking.indexes.contains(index));
        process.engine.begin_revoke(&partitions);
        let (life, round) = (process.life, revoking.round);
        process.revoking = Some(revoking);
        let input = Input::RevokeDeadline { round };
        self.schedule(self.now + DRAIN, What::Input { worker, life, input });
    }

    /// Gives back what was asked back, however much of it runs.
    pub fn finish_revoke(&mut self, worker: usize) {
        let Some(Revoking { member, round, indexes, leaves }) =
            self.workers[worker].revoking.take()
        else {
            return;
        };
        let partitions = self.partitions_of(&indexes);
        let process = &mut self.workers[worker];
        let commits = process.engine.finish_revoke(&partitions);
        process.reading.retain(|partition, _| !partitions.contains(partition));
        tell!(self, "w{worker} gives back {indexes:?}");
        let releasing = Revoking { member, round, indexes, leaves };
        if commits.is_empty() {
            return self.released(worker, releasing);
        }
        for commit in commits {
            self.check_commit_command(worker, &commit, true);
            self.send_commit(worker, commit, true);
        }
        let process = &mut self.workers[worker];
        let (life, before) = (process.life, process.releasing.replace(releasing));
        if let Some(before) = before {
            self.released(worker, before);
        }
        self.schedule(self.now + LAST_COMMIT, What::ReleaseDeadline { worker, life, round });
    }

    /// Nobody waits for the last commits any longer.
    pub fn release_deadline(&mut self, worker: usize, life: u32, round: u32) {
        if self.workers[worker].life != life {
            return;
        }
        if self.is_stopped(worker) && self.workers[worker].frozen {
            self.coverage.saw("group", "revoke while stopped");
            let at = self.workers[worker].busy_until;
            return self.schedule(at, What::ReleaseDeadline { worker, life, round });
        }
        let late = self.workers[worker].releasing.take_if(|releasing| releasing.round == round);
        if let Some(releasing) = late {
            self.coverage.saw("group", "last commits late");
            self.released(worker, releasing);
        }
    }

    /// The last commits are answered, or nobody waits for them any longer.
    pub fn released(&mut self, worker: usize, releasing: Revoking) {
        let Revoking { member, round, indexes, leaves } = releasing;
        let partitions = self.partitions_of(&indexes);
        if self.workers[worker].member.is_some_and(|(own, _)| own == member) {
            self.let_go(worker, &partitions);
        }
        if leaves { self.leave(worker) } else { self.gave_back(member, round) }
    }

    /// These partitions are not held any more.
    pub fn let_go(&mut self, worker: usize, partitions: &[Partition]) {
        if !self.workers[worker].fenced {
            self.excuse_repeats(worker, partitions);
        }
        let process = &mut self.workers[worker];
        process.held.retain(|partition, _| !partitions.contains(partition));
        process.reading.retain(|partition, _| !partitions.contains(partition));
        let gone: BTreeSet<ReadKey> =
            process.reads.keys().filter(|key| partitions.contains(&key.0)).copied().collect();
        for key in gone {
            process.reads.remove(&key);
        }
    }

    /// What lies below a commit is never worked on again.
    pub fn forget_reads(&mut self, worker: usize, commit: &Commit) {
        let Commit { partition, epoch, position, .. } = commit;
        let first = (*partition, *epoch, Offset(0));
        let gone: Vec<ReadKey> = self.workers[worker]
            .reads
            .range(first..(*partition, *epoch, *position))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let read = self.workers[worker].reads.remove(&key).unwrap();
            self.workers[worker].by_content.remove(&Arc::as_ptr(&read.content).addr());
            if read.attempting + read.routing > 0 {
                let detail = format!("{partition} {} is worked on below the commit", key.2);
                return self.fail("L3", detail);
            }
        }
    }

    /// The group gives to others what a worker works on, and the worker does not know yet: whatever it
    /// still begins may be done twice.
    pub fn fence(&mut self, worker: usize) {
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.excuse_repeats(worker, &held);
        self.workers[worker].fenced = true;
    }

    /// What the next owner may repeat: what ran, and what was done and is not covered.
    pub fn excuse_repeats(&mut self, worker: usize, partitions: &[Partition]) {
        let (mut done, mut forgotten) = (0, 0);
        let mut copies = Vec::new();
        for ((partition, ..), read) in &self.workers[worker].reads {
            let truth = &self.ledger.events[read.event];
            if partitions.contains(partition) && !truth.carriers[read.carrier].covered {
                done += read.done + read.attempting;
                let endpoint = truth.carriers[read.carrier].endpoint;
                copies.extend((read.routing > 0).then_some((read.event, endpoint)));
                copies.extend((0..read.copies).map(|_| (read.event, None)));
                forgotten += read.ended.len() as u64;
            }
        }
        self.ledger.excuse(done);
        for (event, endpoint) in &copies {
            self.ledger.excuse_copy(*event, *endpoint);
        }
        self.ledger.forgotten += forgotten;
        if done > 0 || !copies.is_empty() {
            tell!(
                self,
                "w{worker} leaves {done} deliveries and {} routes that may be repeated",
                copies.len()
            );
        }
    }

    /// The group has put this worker out.
    pub fn lost(&mut self, worker: usize, member: u32) {
        if self.workers[worker].member.is_none_or(|(own, _)| own != member) {
            return;
        }
        tell!(self, "w{worker} learns that it is no member");
        self.workers[worker].revoking = None;
        self.workers[worker].releasing = None;
        self.workers[worker].waiting.clear();
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.workers[worker].engine.handle_lost(&held);
        self.let_go(worker, &held);
        self.workers[worker].fenced = false;
        self.remove_member(member);
        self.join(worker);
    }

    /// A worker that stops has given everything back.
    pub fn leave(&mut self, worker: usize) {
        tell!(self, "w{worker} leaves");
        self.coverage.saw("group", "left");
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.let_go(worker, &held);
        let member = self.workers[worker].member;
        self.workers[worker].die(&self.plan);
        if let Some((member, _)) = member {
            self.remove_member(member);
        }
        if self.workers[worker].returns {
            let wait = Span::from_millis(self.dice.faults.below(5_000));
            self.schedule(self.now + wait, What::Start { worker });
        }
    }

    /// A worker is told to stop: it drains, commits and leaves.
    pub fn stop(&mut self, worker: usize) {
        self.finish_revoke(worker);
        let Some((member, _)) = self.workers[worker].member else { return };
        let held: BTreeSet<i32> =
            self.workers[worker].held.keys().map(|partition| partition.index).collect();
        let indexes: Vec<i32> = held.into_iter().collect();
        self.begin_revoke(worker, Revoking { member, round: 0, indexes, leaves: true });
        self.turn(worker);
    }
}
