//! Turns, rates and caps of lanes beside each other.

use std::collections::BTreeMap;

use super::scenario::*;
use crate::{engine::*, model::*};

/// A scenario with so many slots and these merchants, each with `count` events that wait.
fn waiting(slots: usize, merchants: &[(&str, Policy)], count: usize) -> Scenario {
    let mut given = Scenario::with(Settings {
        max_in_flight: slots,
        lane_records: 10_000,
        hold: HoldBounds { records: 100_000, bytes: 1 << 30, with_directory: usize::MAX },
        ..settings()
    });
    given.engine.allow_attempts(false);
    for (name, policy) in merchants {
        given.know(merchant(name, vec![endpoint("main", policy.clone())]));
        for _ in 0..count {
            given.read(completions(0), name);
        }
    }
    given.engine.allow_attempts(true);
    given.settle();
    given
}

fn merchant_of(attempt: &Attempt) -> String {
    attempt.event.merchant.to_string()
}

/// Ends `count` attempts one after the other and counts whose began.
fn served(given: &mut Scenario, count: usize) -> BTreeMap<String, usize> {
    let mut begun = BTreeMap::new();
    for _ in 0..count {
        let attempt = given.attempt();
        *begun.entry(merchant_of(&attempt)).or_default() += 1;
        given.answer(attempt.id, 200);
    }
    begun
}

fn weighing(turns: f64) -> Policy {
    Policy { weight: Weight::parse(turns).unwrap(), max_in_flight: 1_000, ..policy(&[5]) }
}

fn limited(per_second: f64, burst: f64) -> Policy {
    Policy { rate: Rate::parse(per_second, Some(burst)), max_in_flight: 1_000, ..policy(&[5]) }
}

#[test]
fn endpoints_of_one_weight_take_turns_whatever_waits_behind_them() {
    let merchants = [("big", weighing(1.0)), ("small", weighing(1.0))];
    let mut given = waiting(1, &merchants, 100);
    assert_eq!(served(&mut given, 100), BTreeMap::from([("big".into(), 50), ("small".into(), 50)]));
}

#[test]
fn turns_follow_the_weights_fractions_included() {
    let merchants = [("half", weighing(0.5)), ("one", weighing(1.0)), ("three", weighing(3.0))];
    let mut given = waiting(1, &merchants, 400);
    let served = served(&mut given, 450);
    for (name, expected) in [("half", 50), ("one", 100), ("three", 300)] {
        assert!(served[name].abs_diff(expected) <= 3, "{served:?}");
    }
}

#[test]
fn a_heavy_endpoint_with_nothing_to_do_saves_no_turns() {
    let merchants = [("heavy", weighing(100.0)), ("light", weighing(1.0))];
    let mut given = waiting(1, &merchants, 1);
    served(&mut given, 2);
    given.engine.allow_attempts(false);
    for name in ["light", "heavy", "light", "heavy"] {
        given.read(completions(0), name);
    }
    given.engine.allow_attempts(true);
    given.settle();
    assert_eq!(merchant_of(&given.attempt()), "light", "it came first");
}

#[test]
fn a_rate_is_kept_over_first_attempts_and_retries_together() {
    let mut given = waiting(1_000, &[("acme", limited(10.0, 5.0))], 200);
    assert_eq!(given.attempts.len(), 5, "the burst");
    let mut begun = Vec::new();
    for _ in 0..100 {
        for attempt in std::mem::take(&mut given.attempts) {
            begun.push(given.now);
            // Every second one fails and comes back over the ladder.
            given.answer(attempt.id, if begun.len() % 2 == 0 { 500 } else { 200 });
        }
        for route in std::mem::take(&mut given.routes) {
            given.routed(&route);
            if matches!(route.to, Destination::Grade(_)) {
                given.return_route(&route);
            }
        }
        given.pass(Span::from_millis(100));
    }
    assert_eq!(begun.len(), 5 + 99, "ten a second for 9.9 s, and the burst");
    for (at, first) in begun.iter().enumerate() {
        let window = begun[at..].iter().take_while(|last| last.since(*first) < seconds(2));
        assert!(window.count() <= 5 + 20, "at {first}");
    }
}

