//! Writes records and tells what the broker said about each; a second flavour only tries.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext},
    types::RDKafkaErrorCode,
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    ClientSettings, Error, client,
    error::{is_fatal, is_silence},
    login::Login,
    polled::Polled,
};
use crate::{
    engine::RouteFailure,
    model::{Offset, Timestamp},
};

/// Records that may be on their way at a time, those included whose answer nobody has taken yet.
const IN_FLIGHT: usize = 50_000;

/// Lines of the delivery log that may be on their way at a time.
const LOG_QUEUE: &str = "100000";

/// A record to write.
#[derive(Debug)]
pub struct Outgoing<'a, T = u64> {
    /// Comes back with the broker's answer.
    pub token: T,
    /// Full name of the topic.
    pub topic: &'a str,
    /// Explicit partition, or `None` for that of the key.
    pub partition: Option<i32>,
    /// Key, as it is.
    pub key: Option<&'a [u8]>,
    /// Value, as it is.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: Vec<(String, Bytes)>,
}

/// What the broker said about a record.
#[derive(Debug)]
pub struct Delivered<T = u64> {
    /// Which one.
    pub token: T,
    /// Where it is now, or why it is nowhere.
    pub result: Result<Appended, SendError>,
    /// When it was given to the client.
    pub sent: Instant,
    /// When the answer was here.
    pub received: Instant,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Partition number.
    pub partition: i32,
    /// Its offset.
    pub offset: Offset,
    /// Append time, as the broker stamped it.
    pub timestamp: Timestamp,
}

/// Why a record is not there.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The bound on records on their way is reached.
    #[error("{IN_FLIGHT} records are on their way, or their answers were not taken yet")]
    QueueFull,
    /// librdkafka refuses it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl SendError {
    /// Whether the broker said so, rather than the client after waiting for it in vain.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::QueueFull => false,
            Self::Kafka(error) => !is_silence(error),
        }
    }

    /// What that means for a route.
    pub fn failure(&self) -> RouteFailure {
        match self {
            Self::QueueFull => RouteFailure::Passing,
            Self::Kafka(error) => failure_of(error),
        }
    }
}

/// An idempotent producer with a bounded number of records on their way, each answered once.
pub struct Producer<T: Send + Sync + 'static = u64> {
    inner: Polled<Answers<T>>,
    answers: mpsc::Sender<Delivered<T>>,
    fatal: Arc<AtomicBool>,
}

impl<T: Clone + Send + Sync + 'static> Producer<T> {
    /// A producer and the broker's answers.
    pub fn new(settings: &ClientSettings) -> Result<(Self, mpsc::Receiver<Delivered<T>>), Error> {
        let (answers, receiver) = mpsc::channel(IN_FLIGHT);
        let fatal = Arc::new(AtomicBool::new(false));
        let login = settings.login();
        let context = Answers { fatal: Arc::clone(&fatal), login, tokens: PhantomData };
        let mut config = settings.producer()?;
        config.set("queue.buffering.max.messages", IN_FLIGHT.to_string());
        let inner = Polled::new(&config, context)?;
        Ok((Self { inner, answers, fatal }, receiver))
    }

    /// Hands a record over; its answer follows unless this fails.
    pub fn send(&self, outgoing: &Outgoing<'_, T>) -> Result<(), SendError> {
        // The place of the answer is taken now, so no answer can be lost, however late it is read.
        let place = match self.answers.clone().try_reserve_owned() {
            Ok(place) => Some(place),
            Err(TrySendError::Full(_)) => return Err(SendError::QueueFull),
            // Nobody waits for answers any more; the record may still go.
            Err(TrySendError::Closed(_)) => None,
        };
        let headers = headers_of(&outgoing.headers);
        let opaque = Box::new(Sent { token: outgoing.token.clone(), at: Instant::now(), place });
        let mut record =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(outgoing.topic, opaque).headers(headers);
        record.partition = outgoing.partition;
        record.key = outgoing.key;
        record.payload = outgoing.value;
        self.inner.send(record).map_err(|(error, _)| {
            if is_fatal(&error) {
                self.fatal.store(true, Ordering::Release);
            }
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => SendError::QueueFull,
                _ => SendError::Kafka(error),
            }
        })
    }

    /// The id of the cluster, or `None` when no broker answers in time; blocks.
    pub fn cluster_id(&self, deadline: Duration) -> Option<String> {
        self.inner.client().fetch_cluster_id(deadline)
    }

    /// Whether this producer is beyond repair and must be built anew.
    pub fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::Acquire)
    }

    /// Lets go of a producer that may hang: its end is waited for on a thread that nobody waits for.
    pub fn leave_behind(self) {
        // Where there is no thread to be had, it is dropped here.
        let _ = std::thread::Builder::new().name("kafka-left".into()).spawn(move || drop(self));
    }

    /// Waits until everything is answered, at most until `deadline`; blocks.
    pub fn flush(&self, deadline: Duration) {
        if let Err(error) = self.inner.flush(deadline) {
            tracing::warn!(%error, "some records were not acknowledged before the end");
        }
    }
}

