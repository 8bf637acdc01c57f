//! Metrics of what comes from the brokers.

use prometheus::IntCounter;

use super::Declare;

/// Bytes from the brokers.
#[derive(Debug)]
pub struct Reading {
    received: IntCounter,
    fetched: IntCounter,
    taken: IntCounter,
}

impl Reading {
    pub(super) fn new(declare: &Declare) -> Result<Self, prometheus::Error> {
        Ok(Self {
            received: declare.counter(
                "paynotify_kafka_received_bytes_total",
                "What brokers sent to the consumer, as it was on the network.",
            )?,
            fetched: declare.counter(
                "paynotify_fetched_bytes_total",
                "Keys and values of records that were fetched.",
            )?,
            taken: declare.counter(
                "paynotify_taken_bytes_total",
                "Keys and values of records that were taken: others are read ahead, or fetched again.",
            )?,
        })
    }

    /// Brokers sent so many bytes more; keys and values of records had so many, and those of
    /// records that were taken so many.
    pub fn add(&self, received: u64, fetched: u64, taken: u64) {
        self.received.inc_by(received);
        self.fetched.inc_by(fetched);
        self.taken.inc_by(taken);
    }
}
