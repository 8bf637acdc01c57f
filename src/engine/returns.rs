//! The parked deliveries of a lane or a class, by the time of their return: where the next one fits in.

use std::collections::BTreeMap;

use crate::model::{Grade, Ladder, Span, Timestamp};

/// Counts by second, so that the table stays small.
#[derive(Debug, Default)]
pub struct Returns {
    due: BTreeMap<i64, u64>,
    total: u64,
}

/// What there is to park on, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Parking<'a> {
    /// The delay topics.
    pub ladder: &'a Ladder,
    /// The longest of them that may be used.
    pub longest: Span,
    /// Deliveries that should wait at most.
    pub room: usize,
}

impl Returns {
    /// One more comes back then.
    pub fn add(&mut self, due: Timestamp) {
        *self.due.entry(due.as_seconds()).or_default() += 1;
        self.total += 1;
    }

    /// One that was to come back then is here.
    pub fn remove(&mut self, due: Timestamp) {
        let second = due.as_seconds();
        if let Some(count) = self.due.get_mut(&second) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.due.remove(&second);
            }
        }
    }

    /// None comes back here.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many are to come back.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many were to be back by now.
    pub fn due_by(&self, now: Timestamp) -> u64 {
        self.due.range(..=now.as_seconds()).map(|(_, count)| count).sum()
    }

    /// Who is later than that is not expected any more.
    pub fn forget(&mut self, now: Timestamp, late: Span) {
        let limit = (now - late).as_seconds();
        while let Some(first) = self.due.first_entry().filter(|first| *first.key() < limit) {
            self.total -= first.remove();
        }
    }

    /// The shortest grade at whose end there is room for one more, where so many wait and attempts end
    /// at this rate. Where there would be nothing to do before that, the longest at whose end there
    /// still is: rather sent back again than late. Until `bridged` it does not matter.
    pub fn fitting(
        &self,
        now: Timestamp,
        parking: Parking<'_>,
        (waiting, per_second): (usize, f64),
        bridged: Span,
    ) -> Grade {
        let Parking { ladder, longest, room } = parking;
        let dry = self.dry_after(now, bridged, (waiting, per_second));
        let mut fitting = ladder.smallest();
        for grade in ladder.grades().iter().filter(|grade| grade.delay() <= longest) {
            let delay = grade.delay().as_secs_f64();
            if delay > dry {
                break;
            }
            fitting = *grade;
            let back = self.due_by(now + grade.delay());
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let (load, room) = (waiting as f64 + back as f64, room as f64);
            if load < room + per_second * delay {
                break;
            }
        }
        fitting
    }

    /// Seconds until what waits is worked off, and what comes back in time.
    fn dry_after(&self, now: Timestamp, bridged: Span, (waiting, per_second): (usize, f64)) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = |deliveries: u64| deliveries as f64 / per_second;
        let waiting = seconds(u64::try_from(waiting).unwrap_or(u64::MAX));
        let mut dry = waiting.max(bridged.as_secs_f64());
        for (second, count) in &self.due {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let arrival = (second - now.as_seconds()) as f64;
            if arrival > dry {
                break;
            }
            dry += seconds(*count);
        }
        dry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// The delay, in seconds, for one more of a lane that works ten off each second.
    fn fitting(returns: &Returns, waiting: usize, room: usize, longest: u64) -> u64 {
        let (ladder, longest) = (&Ladder::default(), Span::from_secs(longest));
        let parking = Parking { ladder, longest, room };
        returns.fitting(NOW, parking, (waiting, 10.0), Span::ZERO).delay().as_millis() / 1_000
    }

    /// The same of so many, one after the other.
    fn parked(count: usize, waiting: usize, longest: u64) -> Vec<u64> {
        let mut returns = Returns::default();
        let one = |_| {
            let delay = fitting(&returns, waiting, 100, longest);
            returns.add(NOW + Span::from_secs(delay));
            delay
        };
        (0..count).map(one).collect()
    }

    fn assert_on(grades: &[u64], expected: &[(u64, usize)]) {
        for (delay, expected) in expected {
            let found = grades.iter().filter(|grade| *grade == delay).count();
            assert!(found.abs_diff(*expected) <= 2, "{found} on {delay}s");
        }
    }

    #[test]
    fn who_is_parked_comes_back_before_the_lane_has_nothing_to_do() {
        let grades = parked(2_000, 100, 600);
        // Ten a second: 5 s make room for 50; to bridge the 90 s from 30 s to 2 min, 900 come early.
        assert_on(&grades, &[(5, 50), (15, 150), (30, 900), (120, 900)]);
        assert!(grades.is_sorted(), "who comes first is parked for the shortest");
    }

    #[test]
    fn nothing_is_parked_for_longer_than_allowed() {
        assert_eq!(parked(2_000, 100, 30).iter().max(), Some(&30));
        assert_eq!(parked(10, 100, 1).iter().max(), Some(&5), "the smallest grade in any case");
    }

    #[test]
    fn who_came_back_takes_no_place() {
        let mut returns = Returns::default();
        let due = NOW + Span::from_secs(5);
        (0..60).for_each(|_| returns.add(due));
        assert_ne!(fitting(&returns, 100, 100, 600), 5);
        (0..60).for_each(|_| returns.remove(due));
        returns.remove(due);
        assert_eq!(returns.total(), 0);
        assert_eq!(fitting(&returns, 100, 100, 600), 5);
    }

    #[test]
    fn what_comes_back_when_the_lane_is_dry_already_does_not_keep_it_busy() {
        let mut returns = Returns::default();
        assert_eq!(fitting(&returns, 150, 0, 600), 15, "dry in that moment");
        (0..1_000).for_each(|_| returns.add(NOW + Span::from_secs(100)));
        assert_eq!(fitting(&returns, 60, 0, 600), 5, "dry after 6 s");
    }

    #[test]
    fn where_nothing_waits_who_comes_back_in_the_time_that_is_bridged_still_keeps_it_busy() {
        let (ladder, longest, returns) =
            (&Ladder::default(), Span::from_secs(600), &mut Returns::default());
        let (parking, idle) = (Parking { ladder, longest, room: 0 }, (0, 10.0));
        let seconds = |grade: Grade| grade.delay().as_millis() / 1_000;
        (0..100).for_each(|_| returns.add(NOW + Span::from_secs(5)));
        assert_eq!(seconds(returns.fitting(NOW, parking, idle, Span::from_secs(4))), 5);
        assert_eq!(seconds(returns.fitting(NOW, parking, idle, Span::from_secs(5))), 15);
    }

    #[test]
    fn who_is_late_by_an_hour_at_most_is_expected() {
        let mut returns = Returns::default();
        returns.add(NOW);
        for (late, expected) in [(60, 1), (3_600, 1), (3_601, 0)] {
            returns.forget(NOW + Span::from_secs(late), Span::from_secs(3_600));
            assert_eq!(returns.total(), expected, "{late} s late");
        }
    }
}
