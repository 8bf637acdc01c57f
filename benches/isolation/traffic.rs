//! 10,000 merchants, their events, and the publisher.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::json;

use super::{
    scenario::Scenario,
    support::{time, topics::PARTITIONS},
};

/// Merchants, each with one endpoint.
pub const MERCHANTS: u64 = 10_000;
/// Bytes of an event.
const SIZE: usize = 500;
const DEADLINE: Duration = Duration::from_secs(30);

/// Writes the directory.
pub fn write_directory(
    file: &Path,
    receiver: SocketAddr,
    scenario: Scenario,
) -> std::io::Result<()> {
    let lines = (0..MERCHANTS).map(|number| {
        let class = if Scenario::is_bulk(number) { "bulk" } else { "gold" };
        let class = if scenario == Scenario::BulkFloods { class } else { "standard" };
        let entry = json!({
            "format": 1, "merchant_id": format!("m_{number}"), "name": "Bench",
            "endpoints": [{
                "id": "ep_main",
                "url": format!("http://{receiver}{}/m_{number}", scenario.path(number)),
                "policy": { "class": class },
                "secrets": [{
                    "id": "s1", "kind": "hmac",
                    "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                }],
            }],
        });
        format!("{entry}\n")
    });
    fs::write(file, lines.collect::<String>())
}

/// A publisher that puts a merchant's events into the partition of its number.
pub struct Publisher {
    producer: BaseProducer,
    topic: String,
    next: u64,
}

impl Publisher {
    /// To the completions topic of `prefix`; events are numbered from 0.
    pub fn new(bootstrap: &str, prefix: &str) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()?;
        Ok(Self { producer, topic: prefix.to_owned(), next: 0 })
    }

    /// How many were published.
    pub fn published(&self) -> u64 {
        self.next
    }

    /// Publishes `count` as fast as the broker takes them.
    pub fn burst(&mut self, count: u64, merchant: impl Fn(u64) -> u64) -> anyhow::Result<()> {
        for number in 0..count {
            self.publish(merchant(number))?;
        }
        self.producer.flush(DEADLINE).context("the broker takes all events")
    }

    /// Publishes at this rate, evenly, to so many merchants in turn.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate times some seconds is a small positive number"
    )]
    pub fn pace(&mut self, per_second: f64, time: Duration, merchants: u64) -> anyhow::Result<()> {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < time {
            let planned = (start.elapsed().as_secs_f64() * per_second) as u64;
            while done < planned {
                // A multiplier without a common factor, so that neighbours are far from each other.
                self.publish(done.wrapping_mul(7_919) % merchants)?;
                done += 1;
            }
            self.producer.poll(Duration::from_millis(1));
        }
        self.producer.flush(DEADLINE).context("the broker takes all events")
    }

    fn publish(&mut self, merchant: u64) -> anyhow::Result<()> {
        let (key, value) = event(self.next, merchant);
        let index = i32::try_from(merchant % u64::from(PARTITIONS.unsigned_abs()))?;
        let mut record = BaseRecord::to(&self.topic).partition(index).key(&key).payload(&value);
        while let Err((error, refused)) = self.producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            anyhow::ensure!(error == full, "publishing failed: {error}");
            self.producer.poll(Duration::from_millis(10));
            record = refused;
        }
        self.next += 1;
        Ok(())
    }
}

fn event(number: u64, merchant: u64) -> (String, String) {
    let sent_us = time::now_us();
    let key = format!("m_{merchant}");
    let at = jiff::Timestamp::from_microsecond(sent_us).unwrap_or_default();
    let mut value = format!(
        r#"{{"id":"evt_{sent_us}_{number}","type":"payment.completed","timestamp":"{at:.3}","merchant_id":"{key}","data":{{"amount":"12.50","currency":"EUR","note":""#
    );
    let end = "\"}}";
    let padding = SIZE.saturating_sub(value.len() + end.len());
    let _ = write!(value, "{:.<padding$}{end}", "");
    (key, value)
}
