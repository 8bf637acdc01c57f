//! What is drained: which events, how many at a time, and how they are sent.

use super::events::Events;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Its name in the figures.
    pub name: &'static str,
    /// Attempts at a time.
    pub in_flight: usize,
    /// What the topic holds.
    pub events: Events,
    /// Endpoints that get every event.
    pub endpoints: u64,
    /// Whether requests are signed.
    pub signed: bool,
    /// Whether the delivery log is written.
    pub attempts_log: bool,
    /// Whether merchants are dialled by https.
    pub tls: bool,
}

impl Workload {
    /// The usual one.
    pub const USUAL: Self = Self {
        name: "64",
        in_flight: 64,
        events: Events::USUAL,
        endpoints: 1,
        signed: true,
        attempts_log: false,
        tls: false,
    };

    const WIDE: Self = Self { name: "256", in_flight: 256, ..Self::USUAL };

    /// What the speed of other programs is compared with.
    pub const MAIN: [Self; 4] = [
        Self::USUAL,
        Self { name: "64_attempts_log", attempts_log: true, ..Self::USUAL },
        Self::WIDE,
        Self { name: "256_attempts_log", attempts_log: true, ..Self::WIDE },
    ];

    /// What differs from it in one thing each.
    pub const OTHERS: [Self; 8] = [
        Self { name: "1024", in_flight: 1_024, ..Self::USUAL },
        Self { name: "256_unsigned", signed: false, ..Self::WIDE },
        Self { name: "256_tls", tls: true, ..Self::WIDE },
        Self { name: "256_fan_out_3", endpoints: 3, ..Self::WIDE },
        Self { name: "256_5_kb", events: Events::USUAL.of_bytes(5_000), ..Self::WIDE },
        Self { name: "256_50_kb", events: Events::USUAL.of_bytes(50_000), ..Self::WIDE },
        Self { name: ONE_MERCHANT, events: Events::USUAL.of_merchants(1), ..Self::WIDE },
        Self { name: MANY_MERCHANTS, events: Events::USUAL.of_merchants(100_000), ..Self::WIDE },
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::MAIN.into_iter().chain(Self::OTHERS)
    }

    /// Requests for so many events.
    pub fn requests(self, events: u64) -> u64 {
        events * self.endpoints
    }
}

/// What one merchant costs, and what many do.
pub const ONE_MERCHANT: &str = "256_one_merchant";
pub const MANY_MERCHANTS: &str = "256_100000_merchants";
