//! Which partitions are ours: completions by the group's word, grades beside them.
//!
//! `assignment()` of the client is no proof of ownership; the set kept here is. A partition that
//! the group gives us waits until its commit has been read; only then is it assigned to the
//! client, with an explicit offset.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, PoisonError, mpsc::sync_channel},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset as RawOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{
    Assigned, DRAIN, Error, Input, LAST_COMMIT,
    context::Context,
    intake::Intake,
    lookup::{Found, Lookup, Question},
    shared::Shared,
    start,
};
use crate::{
    engine::{Commit, Epoch},
    fail_point::{self, Point},
    kafka::{
        committer::Committer,
        position::{FirstStart, Start, decide, resume},
    },
    model::{Grade, Offset, Partition, Source},
};

/// Between two tries to read commits or logs.
const RETRY: Duration = Duration::from_secs(1);

/// The partitions held, and those on their way in or out.
#[derive(Debug)]
pub struct Membership {
    pub shared: Arc<Shared>,
    pub grades: Vec<Grade>,
    pub group: String,
    pub first_start: Option<FirstStart>,
    /// Partition count of completions.
    pub count: i32,
    pub committer: Option<Committer>,
    /// What the worker has to be told, in order.
    pub outbox: VecDeque<Input>,
    epoch: u64,
    /// Given to us by the group, not yet assigned to the client.
    waiting: BTreeSet<i32>,
    /// Where those begin is being asked.
    lookup: Option<Lookup>,
    /// Ran out of their log, with the offset they had reached.
    out_of_range: BTreeMap<Partition, Offset>,
    retry_at: Option<Instant>,
    /// What the client has been assigned.
    reading: BTreeSet<Partition>,
    failed: bool,
}

impl Membership {
    pub fn new(
        shared: Arc<Shared>,
        group: String,
        grades: Vec<Grade>,
        count: i32,
        first_start: Option<FirstStart>,
    ) -> Self {
        Self {
            shared,
            grades,
            group,
            first_start,
            count,
            committer: None,
            outbox: VecDeque::new(),
            epoch: 0,
            waiting: BTreeSet::new(),
            lookup: None,
            out_of_range: BTreeMap::new(),
            retry_at: None,
            reading: BTreeSet::new(),
            failed: false,
        }
    }

    /// The group gave us these indexes.
    pub fn assigned(&mut self, consumer: &BaseConsumer<Context>, indexes: BTreeSet<i32>) {
        self.waiting.extend(indexes);
        self.ask_anew();
        // Tells the client that the assignment is taken; its partitions follow when their starts
        // are known, which must not hold up the group.
        self.warn(consumer.incremental_assign(&TopicPartitionList::new()));
        if self.waiting.is_empty() && self.reading.is_empty() {
            // A member without a share has joined all the same.
            self.outbox.push_back(Input::Assigned(Vec::new()));
        }
    }

