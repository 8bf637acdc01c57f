//! Entries and events of the benchmark.

use std::{net::SocketAddr, time::Duration};

use paynotify::kafka::TopicNames;
use rdkafka::producer::{BaseProducer, BaseRecord};
use serde_json::json;

use super::support::{publish, receiver::LIVE, time, topics};

/// Delay topics on which the schedules of the entries are composed.
pub const GRADES: [&str; 4] = ["5s", "30s", "10m", "1h"];

/// Whether a merchant's events are sent.
#[derive(Debug, Clone, Copy)]
pub enum State {
    Active,
    Disabled,
}

/// Writes to the topics of one prefix.
pub struct Writer {
    producer: BaseProducer,
    names: TopicNames,
    receiver: SocketAddr,
    longest: std::cell::Cell<usize>,
    events: u64,
}

impl Writer {
    /// Creates the topics.
    pub fn new(bootstrap: &str, prefix: &str, receiver: SocketAddr) -> anyhow::Result<Self> {
        topics::create(bootstrap, prefix, &GRADES)?;
        let producer = publish::producer(bootstrap, "1")?;
        let names = TopicNames::new(prefix);
        Ok(Self { producer, names, receiver, longest: std::cell::Cell::default(), events: 0 })
    }

    /// Bytes of the longest entry.
    pub fn longest(&self) -> usize {
        self.longest.get()
    }

    /// Puts a merchant as most are: one endpoint, one secret, a few wishes.
    pub fn write(&self, number: u64, state: State) -> anyhow::Result<()> {
        let state = match state {
            State::Active => "active",
            State::Disabled => "disabled",
        };
        let entry = json!({
            "format": 1, "merchant_id": format!("m_{number}"), "name": format!("Merchant {number}"),
            "state": state,
            "endpoints": [{
                "id": "ep_main", "url": format!("http://{}{LIVE}/m_{number}", self.receiver),
                "events": ["payment.*", "refund.completed"],
                "policy": {
                    "intervals": ["15s", "30s", "3m", "10m", "20m", "30m", "1h", "3h", "6h", "12h"],
                    "max_in_flight": 8, "acknowledge": { "statuses": ["2xx"] },
                },
                "secrets": [{
                    "id": "s1", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                }],
            }],
        })
        .to_string();
        self.longest.set(self.longest.get().max(entry.len()));
        self.send(&self.names.merchants(), number, &entry)
    }

    /// Publishes an event of this merchant.
    pub fn publish(&mut self, number: u64) -> anyhow::Result<()> {
        let (sent_us, event) = (time::now_us(), self.events);
        self.events += 1;
        let value = publish::event(event, &format!("m_{number}"), sent_us, publish::SIZE);
        self.send(&self.names.completions(), number, &value)?;
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until the broker has everything.
    pub fn flush(&self) -> anyhow::Result<()> {
        publish::flush(&self.producer)
    }

    fn send(&self, topic: &str, number: u64, value: &String) -> anyhow::Result<()> {
        let key = format!("m_{number}");
        publish::send(&self.producer, BaseRecord::to(topic).key(&key).payload(value))
    }
}
