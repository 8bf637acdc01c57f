//! Finds attempts that take longer than is usual, while they run: a merchant that hangs is known by
//! that long before its deadline.

use std::collections::VecDeque;

use super::{AttemptId, Engine, latency::Latency, timers::Timer};
use crate::model::{Span, Timestamp};

/// Nothing below this is slow,
const LEAST: Span = Span::from_millis(50);
/// and everything above this.
const MOST: Span = Span::from_secs(1);
/// Between them, so many times the 99th percentile.
const TIMES: u64 = 4;

/// Attempts in the order of their starts, and what is usual.
#[derive(Debug, Default)]
pub struct Slow {
    latency: Latency,
    started: VecDeque<(Timestamp, AttemptId)>,
    armed: bool,
}

impl Slow {
    /// An acknowledged attempt took so long.
    pub fn acknowledged(&mut self, took: Span) {
        self.latency.add(took);
    }

    /// What takes longer than this is slow. While nothing is known, a worker that begins with a backlog
    /// is slow itself: connections are opened, and that is no fault of merchants.
    pub fn threshold(&self) -> Span {
        let p99 = self.latency.p99();
        if p99 == Span::ZERO {
            return MOST;
        }
        Span::from_millis(p99.as_millis().saturating_mul(TIMES)).clamp(LEAST, MOST)
    }
}

impl Engine {
    /// An attempt began.
    pub(super) fn watch_for_slow(&mut self, now: Timestamp, attempt: AttemptId) {
        self.slow.started.push_back((now, attempt));
        self.arm();
    }

    /// Tells the lanes of attempts that have become slow.
    pub(super) fn look_for_slow(&mut self, now: Timestamp) {
        self.slow.armed = false;
        let threshold = self.slow.threshold();
        while let Some((started, attempt)) = self.slow.started.front().copied() {
            let runs = self.attempts.get_mut(&attempt);
            if runs.is_some() && now < started + threshold {
                break;
            }
            self.slow.started.pop_front();
            if let Some(attempt) = runs {
                attempt.is_slow = true;
                self.lanes.slowed(attempt.lane);
            }
        }
        self.arm();
    }

    fn arm(&mut self) {
        let at = self.slow.started.front().map(|(started, _)| *started + self.slow.threshold());
        if let Some(at) = at.filter(|_| !self.slow.armed) {
            self.slow.armed = true;
            self.timers.set(at, Timer::Slow);
        }
    }
}
