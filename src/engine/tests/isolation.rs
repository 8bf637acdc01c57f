//! One endpoint's failures beside another's deliveries.

use super::scenario::*;
use crate::{engine::*, model::*};

fn read(given: &mut Scenario, events: usize) {
    for _ in 0..events {
        given.read(completions(0), "acme");
    }
}

fn failing(given: &mut Scenario, times: usize) {
    for _ in 0..times {
        let attempt = given.attempt();
        given.answer(attempt.id, 500);
    }
}

/// Answers whatever runs, and lets the broker take whatever is routed.
fn answer_all(given: &mut Scenario, status: u16) -> Vec<Route> {
    for attempt in std::mem::take(&mut given.attempts) {
        given.answer(attempt.id, status);
    }
    let routes = std::mem::take(&mut given.routes);
    for route in &routes {
        given.routed(route);
    }
    routes
}

/// An endpoint that has failed so often that it gets probes alone.
fn open() -> Scenario {
    let mut given = Scenario::with(Settings { lane_records: 1_000, ..settings() });
    read(&mut given, 5);
    failing(&mut given, 5);
    answer_all(&mut given, 500);
    assert_eq!(given.engine.status(given.now, 1).breakers_open, 1);
    given
}

#[test]
fn an_endpoint_that_fails_gets_one_probe_at_a_time_and_one_a_second_at_least() {
    let mut given = open();
    read(&mut given, 20);
    assert_eq!(given.attempts.len(), 1, "an idle lane is not vetoed");
    given.pass(Span::from_millis(999));
    assert_eq!(given.attempts.len(), 1);
    given.pass(Span::from_millis(1));
    assert_eq!(given.attempts.len(), 2, "the first probe hangs, a second has passed");
    for _ in 0..20 {
        given.pass(seconds(1));
    }
    assert!(given.attempts.len() <= 8, "its cap holds");
}

#[test]
fn a_probe_begins_at_once_when_a_second_has_passed_and_at_the_second_otherwise() {
    let mut given = open();
    read(&mut given, 1);
    given.pass(seconds(2));
    read(&mut given, 1);
    assert_eq!(given.attempts.len(), 2, "the first has run for more than a second");
    given.pass(Span::from_millis(500));
    read(&mut given, 1);
    given.pass(Span::from_millis(499));
    assert_eq!(given.attempts.len(), 2);
    given.pass(Span::from_millis(1));
    assert_eq!(given.attempts.len(), 3);
}

#[test]
fn what_loses_its_turn_for_more_than_a_second_is_parked_and_climbs() {
    let mut given = open();
    read(&mut given, 20);
    given.pass(seconds(1));
    assert!(given.routes.is_empty(), "a second is not more than a second");
    given.pass(seconds(1));
    assert!(given.routes.len() >= 16, "{} parked", given.routes.len());
    for (parked, delay) in [(1, 5), (2, 15), (3, 30)] {
        let routes = answer_all(&mut given, 500);
        let parked: Vec<_> =
            routes.iter().filter(|route| route.envelope.parked == parked).collect();
        assert!(parked.len() >= 10, "{} of {}", parked.len(), routes.len());
        for route in &parked {
            assert_eq!(
                (&route.to, route.envelope.attempts),
                (&Destination::Grade(grade(delay)), 0)
            );
            given.return_route(route);
        }
        given.pass(seconds(delay));
        given.pass(seconds(1));
        given.pass(seconds(1));
    }
}

#[test]
fn what_a_full_lane_parked_for_long_is_not_parked_for_less_where_the_endpoint_fails() {
    let mut given = Scenario::with(Settings { lane_records: 1_000, ..settings() });
    let main = EndpointId::parse("main").unwrap();
    for offset in 0..20 {
        given.read_at(on_grade(600, 0), 1, Offset(offset), "acme", |envelope| {
            envelope.endpoint = Some(main.clone());
            envelope.parked = 1;
        });
    }
    given.pass(seconds(590));
    read(&mut given, 5);
    failing(&mut given, 5);
    answer_all(&mut given, 500);
    given.pass(seconds(10));
    (0..3).for_each(|_| given.pass(seconds(1)));
    let routes = std::mem::take(&mut given.routes);
    let parked: Vec<_> = routes.iter().filter(|route| route.envelope.parked == 2).collect();
    assert!(parked.len() >= 16, "{} parked", parked.len());
    assert!(parked.iter().all(|route| route.to == Destination::Grade(grade(600))));
}

