//! Reads whole topics: a compacted one that is followed as it changes, or any one up to its end.
//!
//! No group, no commits: partitions are assigned by hand from their beginning.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    Message, Offset as Position, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio::sync::mpsc;

use super::{ClientSettings, Error, LogContext, open};
use crate::model::{Coordinates, Offset, Timestamp};

/// How long the broker may take to describe a topic.
const DESCRIBE: Duration = Duration::from_secs(15);
/// Changes that are handed over together.
const BATCH: usize = 1_000;
/// Batches that wait for the reader.
const QUEUE: usize = 8;
/// How often the thread looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

/// Keeps a topic followed while it lives.
#[derive(Debug)]
pub struct Table {
    stop: Arc<AtomicBool>,
}

/// What a followed topic says.
#[derive(Debug)]
pub enum TableInput {
    /// Key and new value; `None` deletes.
    Changes(Vec<(Bytes, Option<Bytes>)>),
    /// Everything that was there at the start has been read.
    CaughtUp,
}

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
    pub headers: Vec<(String, Bytes)>,
}

impl Table {
    /// Reads `topic` from its beginning and goes on with what changes.
    pub fn follow(
        settings: &ClientSettings,
        topic: &str,
    ) -> Result<(Self, mpsc::Receiver<TableInput>), Error> {
        let reader = Reader::open(settings, topic)?;
        let (inputs, receiver) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let name = "paynotify-table";
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || reader.follow(&stopped, &inputs))
            .map_err(|source| Error::Thread { name, source })?;
        Ok((Self { stop }, receiver))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Reads a compacted topic up to its end as it is now; the newest value of each key that has one.
pub fn read_all(
    settings: &ClientSettings,
    topic: &str,
    deadline: Duration,
) -> Result<HashMap<Bytes, Bytes>, Error> {
    let mut table = HashMap::new();
    scan(settings, topic, deadline, |record| {
        if let Some(key) = record.key {
            match record.value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
        true
    })?;
    Ok(table)
}

/// Shows every record of a topic up to its end as it is now, until `show` says false. Records of a
/// partition come in order.
pub fn scan(
    settings: &ClientSettings,
    topic: &str,
    deadline: Duration,
    mut show: impl FnMut(StoredRecord) -> bool,
) -> Result<(), Error> {
    let mut reader = Reader::open(settings, topic)?;
    let until = Instant::now() + deadline;
    while !reader.is_at_end() {
        if Instant::now() >= until {
            let topic = topic.to_owned();
            return Err(Error::Deadline { action: "read", topic, after: deadline });
        }
        if let Some(record) = reader.next(GLANCE)?
            && !show(record)
        {
            return Ok(());
        }
    }
    Ok(())
}

/// An assigned consumer that knows how far there is to go.
struct Reader {
    consumer: BaseConsumer<LogContext>,
    topic: Arc<str>,
    /// Partitions that are not read up to the end they had at the start.
    behind: HashMap<i32, i64>,
}

impl Reader {
    fn open(settings: &ClientSettings, topic: &str) -> Result<Self, Error> {
        let mut config = settings.consumer()?;
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "earliest");
        config.set("queued.max.messages.kbytes", "16384");
        let consumer = open::consumer(settings, &config, LogContext::new(settings))?;
        let failed = |source| Error::Operation { action: "read", topic: topic.to_owned(), source };
        let metadata = consumer.fetch_metadata(Some(topic), DESCRIBE).map_err(|source| {
            Error::Unreachable { servers: settings.bootstrap_servers.clone(), source }
        })?;
        let described = metadata.topics().first();
        let partitions: Vec<i32> = described
            .filter(|described| described.error().is_none())
            .map(|described| {
                described
                    .partitions()
                    .iter()
                    .map(rdkafka::metadata::MetadataPartition::id)
                    .collect()
            })
            .unwrap_or_default();
        if partitions.is_empty() {
            return Err(Error::MissingTopic { topic: topic.to_owned() });
        }
        let mut list = TopicPartitionList::new();
        let mut behind = HashMap::new();
        for partition in partitions {
            let (low, high) =
                consumer.fetch_watermarks(topic, partition, DESCRIBE).map_err(failed)?;
            list.add_partition_offset(topic, partition, Position::Beginning).map_err(failed)?;
            if high > low {
                behind.insert(partition, high);
            }
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self { consumer, topic: topic.into(), behind })
    }

    fn is_at_end(&self) -> bool {
        self.behind.is_empty()
    }

    /// The next record, or `None` when there is none for `wait`.
    fn next(&mut self, wait: Duration) -> Result<Option<StoredRecord>, Error> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let record = stored(&self.topic, &message);
                drop(message);
                if self.behind.get(&partition).is_some_and(|end| offset + 1 >= *end) {
                    self.behind.remove(&partition);
                }
                Ok(Some(record))
            }
            // Control records at the end are no messages, so the end itself has to count.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.behind.remove(&partition);
                Ok(None)
            }
            Some(Err(source)) if super::error::is_fatal(&source) => {
                Err(Error::Operation { action: "read", topic: self.topic.to_string(), source })
            }
            // librdkafka goes on by itself.
            Some(Err(error)) => {
                tracing::debug!(%error, topic = %self.topic, "reading goes on");
                Ok(None)
            }
        }
    }

    fn follow(mut self, stop: &AtomicBool, inputs: &mpsc::Sender<TableInput>) {
        let mut caught_up = false;
        while !stop.load(Ordering::Acquire) {
            if !caught_up && self.is_at_end() {
                caught_up = true;
                if inputs.blocking_send(TableInput::CaughtUp).is_err() {
                    return;
                }
            }
            let mut changes = Vec::new();
            let mut wait = GLANCE;
            while changes.len() < BATCH {
                match self.next(wait) {
                    Ok(Some(StoredRecord { key: Some(key), value, .. })) => {
                        changes.push((key, value));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "a table is not followed any more");
                        return;
                    }
                }
                wait = Duration::ZERO;
            }
            if !changes.is_empty() && inputs.blocking_send(TableInput::Changes(changes)).is_err() {
                return;
            }
        }
    }
}

fn stored(topic: &Arc<str>, message: &BorrowedMessage<'_>) -> StoredRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
        };
        headers.iter().map(owned).collect()
    });
    StoredRecord {
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
