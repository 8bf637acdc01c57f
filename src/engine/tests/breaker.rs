//! An endpoint that fails gets probes alone, until one succeeds.

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
    read(&mut given, 30);
    given.pass(seconds(1));
    assert!(given.routes.is_empty(), "a second is not more than a second");
    given.pass(seconds(1));
    assert_eq!(given.routes.len(), 2, "by and by");
    given.pass(Span::from_millis(12));
    assert!(given.routes.len() >= 26, "{} parked", given.routes.len());
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
        given.pass(seconds(3));
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
