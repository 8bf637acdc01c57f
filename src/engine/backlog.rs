//! What a class could not take and will come back for its slots: when, beside how fast it works them off.

use super::{
    pace::Pace,
    returns::{Parking, Returns},
};
use crate::model::{Grade, Span, Timestamp};

/// Deliveries that were sent away, and how fast attempts of the class end.
#[derive(Debug, Default)]
pub struct Backlog {
    pace: Pace,
    /// Those that will come back.
    returns: Returns,
    /// With them those that came back of late, most of which are sent away again.
    circling: Returns,
    /// How many were sent away in this millisecond.
    sent: (Timestamp, u64),
}

impl Backlog {
    /// An attempt of the class ended; `idle` when it was the last and nothing waits.
    pub fn ended(&mut self, now: Timestamp, idle: bool) {
        self.pace.ended(now, 1.0, idle);
    }

    /// The grade for one more that is sent away, where so many wait: there will be room for it when it
    /// comes back, and the class has something to do until then. As long as nothing is known, `assumed`
    /// attempts end each second; `None` where nobody can tell.
    pub fn grade(
        &mut self,
        now: Timestamp,
        parking: Parking<'_>,
        waiting: usize,
        assumed: Option<usize>,
    ) -> Option<Grade> {
        let per_second = self.pace.per_second().or(assumed.map(as_f64))?.max(1.0);
        // Whatever was due is here, or was sent away again.
        self.returns.forget(now, Span::ZERO);
        // Nobody who is sent away now is back sooner.
        let soonest = parking.ladder.smallest().delay();
        Some(self.returns.fitting(now, parking, (waiting, per_second), soonest))
    }

    /// One is sent away until then.
    pub fn sent_away(&mut self, now: Timestamp, until: Timestamp) {
        self.returns.add(until);
        self.circling.add(until);
        self.sent = (now, self.sent_at(now) + 1);
    }

    /// Whether one more that came back in vain may be sent away in this millisecond. Thousands come
    /// back together where they were sent away together; this spreads them over the shortest grade,
    /// `soonest`, so that the class is never without some.
    pub fn may_send_away(&mut self, now: Timestamp, soonest: Span) -> bool {
        self.circling.forget(now, soonest);
        let at_once = 1 + self.circling.due_by(now) / soonest.as_millis().max(1);
        self.sent_at(now) < at_once
    }

    fn sent_at(&self, now: Timestamp) -> u64 {
        if self.sent.0 == now { self.sent.1 } else { 0 }
    }

    /// Some of them come back elsewhere: of none is it known when.
    pub fn forget_returns(&mut self) {
        self.returns.clear();
        self.circling.clear();
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ladder;

    /// Attempts that end each second as long as nothing is known.
    const TEN: Option<usize> = Some(10);
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// The delay, in seconds, for one more, where a hundred wait and there is room for as many.
    fn send(backlog: &mut Backlog, now: Timestamp, assumed: Option<usize>) -> Option<u64> {
        let (ladder, longest) = (&Ladder::default(), Span::from_secs(1_800));
        let grade = backlog.grade(now, Parking { ladder, longest, room: 100 }, 100, assumed)?;
        backlog.sent_away(now, now + grade.delay());
        Some(grade.delay().as_millis() / 1_000)
    }

    fn sent(backlog: &mut Backlog, now: Timestamp, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| send(backlog, now, TEN)).collect()
    }

    fn on(delay: u64, grades: &[u64]) -> usize {
        grades.iter().filter(|grade| **grade == delay).count()
    }

    #[test]
    fn who_is_sent_away_comes_back_when_there_is_room_and_before_there_is_nothing_to_do() {
        let grades = sent(&mut Backlog::default(), NOW, 300);
        // Ten a second: 5 s make room for 50; 150 on 15 s keep it busy until 30 s.
        assert_eq!([5, 15, 30].map(|delay| on(delay, &grades)), [50, 150, 100]);
    }

    #[test]
    fn who_was_to_be_back_by_now_takes_no_place_among_those_that_come() {
        let mut backlog = Backlog::default();
        assert_eq!(on(5, &sent(&mut backlog, NOW, 100)), 50);
        assert_eq!(send(&mut backlog, NOW, TEN), Some(15));
        let later = NOW + Span::from_secs(6);
        assert_eq!(on(5, &sent(&mut backlog, later, 100)), 50, "none of the others is back");
    }

    #[test]
    fn what_was_measured_counts_more_than_what_was_assumed() {
        let mut backlog = Backlog::default();
        for attempt in 0..=200 {
            backlog.ended(NOW + Span::from_millis(attempt * 10), false);
        }
        let later = NOW + Span::from_secs(2);
        assert_eq!(
            on(5, &sent(&mut backlog, later, 2_000)),
            1_000,
            "a hundred a second until 15 s"
        );
    }

    #[test]
    fn as_long_as_nothing_is_known_nobody_is_told_when_to_come_back() {
        let mut backlog = Backlog::default();
        assert_eq!(send(&mut backlog, NOW, None), None);
        for attempt in 0..=10 {
            backlog.ended(NOW + Span::from_millis(attempt * 100), false);
        }
        assert_eq!(send(&mut backlog, NOW + Span::from_secs(1), None), Some(5));
    }

    #[test]
    fn who_comes_back_elsewhere_is_not_expected() {
        let mut backlog = Backlog::default();
        sent(&mut backlog, NOW, 50);
        assert_eq!(send(&mut backlog, NOW, TEN), Some(15));
        backlog.forget_returns();
        assert_eq!(send(&mut backlog, NOW, TEN), Some(5));
    }

    #[test]
    fn who_came_back_together_is_sent_away_again_over_the_time_of_the_shortest_grade() {
        let (mut backlog, soonest) = (Backlog::default(), Span::from_secs(5));
        let sent = |backlog: &mut Backlog, now: Timestamp| {
            let all = std::iter::from_fn(|| {
                let may = backlog.may_send_away(now, soonest);
                may.then(|| backlog.sent_away(now, now + soonest))
            });
            all.count()
        };
        assert_eq!(sent(&mut backlog, NOW), 1, "one at least");
        (1..50_000).for_each(|_| backlog.sent_away(NOW, NOW + soonest));
        let back = NOW + soonest;
        assert_eq!(sent(&mut backlog, back), 11, "50,000 are ten in each of 5,000 milliseconds");
        assert_eq!(sent(&mut backlog, back), 0, "in this millisecond");
        assert_eq!(sent(&mut backlog, back + Span::from_millis(1)), 11);
        let forgotten = back + soonest + Span::from_secs(1);
        assert_eq!(sent(&mut backlog, forgotten), 1);
    }

    #[test]
    fn who_will_only_come_back_later_hurries_nobody_who_is_here() {
        let (mut backlog, soonest) = (Backlog::default(), Span::from_secs(5));
        (0..5_000).for_each(|_| backlog.sent_away(NOW, NOW + soonest));
        (0..50_000).for_each(|_| backlog.sent_away(NOW, NOW + Span::from_secs(15)));
        let back = NOW + soonest;
        let sent = std::iter::from_fn(|| {
            let may = backlog.may_send_away(back, soonest);
            may.then(|| backlog.sent_away(back, back + soonest))
        });
        assert_eq!(sent.count(), 2, "5,000 are one in each of 5,000 milliseconds");
    }
}
