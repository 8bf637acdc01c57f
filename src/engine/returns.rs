//! The parked deliveries of a lane, by the time of their return: where the next one fits in.

use std::collections::BTreeMap;

use crate::model::{Grade, Ladder, Span, Timestamp};

/// So late it is not expected any more: it went another way.
const LOST: Span = Span::from_secs(3_600);

/// Counts by second, so that the table stays small.
#[derive(Debug, Default)]
pub struct Returns {
    due: BTreeMap<i64, u64>,
    total: u64,
}

/// A lane as the next parked delivery sees it.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// Deliveries that wait in it.
    pub waiting: usize,
    /// Deliveries that should wait in it at most.
    pub room: usize,
    /// Attempts that end each second.
    pub per_second: f64,
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

    /// The shortest grade, up to `longest`, at whose end the lane has room for one more. Where the
    /// lane would have nothing to do before that, the longest at whose end it still has: rather
    /// sent back again than late.
    pub fn fitting(
        &mut self,
        now: Timestamp,
        ladder: &Ladder,
        longest: Span,
        lane: Outlook,
    ) -> Grade {
        self.forget_lost(now);
        let dry = self.dry_after(now, lane);
        let mut fitting = ladder.smallest();
        for grade in ladder.grades().iter().filter(|grade| grade.delay() <= longest) {
            let delay = grade.delay().as_secs_f64();
            if delay > dry {
                break;
            }
            fitting = *grade;
            let back = self.due.range(..=(now + grade.delay()).as_seconds());
            let back: u64 = back.map(|(_, count)| count).sum();
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let (load, room) = (lane.waiting as f64 + back as f64, lane.room as f64);
            if load < room + lane.per_second * delay {
                break;
            }
        }
        fitting
    }

    /// Seconds until the lane has worked off what waits and what comes back in time.
    fn dry_after(&self, now: Timestamp, lane: Outlook) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = |deliveries: u64| deliveries as f64 / lane.per_second;
        let mut dry = seconds(u64::try_from(lane.waiting).unwrap_or(u64::MAX));
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

    fn forget_lost(&mut self, now: Timestamp) {
        let limit = now.as_seconds() - i64::try_from(LOST.as_millis() / 1_000).unwrap_or(0);
        while let Some(first) = self.due.first_entry().filter(|first| *first.key() < limit) {
            self.total -= first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LANE: Outlook = Outlook { waiting: 100, room: 100, per_second: 10.0 };

    fn parked(count: usize, longest: u64) -> Vec<u64> {
        let (mut returns, ladder) = (Returns::default(), Ladder::default());
        let mut grades = Vec::new();
        for _ in 0..count {
            let grade = returns.fitting(NOW, &ladder, Span::from_secs(longest), LANE);
            returns.add(NOW + grade.delay());
            grades.push(grade.delay().as_millis() / 1_000);
        }
        grades
    }

    #[test]
    fn who_is_parked_comes_back_before_the_lane_has_nothing_to_do() {
        let grades = parked(2_000, 600);
        // Ten a second: 5 s make room for 50; to bridge the 90 s from 30 s to 2 min, 900 come early.
        for (delay, expected) in [(5, 50), (15, 150), (30, 900), (120, 900)] {
            let found = grades.iter().filter(|grade| **grade == delay).count();
            assert!(found.abs_diff(expected) <= 2, "{found} on {delay}s");
        }
        assert!(grades.is_sorted(), "who comes first is parked for the shortest");
    }

    #[test]
    fn nothing_is_parked_for_longer_than_allowed() {
        assert_eq!(parked(2_000, 30).iter().max(), Some(&30));
        assert_eq!(parked(10, 1).iter().max(), Some(&5), "the smallest grade in any case");
    }

    #[test]
    fn who_came_back_or_never_will_takes_no_place() {
        let ladder = Ladder::default();
        let mut returns = Returns::default();
        let due = NOW + Span::from_secs(5);
        (0..60).for_each(|_| returns.add(due));
        let longest = Span::from_secs(600);
        assert_ne!(returns.fitting(NOW, &ladder, longest, LANE), ladder.smallest());
        (0..60).for_each(|_| returns.remove(due));
        returns.remove(due);
        assert_eq!(returns.total(), 0);
        assert_eq!(returns.fitting(NOW, &ladder, longest, LANE), ladder.smallest());
        (0..60).for_each(|_| returns.add(due));
        let later = due + Span::from_secs(3_700);
        assert_eq!(returns.fitting(later, &ladder, longest, LANE), ladder.smallest());
        assert_eq!(returns.total(), 0);
    }

    #[test]
    fn what_comes_back_when_the_lane_is_dry_already_does_not_keep_it_busy() {
        let ladder = Ladder::default();
        let mut returns = Returns::default();
        let fitting = |returns: &mut Returns, waiting| {
            let lane = Outlook { waiting, room: 0, per_second: 10.0 };
            returns.fitting(NOW, &ladder, Span::from_secs(600), lane).delay().as_millis() / 1_000
        };
        assert_eq!(fitting(&mut returns, 150), 15, "dry in that moment");
        (0..1_000).for_each(|_| returns.add(NOW + Span::from_secs(100)));
        assert_eq!(fitting(&mut returns, 60), 5, "dry after 6 s");
    }

    #[test]
    fn who_is_late_by_an_hour_at_most_is_expected() {
        let (mut returns, ladder) = (Returns::default(), Ladder::default());
        returns.add(NOW);
        for (late, expected) in [(60, 1), (3_600, 1), (3_601, 0)] {
            let now = NOW + Span::from_secs(late);
            returns.fitting(now, &ladder, Span::from_secs(600), LANE);
            assert_eq!(returns.total(), expected, "{late} s late");
        }
    }
}
