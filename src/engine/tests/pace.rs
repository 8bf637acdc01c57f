use super::scenario::*;
use crate::engine::pace::Pace;
use crate::model::Span;

#[test]
fn a_pace_is_what_ended_in_a_window_of_a_second_at_least_by_its_length() {
    let mut pace = Pace::default();
    pace.ended(START, 1.0, false);
    for window in 1..=2 {
        let now = START + Span::from_millis(1_200 * window);
        (0..6).for_each(|_| pace.ended(now, 1.0, false));
    }
    // One in the first window, six in the second, each of 1.2 s, and the mean of both.
    let found = pace.per_second().unwrap();
    assert!((found - (1.0 + 6.0) / 1.2 / 2.0).abs() < 0.001, "{found}");
}

#[test]
fn an_end_that_stands_for_several_counts_so_often() {
    let mut pace = Pace::default();
    pace.ended(START, 4.0, false);
    pace.ended(START + seconds(1), 2.5, false);
    assert_eq!(pace.per_second(), Some(2.5));
}
