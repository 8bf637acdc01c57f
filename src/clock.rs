//! The only reader of time.
//!
//! Everything that decides works in *broker time*: the clock that stamps append times, by which
//! delays of the ladder are counted. It is estimated from the append times that the broker tells
//! us ([`estimate`]), on top of the machine's monotonic clock.

pub mod estimate;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use jiff::SignedDuration;

use self::estimate::Estimate;
use crate::model::Timestamp;

/// No offset is as far.
const UNKNOWN: i64 = i64::MIN;

/// Tells the time; cheap to clone, and all clones tell the same.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Instant,
    /// Absent on brokers that do not stamp append time.
    estimate: Option<Mutex<Estimate>>,
    /// The estimate, once it is measured, or [`UNKNOWN`]: time is told without the lock.
    measured: AtomicI64,
    /// The latest time told.
    told: AtomicI64,
}

/// How wrong the wall clock of this process is, for tests.
#[cfg(feature = "fail-points")]
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// Sets the wall clock of this process alone so many milliseconds ahead.
#[cfg(feature = "fail-points")]
pub fn shift_wall(millis: i64) {
    SHIFT.store(millis, Ordering::Relaxed);
}

impl Clock {
    /// A clock that follows the broker's append times.
    pub fn new() -> Self {
        Self::with(Some(Mutex::default()))
    }

    /// A clock for brokers that know only `CreateTime` (the embedded one): broker time is the
    /// wall clock.
    pub fn without_offset() -> Self {
        Self::with(None)
    }

    /// Broker time: never ahead of the broker as far as can be known, and never going back.
    pub fn now(&self) -> Timestamp {
        let local = self.local(self.instant());
        let time = local.saturating_add(self.offset(local));
        let told = self.0.told.load(Ordering::Acquire);
        if told >= time {
            return Timestamp::from_millis(told);
        }
        Timestamp::from_millis(self.0.told.fetch_max(time, Ordering::AcqRel).max(time))
    }

    /// The machine's wall clock; for people and for certificates, never for due times.
    #[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
    pub fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        #[cfg(feature = "fail-points")]
        let millis = millis.saturating_add(SHIFT.load(Ordering::Relaxed));
        Timestamp::from_millis(millis)
    }

    /// The machine's monotonic clock; for deadlines and for how long something took.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// How far the broker is ahead of the wall clock; zero until the broker acknowledged
    /// something.
    pub fn skew(&self) -> SignedDuration {
        let local = self.local(self.instant());
        let stand_in = self.wall().as_millis().saturating_sub(local);
        let measured = self.0.estimate.as_ref().map(|estimate| {
            let estimate = estimate.lock().unwrap_or_else(PoisonError::into_inner);
            if estimate.is_measured() { estimate.offset(stand_in) - stand_in } else { 0 }
        });
        SignedDuration::from_millis(measured.unwrap_or(0))
    }

    /// Learns from a record that we produced: its append time, and when it was handed to the
    /// client and acknowledged.
    pub fn observe_acknowledged(&self, appended: Timestamp, sent: Instant, received: Instant) {
        let (sent, received) = (self.local(sent), self.received(received));
        self.learn(|estimate| estimate.acknowledged(appended.as_millis(), sent, received));
    }

    /// Learns from a record that we consumed just now: its append time has passed.
    pub fn observe_consumed(&self, appended: Timestamp) {
        let received = self.received(self.instant());
        self.learn(|estimate| estimate.consumed(appended.as_millis(), received));
    }

    fn with(estimate: Option<Mutex<Estimate>>) -> Self {
        let (measured, told) = (AtomicI64::new(UNKNOWN), AtomicI64::new(i64::MIN));
        Self(Arc::new(Inner { base: Instant::now(), estimate, measured, told }))
    }

    /// Local time in whole milliseconds since this clock was made.
    fn local(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.0.base).as_millis();
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    /// Local time of a receipt: rounded up, so that what is learned stays a lower bound.
    fn received(&self, at: Instant) -> i64 {
        self.local(at).saturating_add(1)
    }

    fn offset(&self, local: i64) -> i64 {
        let measured = self.0.measured.load(Ordering::Acquire);
        if measured != UNKNOWN {
            return measured;
        }
        let stand_in = self.wall().as_millis().saturating_sub(local);
        match &self.0.estimate {
            Some(estimate) => {
                estimate.lock().unwrap_or_else(PoisonError::into_inner).offset(stand_in)
            }
            None => stand_in,
        }
    }

    fn learn(&self, sample: impl FnOnce(&mut Estimate)) {
        if let Some(estimate) = &self.0.estimate {
            let mut estimate = estimate.lock().unwrap_or_else(PoisonError::into_inner);
            sample(&mut estimate);
            if estimate.is_measured() {
                self.0.measured.store(estimate.offset(UNKNOWN), Ordering::Release);
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