/// A producer whose records may be dropped: for the delivery log.
pub struct Log {
    inner: Polled<Dropped>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// A producer with a bounded queue.
    pub fn new(settings: &ClientSettings) -> Result<Self, Error> {
        let dropped = Arc::new(AtomicU64::new(0));
        let mut config = settings.producer()?;
        config.set("queue.buffering.max.messages", LOG_QUEUE);
        config.set("queue.buffering.max.kbytes", "65536");
        // Nobody waits for a line; each batch is a request, and the broker is everybody's.
        config.set("linger.ms", "200");
        config.set("batch.size", "131072");
        // What is there needs no answer each: only what is not is counted.
        config.set("delivery.report.only.error", "true");
        let context = Dropped { count: Arc::clone(&dropped), login: settings.login() };
        let inner = Polled::new(&config, context)?;
        Ok(Self { inner, dropped })
    }

    /// Tries; a record that cannot be queued is counted and gone.
    pub fn send(&self, topic: &str, key: &[u8], value: &[u8]) {
        let record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, ()).key(key).payload(value);
        if self.inner.send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is answered, at most until `deadline`; blocks.
    pub fn flush(&self, deadline: Duration) {
        if self.inner.flush(deadline).is_err() {
            tracing::warn!("the last lines of the delivery log were not acknowledged");
        }
    }
}

/// What travels with a record.
struct Sent<T> {
    token: T,
    at: Instant,
    place: Option<mpsc::OwnedPermit<Delivered<T>>>,
}

struct Answers<T> {
    fatal: Arc<AtomicBool>,
    login: Login,
    tokens: PhantomData<fn(T)>,
}

impl<T> ClientContext for Answers<T> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.login.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_fatal(&error) {
            self.fatal.store(true, Ordering::Release);
        }
        client::log_error(&error, &self.login.reason(reason));
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl<T: Send + Sync + 'static> ProducerContext for Answers<T> {
    type DeliveryOpaque = Box<Sent<T>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        let received = Instant::now();
        let result = match result {
            Ok(message) => Ok(Appended {
                partition: message.partition(),
                offset: Offset(message.offset()),
                timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
            }),
            Err((error, _)) => {
                if is_fatal(error) {
                    self.fatal.store(true, Ordering::Release);
                }
                Err(SendError::Kafka(error.clone()))
            }
        };
        let Sent { token, at, place } = *sent;
        if let Some(place) = place {
            place.send(Delivered { token, result, sent: at, received });
        }
    }
}

struct Dropped {
    count: Arc<AtomicU64>,
    login: Login,
}

impl ClientContext for Dropped {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.login.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, &self.login.reason(reason));
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Dropped {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn headers_of(headers: &[(String, Bytes)]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(empty, |all, (name, value)| {
        all.insert(Header { key: name, value: Some(value.as_ref()) })
    })
}

/// What a failed write means for the record.
fn failure_of(error: &KafkaError) -> RouteFailure {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge) => {
            RouteFailure::TooLarge
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::InvalidRecord
            | Code::PolicyViolation,
        ) => RouteFailure::Refused,
        _ => RouteFailure::Passing,
    }
}
