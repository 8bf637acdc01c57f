//! Whether this worker is ready, and whether it lives.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::model::Span;

/// Key of the reason that every worker begins with; clear it when the work has begun.
pub const STARTING: &str = "starting";

/// Readiness as a set of reasons against it; liveness as the last turn of the loop.
#[derive(Debug)]
pub struct Health {
    state: Mutex<State>,
    stale: Duration,
}

#[derive(Debug)]
struct State {
    reasons: BTreeMap<&'static str, String>,
    beat: Instant,
}

impl Health {
    /// Not ready yet; dead when [`Health::beat`] is not called for `stale`.
    pub fn new(stale: Span) -> Self {
        let reasons =
            BTreeMap::from([(STARTING, "the worker has not joined its group yet".into())]);
        Self { state: Mutex::new(State { reasons, beat: Instant::now() }), stale: stale.into() }
    }

    /// Says why the worker is not ready, or that this is no reason any more.
    pub fn set(&self, reason_key: &'static str, reason: Option<String>) {
        let reasons = &mut self.lock().reasons;
        match reason {
            Some(reason) => reasons.insert(reason_key, reason),
            None => reasons.remove(reason_key),
        };
    }

    /// Why the worker is not ready, each as `key: sentence`; empty when it is.
    pub fn reasons(&self) -> Vec<String> {
        self.lock().reasons.iter().map(|(key, reason)| format!("{key}: {reason}")).collect()
    }

    /// The loop turned.
    pub fn beat(&self) {
        self.lock().beat = Instant::now();
    }

    /// How long the loop has stood still, when that is too long.
    pub fn stalled(&self) -> Option<Span> {
        self.stalled_at(Instant::now())
    }

    fn stalled_at(&self, now: Instant) -> Option<Span> {
        let still = now.saturating_duration_since(self.lock().beat);
        (still > self.stale).then(|| Span::from(still))
    }

    /// Every change is one assignment, so a poisoned lock holds a whole state.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_the_absence_of_reasons() {
        let health = Health::new(Span::from_secs(60));
        assert_eq!(health.reasons(), ["starting: the worker has not joined its group yet"]);
        health.set("kafka", Some("no broker answers".into()));
        health.set(STARTING, None);
        assert_eq!(health.reasons(), ["kafka: no broker answers"]);
        health.set("kafka", None);
        assert!(health.reasons().is_empty());
    }

    #[test]
    fn a_loop_that_stands_still_too_long_is_dead() {
        let health = Health::new(Span::from_secs(60));
        let now = Instant::now();
        assert_eq!(health.stalled_at(now + Duration::from_secs(30)), None);
        assert!(health.stalled_at(now + Duration::from_secs(90)).is_some());
    }
}
