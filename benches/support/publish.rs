//! How the benchmarks write to Kafka, and their events: their ids tell when they were published.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Bytes of an event, where nothing else is said.
pub const SIZE: usize = 500;
const DEADLINE: Duration = Duration::from_secs(60);

/// A producer as a payment service would have it.
pub fn producer(bootstrap: &str, linger_ms: &str) -> anyhow::Result<BaseProducer> {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", linger_ms)
        .create()?;
    Ok(producer)
}

/// Hands a record over, as soon as there is room for it.
pub fn send(
    producer: &BaseProducer,
    mut record: BaseRecord<'_, String, String>,
) -> anyhow::Result<()> {
    while let Err((error, refused)) = producer.send(record) {
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        anyhow::ensure!(error == full, "writing failed: {error}");
        producer.poll(Duration::from_millis(10));
        record = refused;
    }
    Ok(())
}

/// Takes in what the broker answered, without waiting: a wait for a few milliseconds spins.
pub fn take_answers(producer: &BaseProducer) {
    // Each is the answer to one batch.
    (0..16).for_each(|_| producer.poll(Duration::ZERO));
}

/// Waits until the broker has everything.
pub fn flush(producer: &BaseProducer) -> anyhow::Result<()> {
    producer.flush(DEADLINE).context("the broker takes all records")
}

/// Event `number` of this merchant, published at `sent_us`, of so many bytes.
pub fn event(number: u64, merchant: &str, sent_us: i64, bytes: usize) -> String {
    let at = jiff::Timestamp::from_microsecond(sent_us).unwrap_or_default();
    let mut value = format!(
        r#"{{"id":"evt_{sent_us}_{number}","type":"payment.completed","timestamp":"{at:.3}","merchant_id":"{merchant}","data":{{"amount":"12.50","currency":"EUR","note":""#
    );
    let end = "\"}}";
    let padding = bytes.saturating_sub(value.len() + end.len());
    let _ = write!(value, "{:.<padding$}{end}", "");
    value
}
