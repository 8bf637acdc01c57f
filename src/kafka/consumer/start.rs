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

/// The same for what only the lag is shown from, since commits wait meanwhile.
const PATIENCE_FOR_ENDS: Duration = Duration::from_secs(1);

/// Watermarks are asked partition by partition: so many at a time.
const ASKING: usize = 8;

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
    let ask = |partition: &Partition| {
        let log = log(consumer, shared, *partition, PATIENCE)?;
        shared.polled();
        Ok((*partition, log))
    };
    ask_all(partitions, ask)
}

/// Where the logs of these partitions end; gives up sooner than [`logs`].
pub fn ends(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
    ask_all(partitions, |partition| {
        Ok((*partition, log(consumer, shared, *partition, PATIENCE_FOR_ENDS)?.end))
    })
}

fn log(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    partition: Partition,
    patience: Duration,
) -> Result<Log, KafkaError> {
    let topic = shared.topic(partition.source);
    let (start, end) = consumer.fetch_watermarks(&topic, partition.index, patience)?;
    Ok(Log { start: Offset(start), end: Offset(end) })
}

/// Asks about each partition, several at a time; gives up at the first that has no answer.
fn ask_all<T: Send>(
    partitions: &[Partition],
    ask: impl Fn(&Partition) -> Result<(Partition, T), KafkaError> + Copy + Send,
) -> Result<BTreeMap<Partition, T>, KafkaError> {
    let share = partitions.len().div_ceil(ASKING).max(1);
    std::thread::scope(|scope| {
        let asking: Vec<_> = partitions
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || chunk.iter().map(ask).collect::<Result<Vec<_>, KafkaError>>())
            })
            .collect();
        let mut logs = BTreeMap::new();
        for answer in asking {
            let cancelled = || Err(KafkaError::Canceled);
            logs.extend(answer.join().unwrap_or_else(|_| cancelled())?);
        }
        Ok(logs)
    })
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
    let partitions: Vec<_> = offsets.keys().copied().collect();
    let present = committed(consumer, shared, &partitions)?;
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets.iter().filter(|(p, _)| !present.contains_key(p)) {
        let offset = RawOffset::Offset(offset.0);
        list.add_partition_offset(&shared.topic(partition.source), partition.index, offset)?;
    }
    if list.count() == 0 { Ok(()) } else { consumer.commit(&list, CommitMode::Sync) }
}
