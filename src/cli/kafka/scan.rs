//! Reading a topic from its beginning to its present end.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _, Message as _},
};

use crate::{
    config::Config,
    model::{Coordinates, Header, Offset, Timestamp},
};

use super::{SILENT, partitions};

/// How long Kafka may stay silent.
const SILENCE: Duration = Duration::from_secs(20);

/// A record as it was read.
#[derive(Debug)]
pub(in crate::cli) struct Read {
    pub(in crate::cli) at: Coordinates,
    pub(in crate::cli) time: Timestamp,
    pub(in crate::cli) key: Option<Bytes>,
    pub(in crate::cli) value: Option<Bytes>,
    pub(in crate::cli) headers: Vec<Header>,
}

/// Gives every record that is there now to `take`, partition by partition in order.
pub(in crate::cli) fn scan(
    config: &Config,
    topic: &str,
    mut take: impl FnMut(Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let consumer = reader(config)?;
    let mut open: HashSet<i32> = partitions(config, &consumer, topic)?.into_iter().collect();
    let mut all = TopicPartitionList::new();
    for partition in &open {
        all.add_partition_offset(topic, *partition, KafkaOffset::Beginning)?;
    }
    consumer.assign(&all)?;
    while let Some(next) = (!open.is_empty()).then(|| poll(&consumer)) {
        match next? {
            // What comes after the end was reached was not there when the command began.
            Next::Record(read) if open.contains(&read.at.partition) => take(read)?,
            Next::Record(_) => {}
            Next::End(partition) => {
                open.remove(&partition);
            }
        }
    }
    Ok(())
}

/// Reads the one record at these coordinates, if it is still there.
pub(in crate::cli) fn one(config: &Config, at: &Coordinates) -> anyhow::Result<Option<Read>> {
    let consumer = reader(config)?;
    let known = partitions(config, &consumer, &at.topic)?;
    if !known.contains(&at.partition) {
        return Ok(None);
    }
    let range = consumer.fetch_watermarks(&at.topic, at.partition, super::PATIENCE)?;
    if !(range.0..range.1).contains(&at.offset.0) {
        return Ok(None);
    }
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(&at.topic, at.partition, KafkaOffset::Offset(at.offset.0))?;
    consumer.assign(&place)?;
    Ok(match poll(&consumer)? {
        Next::Record(read) if read.at.offset == at.offset => Some(read),
        Next::Record(_) | Next::End(_) => None,
    })
}

enum Next {
    Record(Read),
    End(i32),
}

/// A client that belongs to no group, though librdkafka wants a name for one.
pub(super) fn reader(config: &Config) -> anyhow::Result<BaseConsumer> {
    config
        .kafka
        .client_settings()
        .consumer()?
        .set("group.id", format!("{}.command", config.kafka.group))
        .set("enable.partition.eof", "true")
        .set_log_level(SILENT)
        .create()
        .context("kafka.properties: the consumer refuses them")
}

fn poll(consumer: &BaseConsumer) -> anyhow::Result<Next> {
    let end = Instant::now() + SILENCE;
    while Instant::now() < end {
        match consumer.poll(Duration::from_millis(250)) {
            None => {}
            Some(Ok(message)) => return Ok(Next::Record(read(&message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => return Ok(Next::End(partition)),
            // The client connects again by itself, until the silence is too long.
            Some(Err(KafkaError::MessageConsumption(code))) if is_passing(code) => {}
            Some(Err(error)) => return Err(error).context("reading from Kafka"),
        }
    }
    anyhow::bail!("Kafka has been silent for 20s; check the network and the brokers, and try again")
}

fn is_passing(code: rdkafka::error::RDKafkaErrorCode) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::NotLeaderForPartition
    )
}

fn read(message: &BorrowedMessage<'_>) -> Read {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let own = headers.iter().map(|header| {
            let value = header.value.map_or_else(Bytes::new, Bytes::copy_from_slice);
            (header.key.to_owned(), value)
        });
        own.collect()
    });
    Read {
        at: Coordinates {
            topic: message.topic().into(),
            partition: message.partition(),
            offset: Offset(message.offset()),
        },
        time: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers,
    }
}