    /// The group takes these indexes away.
    pub fn revoked(&mut self, consumer: &BaseConsumer<Context>, indexes: &BTreeSet<i32>) {
        self.waiting.retain(|index| !indexes.contains(index));
        self.ask_anew();
        self.out_of_range.retain(|partition, _| !indexes.contains(&partition.index));
        let partitions = self.held_of(indexes);
        if !partitions.is_empty() {
            fail_point::reach(Point::Revoking);
            if consumer.assignment_lost() {
                self.outbox.push_back(Input::Lost(partitions.clone()));
            } else {
                let commits = self.last_commits(partitions.clone());
                let committer = self.committer.as_ref();
                if !committer.is_none_or(|all| all.commit_last(commits, LAST_COMMIT)) {
                    tracing::warn!("the last commits before a revoke were not answered in time");
                }
            }
            let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|partition, _| !partitions.contains(partition));
        }
        let gone = self.reading.iter().filter(|partition| indexes.contains(&partition.index));
        let gone: BTreeSet<_> = gone.copied().collect();
        self.reading.retain(|partition| !gone.contains(partition));
        self.warn(consumer.incremental_unassign(&self.list(&gone)));
    }

    /// Asks for the start positions of partitions that wait, and begins to read these once they
    /// are known.
    pub fn settle(&mut self, consumer: &Arc<BaseConsumer<Context>>, intake: &mut Intake) {
        if self.failed {
            return;
        }
        if let Some(lookup) = &self.lookup {
            let Some(answer) = lookup.answer() else { return };
            let outdated = lookup.outdated;
            self.lookup = None;
            if !outdated {
                let begun = answer
                    .and_then(|found| self.begin_waiting(&found, consumer, intake))
                    .and_then(|()| self.go_on_after_gaps(consumer, intake));
                return self.tried(begun);
            }
        }
        let idle = self.waiting.is_empty() && self.out_of_range.is_empty();
        if idle || self.retry_at.is_some_and(|at| self.shared.clock.instant() < at) {
            return;
        }
        if self.waiting.is_empty() {
            let went_on = self.go_on_after_gaps(consumer, intake);
            return self.tried(went_on);
        }
        match self.look_up(consumer) {
            Ok(lookup) => self.lookup = Some(lookup),
            Err(error) => self.fail(error),
        }
    }

    fn tried(&mut self, result: Result<(), KafkaError>) {
        if let Err(error) = result {
            self.shared.trouble(format!("start positions cannot be read: {error}; trying again"));
        }
        self.retry_at = Some(self.shared.clock.instant() + RETRY);
    }

    /// What is known of start positions is not what it was.
    fn ask_anew(&mut self) {
        self.retry_at = None;
        if let Some(lookup) = &mut self.lookup {
            lookup.outdated = true;
        }
    }

    fn look_up(&mut self, consumer: &Arc<BaseConsumer<Context>>) -> Result<Lookup, Error> {
        self.count = self.count.max(self.waiting.last().map_or(0, |last| last + 1));
        let question = Question {
            beginning: self.partitions(self.waiting.iter().copied()),
            all: self.partitions(0..self.count),
            first_start: self.first_start,
        };
        Lookup::begin(question, consumer, &self.shared)
    }

    /// What is asked of start positions, for whoever ends this consumer.
    pub fn take_lookup(&mut self) -> Option<Lookup> {
        self.lookup.take()
    }

    /// The position of this partition is no longer in the log.
    pub fn ran_out(&mut self, partition: Partition, reached: Offset) {
        if self.out_of_range.insert(partition, reached).is_none() && self.waiting.is_empty() {
            self.retry_at = None;
        }
    }

    /// Hands the worker what it has to be told; false when it has no room now.
    pub fn flush(&mut self, patience: Duration) -> bool {
        while let Some(input) = self.outbox.pop_front() {
            if let Some(input) = self.shared.send(input, patience) {
                self.outbox.push_front(input);
                return false;
            }
        }
        true
    }

    /// Tells the worker that this consumer cannot go on.
    pub fn fail(&mut self, error: Error) {
        if !self.failed {
            self.failed = true;
            self.outbox.push_back(Input::Fatal(error));
        }
    }

    /// Whether nothing is held, so that the consumer may close.
    pub fn is_empty(&self) -> bool {
        self.reading.is_empty()
    }

    fn begin_waiting(
        &mut self,
        found: &Found,
        consumer: &Arc<BaseConsumer<Context>>,
        intake: &mut Intake,
    ) -> Result<(), KafkaError> {
        let Found { commits, logs, history, first } = found;
        start::commit_first(consumer, &self.shared, first)?;
        let ours = self.partitions(self.waiting.iter().copied());
        let mut assigned = Vec::new();
        for partition in ours {
            let (Some(log), true) = (logs.get(&partition), intake.split(consumer, partition))
            else {
                continue;
            };
            let commit = commits.get(&partition);
            let first = first.get(&partition).copied();
            let (start, lost) = match decide(commit.map(|commit| commit.0), *log, *history, first) {
                Start::Committed(offset) => (offset, None),
                Start::At { offset, lost } => (offset, Some(lost)),
                Start::Hold => {
                    let position = commit.map_or(Offset(0), |commit| commit.0);
                    self.hold(partition, position, log.end);
                    continue;
                }
                Start::Refuse => {
                    let topic = self.shared.topics.completions();
                    let group = self.group.clone();
                    self.fail(Error::NoFirstStart { group, topic });
                    return Ok(());
                }
            };
            let metadata = commit.filter(|_| lost.is_none()).map(|commit| commit.1.clone());
            let metadata = metadata.filter(|metadata| !metadata.is_empty());
            let epoch = Epoch(self.epoch + 1);
            let lost = lost.unwrap_or(0);
            assigned.push(Assigned { partition, epoch, start, metadata, lost });
        }
        self.assign(consumer, &assigned)?;
        self.epoch += 1;
        self.waiting.clear();
        for Assigned { partition, epoch, start, .. } in &assigned {
            intake.begin(*partition, *epoch, *start);
        }
        self.outbox.push_back(Input::Assigned(assigned));
        Ok(())
    }

    fn assign(
        &mut self,
        consumer: &BaseConsumer<Context>,
        assigned: &[Assigned],
    ) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(assigned.len());
        for Assigned { partition, start, .. } in assigned {
            let topic = self.shared.topic(partition.source);
            list.add_partition_offset(&topic, partition.index, RawOffset::Offset(start.0))?;
        }
        consumer.incremental_assign(&list)?;
        let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        for Assigned { partition, epoch, .. } in assigned {
            self.reading.insert(*partition);
            held.insert(*partition, *epoch);
        }
        Ok(())
    }

    /// Restarts partitions whose records left the log before we read them. The assignment stays:
    /// what the engine holds of them is still good.
    fn go_on_after_gaps(
        &mut self,
        consumer: &BaseConsumer<Context>,
        intake: &mut Intake,
    ) -> Result<(), KafkaError> {
        while let Some((&partition, &reached)) = self.out_of_range.first_key_value() {
            self.shared.polled();
            let logs = start::logs(consumer, &self.shared, &[partition])?;
            let log = logs.get(&partition).copied().ok_or(KafkaError::Canceled)?;
            if self.reading.remove(&partition) {
                consumer.incremental_unassign(&self.list(&BTreeSet::from([partition])))?;
            }
            let (offset, lost) = match resume(reached, log) {
                Start::Committed(offset) => (offset, 0),
                Start::At { offset, lost } => (offset, lost),
                Start::Hold | Start::Refuse => {
                    let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
                    held.remove(&partition);
                    drop(held);
                    self.out_of_range.remove(&partition);
                    self.outbox.push_back(Input::Lost(vec![partition]));
                    self.hold(partition, reached, log.end);
                    continue;
                }
            };
            let mut positions = self.list(&BTreeSet::from([partition]));
            positions.set_all_offsets(RawOffset::Offset(offset.0))?;
            consumer.incremental_assign(&positions)?;
            self.out_of_range.remove(&partition);
            self.reading.insert(partition);
            intake.go_on(partition, offset);
            if lost > 0 {
                self.outbox.push_back(Input::Gap { partition, lost });
            }
        }
        Ok(())
    }

    fn hold(&mut self, partition: Partition, position: Offset, end: Offset) {
        let topic = self.shared.topic(partition.source);
        let index = partition.index;
        let why = format!(
            "the committed offset {position} of {topic}/{index} is beyond the log's end {end}: the \
             topic was truncated or created anew; stop the workers and set the offset of group {}",
            self.group
        );
        self.outbox.push_back(Input::Held { partition, why });
    }

    /// Asks the worker for the last commits of partitions that go.
    fn last_commits(&mut self, partitions: Vec<Partition>) -> Vec<Commit> {
        let (reply, commits) = sync_channel(1);
        self.outbox.push_back(Input::Revoking { partitions: partitions.clone(), reply });
        if self.flush(DRAIN) {
            return commits.recv_timeout(DRAIN).unwrap_or_default();
        }
        // The worker does not listen: it will find them lost.
        self.outbox.retain(|input| !matches!(input, Input::Revoking { .. }));
        self.outbox.push_back(Input::Lost(partitions));
        Vec::new()
    }

    fn held_of(&self, indexes: &BTreeSet<i32>) -> Vec<Partition> {
        let held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.keys().filter(|partition| indexes.contains(&partition.index)).copied().collect()
    }

    /// Completions and every grade of these indexes.
    fn partitions(&self, indexes: impl Iterator<Item = i32>) -> Vec<Partition> {
        let grades = self.grades.iter().map(|grade| Source::Grade(*grade));
        let sources: Vec<_> = std::iter::once(Source::Completions).chain(grades).collect();
        indexes
            .flat_map(|index| sources.iter().map(move |source| (*source, index)))
            .map(|(source, index)| Partition { source, index })
            .collect()
    }

    fn list(&self, partitions: &BTreeSet<Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.shared.topic(partition.source), partition.index);
        }
        list
    }

    fn warn(&self, result: Result<(), KafkaError>) {
        if let Err(error) = result {
            self.shared.trouble(format!("a rebalance went wrong: {error}"));
        }
    }
}
