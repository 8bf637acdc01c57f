//! Events in the completions topic.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord};

use super::{events::Events, publish, time};

/// A publisher as a payment service would have it.
pub struct Publisher {
    producer: BaseProducer,
    topic: String,
    events: Events,
    next: u64,
}

impl Publisher {
    /// A publisher of these events to the completions topic of `prefix`.
    pub fn new(
        bootstrap: &str,
        prefix: &str,
        events: Events,
        linger: &str,
    ) -> anyhow::Result<Self> {
        let producer = publish::producer(bootstrap, linger)?;
        Ok(Self { producer, topic: prefix.to_owned(), events, next: 0 })
    }

    /// Publishes `count` as fast as the broker takes them.
    pub fn fill(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            self.publish()?;
        }
        publish::flush(&self.producer)
    }

    /// Publishes at this rate, evenly, for this time; returns how many.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate times some seconds is a small positive number"
    )]
    pub fn pace(&mut self, per_second: f64, time: Duration) -> anyhow::Result<u64> {
        let (start, first) = (Instant::now(), self.next);
        while start.elapsed() < time {
            let planned = (start.elapsed().as_secs_f64() * per_second) as u64;
            while self.next - first < planned {
                self.publish()?;
            }
            publish::take_answers(&self.producer);
            time::pause(Duration::from_millis(1));
        }
        publish::flush(&self.producer)?;
        Ok(self.next - first)
    }

    fn publish(&mut self) -> anyhow::Result<()> {
        let (partition, key, value) = self.events.event(self.next, time::now_us());
        let record = BaseRecord::to(&self.topic).partition(partition).key(&key).payload(&value);
        publish::send(&self.producer, record)?;
        self.next += 1;
        Ok(())
    }
}
