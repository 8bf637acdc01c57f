//! Reads topics by hand: no group, no commits, from a place that is known to an end that is known.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    Message, Offset as Position, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
    metadata::MetadataPartition,
};

use super::{ClientSettings, Error, LogContext, error::passes, open};
use crate::model::{Coordinates, Header, Offset, Timestamp};

/// How long the broker may take to describe a topic.
const DESCRIBE: Duration = Duration::from_secs(10);
/// How long Kafka may stay silent before the end is reached.
const SILENCE: Duration = Duration::from_secs(20);
/// One look at what has come.
const GLANCE: Duration = Duration::from_millis(100);

/// A record with everything that was written.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Where it is.
    pub coordinates: Coordinates,
    /// Append time.
    pub appended: Timestamp,
    /// Key, if any.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

impl StoredRecord {
    /// A message of this topic as it came.
    pub fn of(topic: &Arc<str>, message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
            };
            headers.iter().map(owned).collect()
        });
        Self {
            coordinates: Coordinates {
                topic: Arc::clone(topic),
                partition: message.partition(),
                offset: Offset(message.offset()),
            },
            appended: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }

    /// The value of the last header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rfind(|(found, _)| found == name).map(|(_, value)| &**value)
    }
}

/// Shows every record of a topic up to its end as it is now, until `show` fails. Records of a
/// partition come in order.
pub fn scan<E: From<Error>>(
    settings: &ClientSettings,
    topic: &str,
    mut show: impl FnMut(StoredRecord) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::whole(settings, topic)?;
    while let Some(record) = reader.next_before_end()? {
        show(record)?;
    }
    Ok(())
}

/// Shows every record of one partition from these coordinates up to its end as it is now.
pub fn since(
    settings: &ClientSettings,
    from: &Coordinates,
    mut show: impl FnMut(StoredRecord),
) -> Result<(), Error> {
    let Some(mut reader) = Reader::at(settings, from, None)? else { return Ok(()) };
    while let Some(record) = reader.next_before_end()? {
        show(record);
    }
    Ok(())
}

/// Reads the one record at these coordinates, if it is still there.
pub fn one(settings: &ClientSettings, at: &Coordinates) -> Result<Option<StoredRecord>, Error> {
    let Some(mut reader) = Reader::at(settings, at, Some(1))? else { return Ok(None) };
    let found = reader.next_before_end()?;
    Ok(found.filter(|record| record.coordinates == *at))
}

/// Fails with the remedy when a topic is not there.
pub fn require(settings: &ClientSettings, topic: &str) -> Result<(), Error> {
    partitions(settings, &consumer(settings)?, topic).map(drop)
}

/// An assigned consumer that knows how far there is to go.
pub struct Reader {
    consumer: BaseConsumer<LogContext>,
    topic: Arc<str>,
    /// Partitions that are not read up to the end they had at the start.
    behind: HashMap<i32, i64>,
    /// What the client said last, for a silence that lasts too long.
    trouble: Option<KafkaError>,
}

impl Reader {
    /// Every partition of a topic from its beginning.
    pub fn whole(settings: &ClientSettings, topic: &str) -> Result<Self, Error> {
        let consumer = consumer(settings)?;
        let failed = |source| failed(topic, source);
        let mut list = TopicPartitionList::new();
        let mut behind = HashMap::new();
        for partition in partitions(settings, &consumer, topic)? {
            let (low, high) = watermarks(&consumer, topic, partition)?;
            list.add_partition_offset(topic, partition, Position::Beginning).map_err(failed)?;
            if high > low {
                behind.insert(partition, high);
            }
        }
        Self::assigned(consumer, topic.into(), &list, behind)
    }

    /// So many records from there, or all; nothing when the first is not there.
    fn at(
        settings: &ClientSettings,
        at: &Coordinates,
        most: Option<i64>,
    ) -> Result<Option<Self>, Error> {
        let Coordinates { topic, partition, offset } = at;
        let consumer = consumer(settings)?;
        let failed = |source| failed(topic, source);
        if !partitions(settings, &consumer, topic)?.contains(partition) {
            return Ok(None);
        }
        let log = watermarks(&consumer, topic, *partition)?;
        if !(log.0..log.1).contains(&offset.0) {
            return Ok(None);
        }
        let mut list = TopicPartitionList::new();
        let position = Position::Offset(offset.0);
        list.add_partition_offset(topic, *partition, position).map_err(failed)?;
        let end = most.map_or(log.1, |most| log.1.min(offset.0 + most));
        let behind = HashMap::from([(*partition, end)]);
        Self::assigned(consumer, Arc::clone(topic), &list, behind).map(Some)
    }

