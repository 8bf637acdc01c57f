//! How often an endpoint may be asked, and how many turns it gets beside others.

/// A token bucket: so many attempts a second, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds from one token to the next.
    interval: u64,
    /// Tokens that a full bucket holds; at least 1.
    burst: u32,
}

/// A share of turns, in tenths of an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(u32);

const SECOND: f64 = 1e9;

impl Rate {
    /// From 0.001 to 100,000 attempts a second and a burst from 1 to 1,000,000; `None` beyond that.
    pub fn parse(per_second: f64, burst: Option<f64>) -> Option<Self> {
        let burst = burst.unwrap_or_else(|| per_second.clamp(1.0, 1e6));
        let good = (0.001..=100_000.0).contains(&per_second) && (1.0..=1e6).contains(&burst);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        good.then(|| Self { interval: (SECOND / per_second).round() as u64, burst: burst as u32 })
    }

    /// Nanoseconds from one token to the next.
    pub const fn interval_nanos(self) -> u64 {
        self.interval
    }

    /// Tokens that a full bucket holds.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Attempts a second in the long run.
    #[expect(clippy::cast_precision_loss, reason = "at most a million million")]
    pub fn per_second(self) -> f64 {
        SECOND / self.interval as f64
    }
}

impl Weight {
    /// One turn a round.
    pub const ONE: Self = Self(10);

    /// From 0.1 to 100 turns a round, to a tenth.
    pub fn parse(turns: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        (0.1..=100.0).contains(&turns).then(|| Self((turns * 10.0).round() as u32))
    }

    /// Tenths of a turn each round.
    pub const fn tenths(self) -> u32 {
        self.0
    }
}
