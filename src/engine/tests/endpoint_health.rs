//! When an endpoint is disabled, and what that costs in writes.

use std::collections::BTreeSet;

use super::scenario::*;
use crate::{engine::*, model::*};

const HOUR: Span = Span::from_secs(3_600);
const DAY: Span = Span::from_secs(86_400);

fn health() -> EndpointHealth {
    EndpointHealth::new(Patience { gone: HOUR, failing: Span::from_secs(5 * 86_400) })
}

fn key() -> EndpointKey {
    (MerchantId::parse("acme").unwrap(), EndpointId::parse("main").unwrap())
}

fn revision(offset: i64) -> Revision {
    Revision::at(Offset(offset))
}

fn observe(health: &mut EndpointHealth, at: Span, ended: Ended) -> bool {
    health.observe(START + at, &key(), revision(1), ended)
}

fn disabled(health: &EndpointHealth) -> Option<DisabledReason> {
    health.disabled().next().map(|(_, _, disabled)| disabled.reason)
}

/// The same table in a worker that has read what the first one wrote.
fn restarted(written: &[Finding]) -> EndpointHealth {
    let mut health = health();
    for (key, standing) in written {
        health.learn(key, standing.clone());
    }
    health
}

#[test]
fn an_endpoint_that_answers_only_410_for_an_hour_is_disabled() {
    let mut health = health();
    assert!(!observe(&mut health, Span::ZERO, Ended::Gone));
    assert!(!observe(&mut health, seconds(3_599), Ended::Gone));
    assert!(observe(&mut health, HOUR, Ended::Gone));
    assert_eq!(disabled(&health), Some(DisabledReason::Gone));
    assert!(!observe(&mut health, HOUR, Ended::Gone), "it is said once");
}

#[test]
fn silence_between_two_410_is_no_other_answer_but_does_not_disable_by_itself() {
    let mut health = health();
    observe(&mut health, Span::ZERO, Ended::Gone);
    assert!(!observe(&mut health, HOUR, Ended::Unanswered));
    assert!(observe(&mut health, HOUR, Ended::Gone));
}

#[test]
fn any_other_answer_begins_the_hour_anew() {
    for other in [Ended::Answered, Ended::Delivered] {
        let mut health = health();
        observe(&mut health, Span::ZERO, Ended::Gone);
        observe(&mut health, seconds(1_800), other);
        observe(&mut health, seconds(1_801), Ended::Gone);
        assert!(!observe(&mut health, seconds(3_601), Ended::Gone), "{other:?}");
        assert!(observe(&mut health, seconds(1_801).plus(HOUR), Ended::Gone), "{other:?}");
    }
}

#[test]
fn an_endpoint_that_fails_in_any_way_for_five_days_is_disabled_unless_one_succeeds() {
    for (day, ended) in [(0, Ended::Answered), (2, Ended::Unanswered), (4, Ended::Gone)] {
        let mut with_success = health();
        let mut without = health();
        for health in [&mut with_success, &mut without] {
            observe(health, Span::ZERO, Ended::Unanswered);
            assert!(!observe(health, Span::from_secs(day * 86_400 + 1), ended));
        }
        observe(&mut with_success, Span::from_secs(4 * 86_400 + 2), Ended::Delivered);
        let five = Span::from_secs(5 * 86_400);
        assert!(!observe(&mut with_success, five, Ended::Unanswered));
        assert!(observe(&mut without, five, Ended::Unanswered));
        assert_eq!(disabled(&without), Some(DisabledReason::Failing));
    }
}

#[test]
fn a_failing_streak_is_written_once_it_has_lasted_a_minute_and_its_end_at_once() {
    let mut health = health();
    for second in 0..50 {
        observe(&mut health, seconds(second), Ended::Answered);
        assert!(health.due(START + seconds(second)).is_empty());
    }
    let written = health.due(START + seconds(60));
    assert_eq!(written.len(), 1);
    let standing = written[0].1.as_ref().unwrap();
    assert_eq!(standing.failing_since, START);
    for second in 61..600 {
        observe(&mut health, seconds(second), Ended::Answered);
        assert!(health.due(START + seconds(second)).is_empty(), "attempts write nothing");
    }
    observe(&mut health, seconds(600), Ended::Delivered);
    assert_eq!(health.due(START + seconds(600)), [(key(), None)]);
    assert!(health.due(START + DAY).is_empty());
}