    fn assigned(
        consumer: BaseConsumer<LogContext>,
        topic: Arc<str>,
        list: &TopicPartitionList,
        behind: HashMap<i32, i64>,
    ) -> Result<Self, Error> {
        consumer.assign(list).map_err(|source| failed(&topic, source))?;
        Ok(Self { consumer, topic, behind, trouble: None })
    }

    /// Whether everything that was there at the start has been read.
    pub fn is_at_end(&self) -> bool {
        self.behind.is_empty()
    }

    /// The next record, whenever it was written, or `None` when there is none for `wait`.
    pub fn next(&mut self, wait: Duration) -> Result<Option<StoredRecord>, Error> {
        Ok(self.poll(wait)?.map(|(record, _)| record))
    }

    /// The next record that was there at the start, or `None` at the end.
    fn next_before_end(&mut self) -> Result<Option<StoredRecord>, Error> {
        let until = Instant::now() + SILENCE;
        while !self.is_at_end() {
            if let Some((record, true)) = self.poll(GLANCE)? {
                return Ok(Some(record));
            }
            if Instant::now() >= until {
                let topic = self.topic.to_string();
                return Err(match self.trouble.take() {
                    Some(source) => failed(&topic, source),
                    None => Error::Deadline { action: "read", topic, after: SILENCE },
                });
            }
        }
        Ok(None)
    }

    /// The next record, and whether it was there at the start.
    fn poll(&mut self, wait: Duration) -> Result<Option<(StoredRecord, bool)>, Error> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let record = StoredRecord::of(&self.topic, &message);
                drop(message);
                let end = self.behind.get(&partition).copied();
                if end.is_some_and(|end| offset + 1 >= end) {
                    self.behind.remove(&partition);
                }
                Ok(Some((record, end.is_some_and(|end| offset < end))))
            }
            // Control records at the end are no messages, so the end itself has to count.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.behind.remove(&partition);
                Ok(None)
            }
            Some(Err(source)) if super::error::is_fatal(&source) => {
                Err(failed(&self.topic, source))
            }
            // librdkafka goes on by itself.
            Some(Err(error)) => {
                tracing::debug!(%error, topic = %self.topic, "reading goes on");
                self.trouble = Some(error);
                Ok(None)
            }
        }
    }
}

fn failed(topic: &str, source: KafkaError) -> Error {
    Error::Operation { action: "read", topic: topic.to_owned(), source }
}

fn consumer(settings: &ClientSettings) -> Result<BaseConsumer<LogContext>, Error> {
    let mut config = settings.consumer()?;
    config.set("enable.partition.eof", "true");
    config.set("auto.offset.reset", "earliest");
    config.set("queued.max.messages.kbytes", "16384");
    open::consumer(settings, &config)
}

/// Beginning and end of a partition; one that was just created may have no leader for a moment.
fn watermarks(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), Error> {
    let ask = || consumer.fetch_watermarks(topic, partition, DESCRIBE);
    patiently(consumer, ask).map_err(|source| failed(topic, source))
}

/// Asks again while the answer is one that passes.
fn patiently<T>(
    consumer: &BaseConsumer<LogContext>,
    ask: impl Fn() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let end = Instant::now() + DESCRIBE;
    loop {
        match ask() {
            Err(error) if passes(&error) && Instant::now() < end => {
                // Waits; nothing is assigned, so no record comes.
                drop(consumer.poll(GLANCE));
            }
            answer => return answer,
        }
    }
}

/// Numbers of the partitions of a topic, in order.
fn partitions(
    settings: &ClientSettings,
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
) -> Result<Vec<i32>, Error> {
    let ask = || consumer.fetch_metadata(Some(topic), DESCRIBE);
    let metadata = patiently(consumer, ask).map_err(|source| Error::Unreachable {
        servers: settings.bootstrap_servers.clone(),
        source,
    })?;
    let described = metadata.topics().first().filter(|found| found.error().is_none());
    let found = described.map_or(&[][..], |found| found.partitions());
    let mut numbers: Vec<_> = found.iter().map(MetadataPartition::id).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Err(Error::MissingTopic { topic: topic.to_owned() });
    }
    Ok(numbers)
}
