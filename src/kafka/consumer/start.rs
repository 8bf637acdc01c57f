//! Reads what a start position is decided from: commits and logs.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    Offset as RawOffset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
};

use super::{context::Context, shared::Shared};
use crate::{
    kafka::position::{FirstStart, Log},
    model::{Offset, Partition},
};

/// How long the broker may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for what only the lag is shown from, since closing waits for the answer.
const PATIENCE_FOR_ENDS: Duration = Duration::from_secs(1);

/// Committed offset and its metadata.
pub type Committed = (Offset, String);

/// The group's commits on these partitions, where there are any.
pub fn committed(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Committed>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&shared.topic(partition.source), partition.index);
    }
    let list = consumer.committed_offsets(list, PATIENCE)?;
    let mut found = BTreeMap::new();
    for partition in partitions {
        let topic = shared.topic(partition.source);
        let Some(entry) = list.find_partition(&topic, partition.index) else { continue };
        entry.error()?;
        if let RawOffset::Offset(offset) = entry.offset() {
            found.insert(*partition, (Offset(offset), entry.metadata().to_owned()));
        }
    }
    Ok(found)
}

/// What the logs of these partitions hold.
pub fn logs(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Log>, KafkaError> {
    // In this order no log seems to end before it starts.
    let starts = offsets(consumer, shared, partitions, RawOffset::Beginning, PATIENCE)?;
    let ends = offsets(consumer, shared, partitions, RawOffset::End, PATIENCE)?;
    let log = |(partition, start)| Some((partition, Log { start, end: *ends.get(&partition)? }));
    Ok(starts.into_iter().filter_map(log).collect())
}

/// Where the logs of these partitions end; gives up sooner than [`logs`].
pub fn ends(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
    offsets(consumer, shared, partitions, RawOffset::End, PATIENCE_FOR_ENDS)
}

/// The beginnings or the ends of logs, in one request to each broker: KIP-79 has times for both.
fn offsets(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partitions: &[Partition],
    which: RawOffset,
    patience: Duration,
) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(&shared.topic(partition.source), partition.index, which)?;
    }
    let list = consumer.offsets_for_times(list, patience)?;
    let mut found = BTreeMap::new();
    for partition in partitions {
        let entry = list.find_partition(&shared.topic(partition.source), partition.index);
        let entry = entry.ok_or(KafkaError::Canceled)?;
        entry.error()?;
        // What is still a question was not answered.
        let RawOffset::Offset(offset) = entry.offset() else { return Err(KafkaError::Canceled) };
        found.insert(*partition, Offset(offset));
    }
    Ok(found)
}

/// The offsets that a first start comes to.
pub fn first_offsets(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    logs: &BTreeMap<Partition, Log>,
    first: FirstStart,
) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
    let time = match first {
        FirstStart::Earliest => return Ok(logs.iter().map(|(p, log)| (*p, log.start)).collect()),
        FirstStart::Latest => return Ok(logs.iter().map(|(p, log)| (*p, log.end)).collect()),
        FirstStart::At(time) => RawOffset::Offset(time.as_millis()),
    };
    let mut list = TopicPartitionList::with_capacity(logs.len());
    for partition in logs.keys() {
        list.add_partition_offset(&shared.topic(partition.source), partition.index, time)?;
    }
    let list = consumer.offsets_for_times(list, PATIENCE)?;
    let mut offsets = BTreeMap::new();
    for (partition, log) in logs {
        let entry = list.find_partition(&shared.topic(partition.source), partition.index);
        let offset = match entry.map(|entry| entry.error().map(|()| entry.offset())) {
            Some(Ok(RawOffset::Offset(offset))) => Offset(offset),
            Some(Err(error)) => return Err(error),
            // No record of that time or later.
            _ => log.end,
        };
        offsets.insert(*partition, offset);
    }
    Ok(offsets)
}

/// Commits the first positions of a new group for every partition that still has none, so that
/// members who come later do not take a partition for a new group's.
pub fn commit_first(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    offsets: &BTreeMap<Partition, Offset>,
) -> Result<(), KafkaError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let partitions: Vec<_> = offsets.keys().copied().collect();
    let present = committed(consumer, shared, &partitions)?;
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets.iter().filter(|(p, _)| !present.contains_key(p)) {
        let offset = RawOffset::Offset(offset.0);
        list.add_partition_offset(&shared.topic(partition.source), partition.index, offset)?;
    }
    if list.count() == 0 { Ok(()) } else { consumer.commit(&list, CommitMode::Sync) }
}