#[test]
fn where_thousands_fail_together_they_are_written_by_and_by_and_none_is_forgotten() {
    let (mut health, later) = (health(), START + seconds(60));
    let keys: BTreeSet<EndpointKey> = (0..1_000)
        .map(|number| (MerchantId::parse(&format!("m{number}")).unwrap(), key().1))
        .collect();
    for key in &keys {
        health.observe(START, key, revision(1), Ended::Unanswered);
    }
    assert_eq!(health.next_due(), Some(later));
    let mut written = BTreeSet::new();
    while health.next_due().is_some_and(|at| at <= later) {
        let some = health.due(later);
        assert!((1..=16).contains(&some.len()), "{} at a time", some.len());
        written.extend(some.into_iter().map(|(key, _)| key));
    }
    assert_eq!(written, keys);
}

#[test]
fn a_success_is_of_interest_as_long_as_any_endpoint_of_the_merchant_is_known_to_fail() {
    let (mut health, (merchant, first)) = (health(), key());
    let second = EndpointId::parse("second").unwrap();
    assert!(!health.knows(&merchant));
    for endpoint in [&first, &second, &first] {
        let key = (merchant.clone(), endpoint.clone());
        health.observe(START, &key, revision(1), Ended::Unanswered);
    }
    for endpoint in [first, second] {
        assert!(health.knows(&merchant));
        health.observe(START, &(merchant.clone(), endpoint), revision(1), Ended::Delivered);
    }
    assert!(!health.knows(&merchant));
}

#[test]
fn an_endpoint_that_flickers_writes_nothing_however_often_it_is_tried() {
    let mut health = health();
    for second in 0..3_600 {
        let ended = if second % 2 == 0 { Ended::Answered } else { Ended::Delivered };
        observe(&mut health, seconds(second), ended);
        assert!(health.due(START + seconds(second)).is_empty());
    }
}

#[test]
fn answers_that_change_between_410_and_others_cost_one_write_a_minute() {
    let mut health = health();
    let mut writes = 0;
    for second in 0..3_000 {
        let ended = if second % 3 == 0 { Ended::Answered } else { Ended::Gone };
        observe(&mut health, seconds(second), ended);
        writes += health.due(START + seconds(second)).len();
    }
    assert!((40..=50).contains(&writes), "{writes} in 50 minutes");
}

#[test]
fn a_restart_goes_on_where_the_streak_began() {
    let mut before = health();
    observe(&mut before, Span::ZERO, Ended::Gone);
    let written = before.due(START + seconds(60));
    let mut after = restarted(&written);
    assert!(observe(&mut after, HOUR, Ended::Gone));
}

#[test]
fn what_was_not_written_yet_is_flushed_before_a_partition_goes() {
    let mut before = health();
    observe(&mut before, Span::ZERO, Ended::Gone);
    let mut after = restarted(&before.flush());
    assert!(observe(&mut after, HOUR, Ended::Gone));
    assert!(before.flush().is_empty());
}

#[test]
fn an_edit_of_the_entry_enables_again_and_begins_anew() {
    let mut health = health();
    observe(&mut health, Span::ZERO, Ended::Gone);
    observe(&mut health, HOUR, Ended::Gone);
    let mut acme = merchant("acme", vec![endpoint("main", policy(&[]))]);
    acme.revision = revision(1);
    assert!(health.mark(&mut acme));
    assert!(acme.endpoints[0].disabled.is_some());
    assert!(!health.mark(&mut acme), "nothing is different");
    acme.revision = revision(2);
    assert!(health.mark(&mut acme));
    assert!(acme.endpoints[0].disabled.is_none());

    let again = START + HOUR.plus(HOUR);
    assert!(!health.observe(again, &key(), revision(2), Ended::Gone), "a new hour");
    assert!(health.observe(again + HOUR, &key(), revision(2), Ended::Gone));
}

