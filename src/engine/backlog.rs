//! What a class has been promised: how long one more delivery will wait for its turn.

use super::pace::Pace;
use crate::model::{Span, Timestamp};

/// Deliveries that were sent away and come back, beside how fast the class works them off.
#[derive(Debug, Default)]
pub struct Backlog {
    pace: Pace,
    /// Deliveries sent away and not worked off, as of `counted`.
    away: f64,
    counted: Option<Timestamp>,
}

impl Backlog {
    /// An attempt of the class ended; `idle` when it was the last and nothing waits.
    pub fn ended(&mut self, now: Timestamp, idle: bool) {
        self.pace.ended(now, 1.0, idle);
    }

    /// How long one more has to wait, where so many wait here and `unmeasured` end each second as
    /// long as nothing is known. It counts among those that were sent away from now on.
    pub fn book(&mut self, now: Timestamp, waiting: usize, unmeasured: usize) -> Span {
        let per_second = self.pace.per_second().unwrap_or(as_f64(unmeasured)).max(1.0);
        let passed = self.counted.map_or(Span::ZERO, |before| now.since(before));
        self.away = (self.away - per_second * passed.as_secs_f64()).max(0.0) + 1.0;
        self.counted = Some(now);
        Span::from_secs_f64((self.away + as_f64(waiting)) / per_second)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn each_one_that_is_sent_away_makes_the_next_wait_longer_until_it_is_worked_off() {
        let mut backlog = Backlog::default();
        let waits: Vec<_> = (0..100).map(|_| backlog.book(NOW, 100, 10).as_millis()).collect();
        assert_eq!((waits[0], waits[99]), (10_100, 20_000), "ten a second");
        let later = NOW + Span::from_secs(5);
        assert_eq!(backlog.book(later, 0, 10).as_millis(), 5_100, "50 are worked off");
        let much_later = NOW + Span::from_secs(60);
        assert_eq!(backlog.book(much_later, 0, 10).as_millis(), 100);
    }

    #[test]
    fn what_was_measured_counts_more_than_what_was_assumed() {
        let mut backlog = Backlog::default();
        for attempt in 0..=200 {
            backlog.ended(NOW + Span::from_millis(attempt * 10), false);
        }
        let later = NOW + Span::from_secs(2);
        assert_eq!(backlog.book(later, 99, 1).as_millis(), 1_000, "a hundred a second");
    }
}
