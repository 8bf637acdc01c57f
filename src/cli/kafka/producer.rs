//! An idempotent producer with bounded in flight, driven by the thread that writes.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header as KafkaHeader, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

use crate::{config::Config, model::Header};

/// Records that wait for the broker's acknowledgement.
const IN_FLIGHT: usize = 500;
/// By then the client has given an answer by itself, unless `message.timeout.ms` is set higher.
const PATIENCE: Duration = Duration::from_secs(35);

/// One record to write.
#[derive(Debug)]
pub(in crate::cli) struct Record<'a> {
    pub(in crate::cli) topic: &'a str,
    /// By the key, unless given.
    pub(in crate::cli) partition: Option<i32>,
    pub(in crate::cli) key: Option<&'a [u8]>,
    pub(in crate::cli) value: Option<&'a [u8]>,
    pub(in crate::cli) headers: &'a [Header],
}

/// What became of the record sent with this token.
#[derive(Debug)]
pub(in crate::cli) struct Outcome<T> {
    pub(in crate::cli) token: T,
    pub(in crate::cli) result: Result<(), KafkaError>,
}

/// Writes records; every one sent has an outcome.
pub(in crate::cli) struct Producer<T: Send + Sync + 'static> {
    inner: BaseProducer<Context<T>>,
}

struct Context<T>(Mutex<Vec<Outcome<T>>>);

impl<T> ClientContext for Context<T> where T: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> ProducerContext for Context<T> {
    type DeliveryOpaque = Box<T>;

    fn delivery(&self, result: &DeliveryResult<'_>, token: Box<T>) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // A push is whole or not at all, so a poisoned lock is as good as any.
        let mut outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(Outcome { token: *token, result });
    }
}

impl<T: Send + Sync + 'static> Producer<T> {
    pub(in crate::cli) fn new(config: &Config) -> anyhow::Result<Self> {
        let inner = config
            .kafka
            .client_settings()
            .producer()?
            .set_log_level(super::SILENT)
            .create_with_context(Context(Mutex::default()))
            .context("kafka.properties: the producer refuses them")?;
        Ok(Self { inner })
    }

    /// Hands a record to the client, waiting while too many are in flight.
    pub(in crate::cli) fn send(&self, record: &Record<'_>, token: T) -> anyhow::Result<()> {
        self.wait_below(IN_FLIGHT)?;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(KafkaHeader { key, value: Some(&**value) });
        }
        let mut out = BaseRecord::with_opaque_to(record.topic, Box::new(token)).headers(headers);
        out.partition = record.partition;
        out.key = record.key;
        out.payload = record.value;
        loop {
            match self.inner.send(out) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    out = back;
                    self.inner.poll(Duration::from_millis(100));
                }
                Err((error, refused)) => {
                    let token = *refused.delivery_opaque;
                    self.outcomes().push(Outcome { token, result: Err(error) });
                    return Ok(());
                }
            }
        }
    }

    /// Waits until every record has its outcome.
    pub(in crate::cli) fn finish(&self) -> anyhow::Result<()> {
        self.wait_below(1)
    }

    /// The outcomes since the last call.
    pub(in crate::cli) fn take(&self) -> Vec<Outcome<T>> {
        self.inner.poll(Duration::ZERO);
        std::mem::take(&mut *self.outcomes())
    }

    fn wait_below(&self, limit: usize) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while usize::try_from(self.inner.in_flight_count()).unwrap_or(0) >= limit {
            anyhow::ensure!(Instant::now() < end, "Kafka has not acknowledged for 35s; try again");
            self.inner.poll(Duration::from_millis(100));
        }
        Ok(())
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Vec<Outcome<T>>> {
        self.inner.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