#[test]
fn a_late_success_does_not_enable_what_was_disabled() {
    let mut health = health();
    observe(&mut health, Span::ZERO, Ended::Gone);
    observe(&mut health, HOUR, Ended::Gone);
    health.due(START + HOUR);
    observe(&mut health, HOUR, Ended::Delivered);
    assert_eq!(disabled(&health), Some(DisabledReason::Gone));
    assert!(health.due(START + DAY).is_empty());
}

#[test]
fn a_write_that_failed_is_made_later_as_it_is_then() {
    let mut health = health();
    observe(&mut health, Span::ZERO, Ended::Gone);
    assert_eq!(health.due(START + seconds(60)).len(), 1);
    health.unwritten(START + seconds(61), &key());
    assert!(health.due(START + seconds(62)).is_empty(), "not in a hurry");
    assert_eq!(health.due(START + seconds(121)).len(), 1);

    observe(&mut health, seconds(122), Ended::Delivered);
    assert_eq!(health.due(START + seconds(122)), [(key(), None)]);
    health.unwritten(START + seconds(123), &key());
    assert_eq!(health.due(START + seconds(183)), [(key(), None)]);
}

#[test]
fn a_merchant_that_is_removed_leaves_nothing_on_the_topic() {
    let mut health = health();
    observe(&mut health, Span::ZERO, Ended::Gone);
    health.due(START + seconds(60));
    health.forget_merchant(START + DAY, &key().0);
    assert_eq!(health.due(START + DAY), [(key(), None)]);
}

#[test]
fn what_another_worker_found_counts_here_too_and_ends_with_its_word() {
    let mut first = health();
    observe(&mut first, Span::ZERO, Ended::Gone);
    observe(&mut first, HOUR, Ended::Gone);
    let mut second = restarted(&first.due(START + HOUR));
    assert_eq!(disabled(&second), Some(DisabledReason::Gone));
    second.learn(&key(), None);
    assert_eq!(disabled(&second), None);
}

#[test]
fn events_of_a_disabled_endpoint_are_dead_letters_that_say_why() {
    let mut given = Scenario::new();
    let since = START;
    let mut disabled = endpoint("main", policy(&[5]));
    disabled.disabled = Some(Disabled { at: START, since, reason: DisabledReason::Gone });
    given.know(merchant("acme", vec![disabled, endpoint("other", policy(&[]))]));
    given.read(completions(0), "acme");
    assert_eq!(given.attempts.len(), 1, "its other endpoint has it");
    let dead = dead(&given.routes[0]);
    assert_eq!(dead.reason, DeadReason::Disabled);
    assert!(dead.message.contains("it answered only 410 since"), "{}", dead.message);
}

#[test]
fn what_waits_in_a_lane_when_its_endpoint_is_disabled_is_not_attempted() {
    let mut given = Scenario::new();
    let mut one = policy(&[5]);
    one.max_in_flight = 1;
    given.know(merchant("acme", vec![endpoint("main", one.clone())]));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    assert_eq!(given.attempts.len(), 1);
    let mut disabled = endpoint("main", one);
    disabled.disabled = Some(Disabled { at: START, since: START, reason: DisabledReason::Failing });
    given.know(merchant("acme", vec![disabled]));
    let first = given.attempts[0].id;
    given.answer(first, 500);
    assert_eq!(given.attempts.len(), 1);
    let reasons: Vec<_> = given
        .routes
        .iter()
        .filter(|route| matches!(route.to, Destination::DeadLetter(_)))
        .map(|route| dead(route).reason)
        .collect();
    assert_eq!(reasons, [DeadReason::Disabled]);
}

#[test]
fn nothing_is_known_before_the_first_failure_and_after_a_success_that_undid_it_unwritten() {
    let mut health = health();
    assert!(!health.knows(&key().0));
    observe(&mut health, Span::ZERO, Ended::Unanswered);
    assert!(health.knows(&key().0));
    observe(&mut health, seconds(1), Ended::Delivered);
    assert!(!health.knows(&key().0));
}
