use super::estimate::{Estimate, WINDOW_MILLIS};
use super::*;

/// The broker is 1,000,000 ms ahead of local time in these tests unless said otherwise.
const AHEAD: i64 = 1_000_000;
const WALL: i64 = 990_000;

fn acknowledged(estimate: &mut Estimate, at: i64, ahead: i64, way: i64) {
    estimate.acknowledged(at + ahead, at - way, at + way);
}

#[test]
fn the_wall_clock_stands_in_until_something_is_known() {
    assert_eq!(Estimate::default().offset(WALL), WALL);
    assert!(!Estimate::default().is_measured());
}

#[test]
fn a_consumed_record_raises_the_stand_in_but_never_lowers_it() {
    let mut estimate = Estimate::default();
    estimate.consumed(WALL - 50_000, 10);
    assert_eq!(estimate.offset(WALL), WALL);
    estimate.consumed(10 + AHEAD, 10);
    assert_eq!(estimate.offset(WALL), AHEAD);
}

#[test]
fn an_acknowledgement_ends_the_reign_of_the_wall_clock_in_both_directions() {
    for wall in [AHEAD - 60_000, AHEAD + 60_000] {
        let mut estimate = Estimate::default();
        acknowledged(&mut estimate, 100, AHEAD, 5);
        assert_eq!(estimate.offset(wall), AHEAD - 5);
        assert!(estimate.is_measured());
    }
}

#[test]
fn the_quickest_way_back_bounds_best_and_the_estimate_is_never_ahead() {
    let mut estimate = Estimate::default();
    for (at, way) in [(100, 80), (200, 3), (300, 40), (400, 7)] {
        acknowledged(&mut estimate, at, AHEAD, way);
        assert!(estimate.offset(WALL) <= AHEAD);
    }
    assert_eq!(estimate.offset(WALL), AHEAD - 3);
}

#[test]
fn old_records_from_a_backlog_change_nothing() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 5);
    estimate.consumed(AHEAD - 3_600_000, 200);
    assert_eq!(estimate.offset(WALL), AHEAD - 5);
}

#[test]
fn a_sample_is_forgotten_after_the_window() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 1);
    acknowledged(&mut estimate, 100 + WINDOW_MILLIS / 2, AHEAD, 30);
    assert_eq!(estimate.offset(WALL), AHEAD - 1);
    acknowledged(&mut estimate, 100 + WINDOW_MILLIS * 5 / 4, AHEAD, 40);
    assert_eq!(estimate.offset(WALL), AHEAD - 30);
}

#[test]
fn a_quiet_hour_does_not_bring_the_wall_clock_back() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 5);
    for minute in 1..600 {
        estimate.consumed(AHEAD - 100_000, minute * 60_000);
    }
    assert!(estimate.is_measured());
    assert_eq!(estimate.offset(WALL), AHEAD - 5);
}

#[test]
fn a_broker_set_back_is_followed_at_once() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 5);
    acknowledged(&mut estimate, 200, AHEAD - 5_000, 5);
    assert!(estimate.offset(WALL) <= AHEAD - 5_000 + 5 + 1);
}

#[test]
fn of_two_brokers_that_disagree_the_slower_one_counts() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 5);
    acknowledged(&mut estimate, 200, AHEAD + 2_000, 5);
    assert!(estimate.offset(WALL) <= AHEAD + 6);
}

#[test]
fn a_jump_of_the_clocks_is_followed() {
    let mut estimate = Estimate::default();
    acknowledged(&mut estimate, 100, AHEAD, 5);
    acknowledged(&mut estimate, 200, AHEAD + 3_600_000, 5);
    assert_eq!(estimate.offset(WALL), AHEAD + 3_600_000 - 5);
}

#[test]
fn a_record_acknowledged_before_it_was_sent_is_no_sample() {
    let mut estimate = Estimate::default();
    estimate.acknowledged(AHEAD, 200, 100);
    assert!(!estimate.is_measured());
}

#[test]
fn the_clock_never_goes_back() {
    let clock = Clock::new();
    let ahead = Timestamp::from_millis(clock.wall().as_millis() + 7_200_000);
    clock.observe_consumed(ahead);
    let before = clock.now();
    assert!(before + crate::model::Span::from_millis(1) >= ahead);
    let now = clock.instant();
    clock.observe_acknowledged(clock.wall(), now, now);
    assert!(clock.now() >= before);
}

#[test]
fn a_clock_without_offset_learns_nothing() {
    let clock = Clock::without_offset();
    clock.observe_consumed(Timestamp::from_millis(clock.wall().as_millis() + 7_200_000));
    assert!(clock.now().since(clock.wall()).as_millis() < 60_000);
    assert_eq!(clock.skew(), SignedDuration::ZERO);
}