#[test]
fn a_success_ends_it_and_more_is_asked_of_the_endpoint_step_by_step() {
    let mut given = open();
    read(&mut given, 40);
    let probe = given.attempt();
    given.answer(probe.id, 200);
    assert_eq!(given.engine.status(given.now, 1).breakers_open, 0);
    assert_eq!(given.attempts.len(), 1, "the cap begins at one");
    given.pass(seconds(30));
    assert_eq!(given.attempts.len(), 4, "half of the ramp, half of the cap");
    given.pass(seconds(30));
    assert_eq!(given.attempts.len(), 8);
}

#[test]
fn nothing_is_parked_for_a_merchant_that_fails_now_and_then() {
    let mut given = Scenario::with(Settings { lane_records: 1_000, ..settings() });
    for at in 0..100 {
        given.read(completions(0), "acme");
        given.pass(Span::from_millis(1));
        let attempt = given.attempt();
        given.answer(attempt.id, if at % 2 == 0 { 500 } else { 200 });
    }
    assert!(given.routes.iter().all(|route| route.envelope.parked == 0));
    assert_eq!(given.engine.status(given.now, 1).breakers_open, 0);
}

#[test]
fn endpoints_that_hang_take_their_part_of_the_slots_and_leave_the_rest() {
    let slots = Settings { max_in_flight: 100, max_suspects: 20, ..settings() };
    let mut given = Scenario::with(Settings {
        hold: HoldBounds { records: 10_000, bytes: 1 << 30 },
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
    assert_eq!(given.attempts.len(), 8, "of those that are due at the same time");
    (0..3).for_each(|_| _ = given.read(completions(0), "well"));
    assert_eq!(given.attempts.len(), 11);
    given.pass(Span::from_millis(1));
    assert_eq!(given.attempts.len(), 19);
    given.pass(Span::from_millis(3));
    assert_eq!(given.attempts.len(), 43, "all of them");
}

#[test]
fn a_slow_attempt_is_forgiven_when_it_is_acknowledged() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.pass(seconds(1));
    assert_eq!(given.engine.status(given.now, 1).suspects, 1);
    given.answer(attempt.id, 200);
    given.read(completions(0), "acme");
    assert_eq!(given.engine.status(given.now, 1).suspects, 0);
}

#[test]
fn attempts_that_end_well_take_the_suspicion_with_them_while_others_run() {
    let mut given = Scenario::new();
    read(&mut given, 2);
    given.pass(seconds(1));
    read(&mut given, 1);
    assert_eq!(given.engine.status(given.now, 1).suspects, 3);
    for _ in 0..2 {
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    assert_eq!(given.engine.status(given.now, 1).suspects, 0, "the third is no slower than usual");
}

/// Five slots that nobody reserved, and five of a class that is idle; so many endpoints of the other.
fn reserved(bulk: usize) -> (Scenario, Vec<String>) {
    let class = |name: &str, reserved, most| Class {
        name: name.to_owned(),
        reserved,
        most,
        method: Method::Fair,
    };
    let mut given = Scenario::with(Settings {
        max_in_flight: 10,
        max_suspects: 10,
        classes: vec![class("standard", 0, 10), class("vip", 5, 10)],
        hold: HoldBounds { records: 20, bytes: 1 << 20 },
        ..settings()
    });
    let vip = Policy { class: ClassId::at(1).unwrap(), ..policy(&[5]) };
    given.know(merchant("vip", vec![endpoint("main", vip)]));
    let bulk: Vec<String> = (0..bulk).map(|at| format!("bulk-{at}")).collect();
    for name in &bulk {
        given.know(merchant(name, vec![endpoint("main", policy(&[5]))]));
    }
    (given, bulk)
}

#[test]
fn a_flood_of_one_class_is_parked_where_another_has_a_reserve_to_fill() {
    let (mut given, bulk) = reserved(50);
    for name in &bulk {
        given.read(completions(0), name);
        for route in std::mem::take(&mut given.routes) {
            assert_eq!(route.envelope.parked, 1);
            given.routed(&route);
        }
    }
    given.read(completions(0), "vip");
    let begun: Vec<_> = given.attempts.iter().map(|one| one.event.merchant.as_str()).collect();
    assert!(begun.contains(&"vip"), "it neither waits to be read nor for a slot: {begun:?}");
    assert_eq!(begun.len(), 6, "five slots that nobody reserved, and the reserve");
    let status = given.engine.status(given.now, 1);
    assert_eq!(status.classes[0].in_flight, 5);
    assert!(status.partitions[0].taking);
}

#[test]
fn a_class_that_has_its_reserve_leaves_the_flood_of_another_where_it_is() {
    let (mut given, bulk) = reserved(18);
    for _ in 0..5 {
        given.read(completions(0), "vip");
    }
    for name in &bulk {
        given.read(completions(0), name);
    }
    assert_eq!(given.attempts.len(), 10, "all slots");
    assert!(
        given.routes.is_empty(),
        "13 wait, more than half of what may be held, for slots alone"
    );
}

#[test]
fn what_a_flooded_class_parks_comes_back_when_it_may_have_a_turn_and_climbs_where_it_has_none() {
    let (mut given, bulk) = reserved(300);
    let mut parked = Vec::new();
    for name in &bulk {
        given.read(completions(0), name);
        for route in std::mem::take(&mut given.routes) {
            given.routed(&route);
            parked.push(route);
        }
    }
    let on = |delay, routes: &[Route]| {
        routes.iter().filter(|route| route.to == Destination::Grade(grade(delay))).count()
    };
    assert_eq!(on(5, &parked), 285, "nobody knows how long they would wait");
    given.pass(seconds(5));
    let mut again = Vec::new();
    for route in parked.iter().filter(|route| route.to == Destination::Grade(grade(5))) {
        given.return_route(route);
    }
    given.pass(seconds(5));
    for route in std::mem::take(&mut given.routes) {
        given.routed(&route);
        again.push(route);
    }
    assert!(again.len() > 40, "nobody had a turn");
    assert_eq!(on(5, &again), 0, "it was wrong to come back so soon");
}

/// Ten of forty slots for suspects, and forty records for the partition.
fn ten_for_suspects() -> Scenario {
    Scenario::with(Settings {
        max_in_flight: 40,
        max_suspects: 10,
        hold: HoldBounds { records: 40, bytes: 1 << 20 },
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
    // One attempt a second is assumed of each of ten slots, and 21 wait already: 15 s is right for who
    // waits 7.5 s or more.
    assert_eq!([5, 15, 30].map(on), [53, 75, 172]);
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

#[test]
fn what_is_slow_is_a_matter_of_what_is_usual_and_nothing_below_a_second_until_that_is_known() {
    let mut given = Scenario::with(Settings { max_in_flight: 200, ..settings() });
    given.read(completions(0), "acme");
    given.pass(Span::from_millis(999));
    assert_eq!(given.engine.status(given.now, 1).suspects, 0, "we may be slow ourselves");
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    // Some that are acknowledged at once tell what is usual.
    for _ in 0..200 {
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    given.read(completions(0), "acme");
    given.pass(Span::from_millis(50));
    assert_eq!(given.engine.status(given.now, 1).suspects, 1);
}

#[test]
fn each_attempt_becomes_slow_in_its_own_time() {
    let mut given = Scenario::new();
    given.know(merchant("other", vec![endpoint("main", policy(&[5]))]));
    given.read(completions(0), "acme");
    given.pass(Span::from_millis(500));
    given.read(completions(0), "other");
    let mut suspects = || {
        given.pass(Span::from_millis(500));
        given.engine.status(given.now, 0).suspects
    };
    assert_eq!([suspects(), suspects()], [1, 2]);
}
