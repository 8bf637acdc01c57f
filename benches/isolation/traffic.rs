//! 10,000 merchants, their events, and the publisher.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use rdkafka::producer::{BaseProducer, BaseRecord};
use serde_json::json;

use super::{
    scenario::Scenario,
    support::{publish, time, topics::PARTITIONS},
};

/// Events are published so often.
const TICK: Duration = Duration::from_millis(10);
/// Merchants, each with one endpoint.
pub const MERCHANTS: u64 = 10_000;

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
        let producer = publish::producer(bootstrap, "0")?;
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
        publish::flush(&self.producer)
    }

    /// Publishes at this rate to so many merchants in turn, in each tick to those of one partition:
    /// with a few events for each partition at a time, most of the processors' time would go into
    /// Kafka's requests.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate times some seconds is a small positive number"
    )]
    pub fn pace(&mut self, per_second: f64, time: Duration, merchants: u64) -> anyhow::Result<()> {
        let partitions = u64::from(PARTITIONS.unsigned_abs());
        let (start, mut done) = (Instant::now(), 0_u64);
        for tick in 1.. {
            let due = TICK * tick;
            if due > time {
                break;
            }
            let partition = u64::from(tick) % partitions;
            let planned = (due.as_secs_f64() * per_second) as u64;
            while done < planned {
                // A multiplier without a common factor, so that neighbours are far from each other.
                let of_partition = done.wrapping_mul(7_919) % (merchants / partitions);
                self.publish(of_partition * partitions + partition)?;
                done += 1;
            }
            publish::take_answers(&self.producer);
            time::pause(due.saturating_sub(start.elapsed()));
        }
        publish::flush(&self.producer)
    }

    fn publish(&mut self, merchant: u64) -> anyhow::Result<()> {
        let key = format!("m_{merchant}");
        let value = publish::event(self.next, &key, time::now_us(), publish::SIZE);
        let index = i32::try_from(merchant % u64::from(PARTITIONS.unsigned_abs()))?;
        let record = BaseRecord::to(&self.topic).partition(index).key(&key).payload(&value);
        publish::send(&self.producer, record)?;
        self.next += 1;
        Ok(())
    }
}
