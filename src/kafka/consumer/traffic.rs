//! Bytes that come from the brokers, and what of them is taken: the difference is fetched twice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

/// Milliseconds between what librdkafka tells of its traffic. Telling costs it a look at every
/// partition.
pub const INTERVAL_MS: &str = "15000";

/// Bytes since they were last asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Everything that brokers sent to the consumer, as it was on the network.
    pub received: u64,
    /// Keys and values of records that librdkafka fetched and understood.
    pub fetched: u64,
    /// Keys and values of records that were taken from it. What was fetched and is not taken is
    /// read ahead, or was thrown away by a rebalance and is fetched again.
    pub taken: u64,
}

/// Adds up what librdkafka tells every so often, and what the intake took until then.
#[derive(Debug, Default)]
pub struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What librdkafka told last.
    told: Totals,
    /// Since then.
    taken: u64,
    /// What nobody has asked for.
    since: Traffic,
}

/// The part that is read of librdkafka's statistics (its STATISTICS.md): totals since the client
/// began.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Totals {
    #[serde(rename = "rx_bytes")]
    received: u64,
    #[serde(rename = "rxmsg_bytes")]
    fetched: u64,
}

impl Meter {
    /// The intake took keys and values of so many bytes.
    pub fn took(&self, bytes: usize) {
        self.state().taken += bytes as u64;
    }

    /// librdkafka tells its statistics.
    pub fn told(&self, statistics: &[u8]) {
        let totals: Totals = match serde_json::from_slice(statistics) {
            Ok(totals) => totals,
            Err(error) => return tracing::debug!(%error, "librdkafka's statistics are not read"),
        };
        let state = &mut *self.state();
        state.since.received += totals.received.saturating_sub(state.told.received);
        state.since.fetched += totals.fetched.saturating_sub(state.told.fetched);
        state.since.taken += std::mem::take(&mut state.taken);
        state.told = totals;
    }

    /// All since this was last asked, as far as librdkafka has told.
    pub fn take(&self) -> Traffic {
        std::mem::take(&mut self.state().since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sums are whole after every operation, so a poisoned lock is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(received: u64, fetched: u64) -> String {
        format!(
            r#"{{"name":"w","rx":3,"rx_bytes":{received},"rxmsg_bytes":{fetched},"brokers":{{}}}}"#
        )
    }

    #[test]
    fn what_is_told_and_taken_is_given_once() {
        let meter = Meter::default();
        meter.took(300);
        meter.told(statistics(1_000, 400).as_bytes());
        assert_eq!(meter.take(), Traffic { received: 1_000, fetched: 400, taken: 300 });
        meter.took(200);
        meter.told(statistics(1_500, 600).as_bytes());
        assert_eq!(meter.take(), Traffic { received: 500, fetched: 200, taken: 200 });
        assert_eq!(meter.take(), Traffic::default());
    }

    #[test]
    fn what_is_taken_counts_when_what_is_fetched_is_told() {
        let meter = Meter::default();
        meter.took(300);
        assert_eq!(meter.take(), Traffic::default());
    }

    #[test]
    fn statistics_of_another_form_change_nothing() {
        let meter = Meter::default();
        meter.took(300);
        meter.told(b"{\"rx_bytes\":1}");
        assert_eq!(meter.take(), Traffic::default());
        meter.told(statistics(1_000, 400).as_bytes());
        assert_eq!(meter.take(), Traffic { received: 1_000, fetched: 400, taken: 300 });
    }
}
