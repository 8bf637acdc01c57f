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

    /// How long one more has to wait, where so many wait here and, as long as nothing is known,
    /// `assumed` end each second; without that, not at all: rather sent back again than late. It counts
    /// among those that were sent away from now on.
    pub fn book(&mut self, now: Timestamp, waiting: usize, assumed: Option<usize>) -> Span {
        let passed = self.counted.map_or(Span::ZERO, |before| now.since(before));
        self.counted = Some(now);
        self.away += 1.0;
        let Some(per_second) = self.pace.per_second().or(assumed.map(as_f64)) else {
            return Span::ZERO;
        };
        let per_second = per_second.max(1.0);
        self.away = (self.away - per_second * passed.as_secs_f64()).max(1.0);
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
        let (mut backlog, ten) = (Backlog::default(), Some(10));
        let waits: Vec<_> = (0..100).map(|_| backlog.book(NOW, 100, ten).as_millis()).collect();
        assert_eq!((waits[0], waits[99]), (10_100, 20_000), "ten a second");
        let later = NOW + Span::from_secs(5);
        assert_eq!(backlog.book(later, 0, ten).as_millis(), 5_100, "50 are worked off");
        let much_later = NOW + Span::from_secs(60);
        assert_eq!(backlog.book(much_later, 0, ten).as_millis(), 100);
    }

    #[test]
    fn what_was_measured_counts_more_than_what_was_assumed() {
        let mut backlog = Backlog::default();
        for attempt in 0..=200 {
            backlog.ended(NOW + Span::from_millis(attempt * 10), false);
        }
        let later = NOW + Span::from_secs(2);
        assert_eq!(backlog.book(later, 99, Some(1)).as_millis(), 1_000, "a hundred a second");
    }

    #[test]
    fn as_long_as_nothing_is_known_nobody_is_sent_away_for_long() {
        let mut backlog = Backlog::default();
        (0..100).for_each(|_| assert_eq!(backlog.book(NOW, 1_000, None), Span::ZERO));
        for attempt in 0..=10 {
            backlog.ended(NOW + Span::from_millis(attempt * 100), false);
        }
        let later = NOW + Span::from_secs(1);
        assert_eq!(backlog.book(later, 0, None).as_millis(), 9_100, "91 of 101 are away yet");
    }
}
