//! Endpoints that hang or failed last share a part of the slots.

use super::scenario::*;
use crate::{engine::*, model::*};

#[test]
fn endpoints_that_hang_take_their_part_of_the_slots_and_leave_the_rest() {
    let slots = Settings { max_in_flight: 100, max_suspects: 20, ..settings() };
    let mut given = Scenario::with(Settings {
        hold: HoldBounds { records: 10_000, bytes: 1 << 30, with_directory: usize::MAX },
        lane_records: 1_000,
        ..slots
    });
    let names: Vec<String> = (0..50).map(|at| format!("hangs-{at}")).collect();
    for name in names.iter().chain([&"well".to_owned()]) {
        given.know(merchant(name, vec![endpoint("main", policy(&[5, 15]))]));
    }
    // Each of them hangs with one attempt, and is known by that after a second.
    for name in &names {
        given.read(completions(0), name);
    }
    assert_eq!(given.attempts.len(), 50);
    given.pass(seconds(1));
    assert_eq!(given.engine.status(given.now, 1).suspects, 50);
    for _ in 0..10 {
        for name in &names {
            given.read(completions(0), name);
        }
    }
    assert_eq!(given.attempts.len(), 50, "more than their part runs already");
    for _ in 0..8 {
        given.read(completions(0), "well");
    }
    assert_eq!(given.attempts.len(), 58, "others are not held up");
    let hanging: Vec<_> = given.attempts.drain(..50).collect();
    for attempt in &hanging {
        given.answer(attempt.id, 500);
    }
    given.pass(Span::from_millis(10));
    let status = given.engine.status(given.now, 1);
    assert_eq!(status.suspects, 20, "from now on they have their part and no more");
}

#[test]
fn endpoints_that_failed_begin_by_and_by_and_the_others_at_once() {
    let mut given = Scenario::with(Settings { lane_records: 1_000, ..settings() });
    for merchant_id in 0..40 {
        let name = format!("fails-{merchant_id}");
        given.know(merchant(&name, vec![endpoint("main", policy(&[5, 15]))]));
        given.read(completions(0), &name);
    }
    given.know(merchant("well", vec![endpoint("main", policy(&[5]))]));
    assert_eq!(given.attempts.len(), 40, "nothing is known of them");
    for attempt in std::mem::take(&mut given.attempts) {
        given.answer(attempt.id, 500);
    }
    for route in std::mem::take(&mut given.routes) {
        given.routed(&route);
        given.return_route(&route);
    }
    given.pass(seconds(5));
    assert_eq!(given.attempts.len(), 5, "of those that are due at the same time");
    (0..3).for_each(|_| _ = given.read(completions(0), "well"));
    assert_eq!(given.attempts.len(), 8);
    given.pass(Span::from_millis(4));
    assert_eq!(given.attempts.len(), 8, "still");
    given.pass(Span::from_millis(1));
    assert_eq!(given.attempts.len(), 13);
    given.pass(Span::from_millis(30));
    assert_eq!(given.attempts.len(), 43, "all of them");
}

/// Ten of forty slots for suspects, and forty records for the partition.
fn ten_for_suspects() -> Scenario {
    Scenario::with(Settings {
        max_in_flight: 40,
        max_suspects: 10,
        hold: HoldBounds { records: 40, bytes: 1 << 20, with_directory: usize::MAX },
        ..settings()
    })
}

/// Ten endpoints that hang, with one attempt each, which are all the slots they may have; behind them
/// wait twenty deliveries, half of what the partition may hold.
fn hanging() -> (Scenario, Vec<String>) {
    let mut given = ten_for_suspects();
    let names: Vec<String> = (0..10).map(|at| format!("hangs-{at}")).collect();
    for name in names.iter().chain([&"well".to_owned()]) {
        let policy = Policy { max_in_flight: 100, ..policy(&[5]) };
        given.know(merchant(name, vec![endpoint("main", policy)]));
    }
    for name in &names {
        given.read(completions(0), name);
    }
    given.pass(seconds(1));
    for _ in 0..2 {
        for name in &names {
            given.read(completions(0), name);
        }
    }
    (given, names)
}

#[test]
fn what_endpoints_that_hang_cannot_take_in_time_is_parked_for_as_long_as_it_will_wait_together() {
    let (mut given, names) = hanging();
    let mut parked = Vec::new();
    for name in names.iter().cycle().take(300) {
        given.read(completions(0), name);
        for route in std::mem::take(&mut given.routes) {
            given.routed(&route);
            parked.push(route);
        }
    }
    assert_eq!(parked.len(), 300);
    let on = |delay| parked.iter().filter(|to| to.to == Destination::Grade(grade(delay))).count();
    // One attempt a second is assumed of each of ten slots: a hundred keep them busy from 5 s until
    // 15 s, and 150 until 30 s.
    assert_eq!([5, 15, 30].map(on), [100, 150, 50]);
}

#[test]
fn what_comes_back_for_endpoints_that_hang_makes_way_at_once() {
    let (mut given, names) = hanging();
    for name in names.iter().cycle().take(100) {
        given.read(completions(0), name);
    }
    for route in std::mem::take(&mut given.routes) {
        given.routed(&route);
        given.return_route(&route);
    }
    given.pass(seconds(5));
    let again = given.routes.len();
    assert!(again > 50, "{again}: others' retries may stand behind them");
}

#[test]
fn what_one_endpoint_at_its_cap_cannot_take_is_no_wait_of_the_others_under_suspicion() {
    let mut given = ten_for_suspects();
    given.know(merchant("greedy", vec![endpoint("main", one_at_a_time())]));
    let names: Vec<String> = (0..9).map(|at| format!("hangs-{at}")).collect();
    for name in &names {
        let policy = Policy { max_in_flight: 100, ..policy(&[5]) };
        given.know(merchant(name, vec![endpoint("main", policy)]));
    }
    let all: Vec<&str> = ["greedy"].into_iter().chain(names.iter().map(String::as_str)).collect();
    for name in all {
        given.read(completions(0), name);
    }
    given.pass(seconds(1));
    for _ in 0..150 {
        given.read(completions(0), "greedy");
    }
    for name in names.iter().cycle().take(30) {
        given.read(completions(0), name);
    }
    let of_others: Vec<_> = given
        .routes
        .iter()
        .filter(|route| route.content.key.as_deref() != Some(b"greedy"))
        .map(|route| &route.to)
        .collect();
    assert!(!of_others.is_empty());
    assert!(of_others.iter().all(|to| **to == Destination::Grade(grade(5))), "{of_others:?}");
}

#[test]
fn a_partition_is_read_on_though_half_of_what_it_may_hold_waits_for_endpoints_that_hang() {
    let (mut given, _) = hanging();
    assert!(given.routes.is_empty(), "20 wait, half of what may be held");
    for _ in 0..10 {
        given.read(completions(0), "well");
    }
    let taking = |given: &Scenario| given.engine.status(given.now, 0).partitions[0].taking;
    assert!(!taking(&given), "it is full");
    let well: Vec<_> =
        given.attempts.iter().filter(|one| merchant_of(one) == "well").cloned().collect();
    for attempt in &well {
        given.answer(attempt.id, 200);
    }
    assert!(taking(&given), "those that hang hold 30 of 40, and others go on");
}

fn merchant_of(attempt: &Attempt) -> String {
    attempt.event.merchant.to_string()
}
