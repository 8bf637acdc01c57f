//! How long a producer has sent and heard nothing. Pure.

use std::time::{Duration, Instant};

/// Since when something is owed. Ends with the broker's next answer to anything.
#[derive(Debug, Default)]
pub struct Silence(Option<Instant>);

impl Silence {
    /// A record was handed over.
    pub fn sent(&mut self, now: Instant) {
        self.0.get_or_insert(now);
    }

    /// The broker answered a record, and perhaps owes others.
    pub fn answered(&mut self, now: Instant, owes_more: bool) {
        self.0 = owes_more.then_some(now);
    }

    /// How long it has lasted.
    pub fn lasts(&self, now: Instant) -> Option<Duration> {
        self.0.map(|since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_lasts_from_the_first_record_without_an_answer_to_the_next_answer() {
        let (mut silence, now) = (Silence::default(), Instant::now());
        assert_eq!(silence.lasts(now), None);
        silence.sent(now);
        silence.sent(now + SECOND);
        assert_eq!(silence.lasts(now + 5 * SECOND), Some(5 * SECOND));
        silence.answered(now + 5 * SECOND, true);
        assert_eq!(silence.lasts(now + 7 * SECOND), Some(2 * SECOND), "one of two is answered");
        silence.answered(now + 8 * SECOND, false);
        assert_eq!(silence.lasts(now + 100 * SECOND), None);
    }
}
