//! The group's first position: the beginning, where that is no guess (decision 5).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tokio::{task::spawn_blocking, time::timeout};

use crate::kafka::{ClientSettings, Error, LogContext, admin::DEADLINE, error::passes, open};

const ACTION: &str = "commit the beginning for the group";
const AGAIN: Duration = Duration::from_millis(200);

/// What became of the group's first positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// The beginning was committed on so many partitions; on the others the group has a position,
    /// or there are records that only `--first-start` can judge.
    Committed(usize),
    /// The group has members, and the broker lets only them commit. They start a partition that
    /// is new to them at its beginning by themselves.
    GroupIsActive,
}

/// Commits offset 0 on every partition that has no position and never had a record.
pub async fn commit(
    client: &ClientSettings,
    topics: BTreeSet<String>,
    partitions: i32,
) -> Result<Beginning, Error> {
    let (config, settings) = (client.consumer()?, client.clone());
    let group = client.group.clone();
    let topic = group.clone();
    let failed = move |source| Error::Operation { action: ACTION, topic: topic.clone(), source };
    let cancelled = failed(KafkaError::Canceled);
    // The client blocks, in its drop too, so it lives and dies on a blocking thread.
    let work = spawn_blocking(move || {
        let consumer = open::consumer(&settings, &config)?;
        let end = Instant::now() + DEADLINE;
        loop {
            match attempt(&consumer, &topics, partitions) {
                Err(error) if passes(&error) && Instant::now() < end => {
                    // Waits, and serves the client meanwhile; without a topic no record comes.
                    drop(consumer.poll(AGAIN));
                }
                answer => return answer.map_err(failed),
            }
        }
    });
    match timeout(DEADLINE * 2, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(cancelled),
        Err(_) => Err(Error::Deadline { action: ACTION, topic: group, after: DEADLINE * 2 }),
    }
}

fn attempt(
    consumer: &BaseConsumer<LogContext>,
    topics: &BTreeSet<String>,
    partitions: i32,
) -> KafkaResult<Beginning> {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        all.add_partition_range(topic, 0, partitions - 1);
    }
    let mut fresh = TopicPartitionList::new();
    for one in consumer.committed_offsets(all, DEADLINE)?.elements() {
        one.error()?;
        let positioned = matches!(one.offset(), Offset::Offset(_));
        if !positioned && is_empty(consumer, one.topic(), one.partition())? {
            fresh.add_partition_offset(one.topic(), one.partition(), Offset::Offset(0))?;
        }
    }
    if fresh.count() == 0 {
        return Ok(Beginning::Committed(0));
    }
    match consumer.commit(&fresh, CommitMode::Sync) {
        Ok(()) => Ok(Beginning::Committed(fresh.count())),
        Err(error) if is_active(&error) => Ok(Beginning::GroupIsActive),
        Err(error) => Err(error),
    }
}

fn is_empty(consumer: &BaseConsumer<LogContext>, topic: &str, partition: i32) -> KafkaResult<bool> {
    consumer.fetch_watermarks(topic, partition, DEADLINE).map(|(_, end)| end == 0)
}

fn is_active(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress
        )
    )
}