#[test]
fn a_limited_endpoint_takes_no_slot_from_others_and_wakes_by_itself() {
    let merchants = [("limited", limited(1.0, 1.0)), ("free", weighing(1.0))];
    let mut given = waiting(2, &merchants, 20);
    let begun = served(&mut given, 21);
    assert_eq!(begun, BTreeMap::from([("limited".into(), 1), ("free".into(), 20)]));
    assert!(given.attempts.is_empty());
    given.pass(Span::from_millis(999));
    assert!(given.attempts.is_empty());
    given.pass(Span::from_millis(1));
    assert_eq!(merchant_of(&given.attempt()), "limited");
}

#[test]
fn a_lane_that_emptied_keeps_what_was_taken_of_its_rate() {
    let mut given = waiting(10, &[("acme", limited(1.0, 2.0))], 2);
    assert_eq!(served(&mut given, 2).len(), 1);
    given.read(completions(0), "acme");
    assert!(given.attempts.is_empty(), "the bucket is empty though the lane was");
    given.pass(seconds(1));
    assert_eq!(given.attempts.len(), 1);
    served(&mut given, 1);
    given.pass(seconds(2));
    assert_eq!(given.engine.status(given.now, 10).lanes.len(), 0, "and then it is forgotten");
}

#[test]
fn a_changed_rate_holds_at_once() {
    let mut given = waiting(10, &[("acme", limited(0.01, 1.0))], 5);
    served(&mut given, 1);
    given.know(merchant("acme", vec![endpoint("main", limited(1_000.0, 1.0))]));
    given.read(completions(0), "acme");
    given.pass(Span::from_millis(10));
    assert_eq!(given.attempts.len(), 5);
}

#[test]
fn a_policy_that_changes_holds_for_what_waits_already() {
    let before = Policy { max_in_flight: 2, ..policy(&[]) };
    let after = Policy { max_in_flight: 1, ..policy(&[]) };
    let mut given = waiting(8, &[("m1", before)], 4);
    let [first, second] = [given.attempt(), given.attempt()];
    given.know(merchant("m1", vec![endpoint("main", after)]));
    given.answer(first.id, 200);
    given.settle();
    assert_eq!(given.engine.in_flight(), 1, "the second alone");
    given.answer(second.id, 200);
    given.settle();
    assert_eq!(given.engine.in_flight(), 1, "the next one");
}

#[test]
fn a_wider_rate_lets_what_waits_begin_without_another_delivery() {
    let before = limited(0.001, 1.0);
    let mut given = waiting(8, &[("m1", before)], 2);
    let first = given.attempt();
    given.answer(first.id, 200);
    given.pass(Span::from_secs(5));
    assert_eq!(given.engine.in_flight(), 0, "one token in a thousand seconds");
    given.know(merchant("m1", vec![endpoint("main", policy(&[]))]));
    given.settle();
    assert_eq!(given.engine.in_flight(), 1);
}

#[test]
fn a_higher_cap_lets_what_waits_begin_while_nothing_ends() {
    let capped = |cap| Policy { max_in_flight: cap, ..policy(&[]) };
    let mut given = waiting(8, &[("m1", capped(1))], 4);
    assert_eq!(given.engine.in_flight(), 1);
    given.know(merchant("m1", vec![endpoint("main", capped(3))]));
    given.settle();
    assert_eq!(given.engine.in_flight(), 3);
}

#[test]
fn a_turn_that_needs_no_attempt_takes_nothing_of_the_rate() {
    let mut given = Scenario::with(Settings { max_in_flight: 1, ..settings() });
    given.know(merchant("other", vec![endpoint("main", policy(&[5]))]));
    let mut limited = merchant("limited", vec![endpoint("main", limited(1.0, 1.0))]);
    given.know(limited.clone());
    given.read(completions(0), "other");
    given.read(completions(0), "limited");
    limited.state = State::Paused;
    given.know(limited.clone());
    let other = given.attempt();
    given.answer(other.id, 200);
    assert_eq!(given.route().envelope.parked, 1, "its turn came, and it is paused");
    limited.state = State::Active;
    given.know(limited);
    for _ in 0..2 {
        given.read(completions(0), "limited");
    }
    let first = given.attempt();
    given.answer(first.id, 200);
    given.pass(Span::from_millis(999));
    assert!(given.attempts.is_empty());
    given.pass(Span::from_millis(1));
    assert_eq!(given.attempts.len(), 1, "a second after the first");
}
