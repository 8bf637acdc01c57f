use super::scenario::*;
use crate::engine::*;
use crate::model::*;

fn failing_delivery() -> (Scenario, Route) {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 500);
    let route = given.route();
    (given, route)
}

#[test]
fn a_route_that_may_work_later_is_tried_again_with_growing_pauses() {
    let (mut given, mut route) = failing_delivery();
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        given.route_failed(&route, RouteFailure::Passing);
        assert_eq!(given.engine.status(given.now, 1).stuck_routes, 1);
        given.pass(seconds(pause).saturating_sub(Span::from_millis(1)));
        assert!(given.routes.is_empty());
        given.pass(Span::from_millis(1));
        let again = given.route();
        assert_eq!(again.to, route.to);
        route = again;
    }
    given.routed(&route);
    assert_eq!(given.engine.status(given.now, 1).stuck_routes, 0);
}

#[test]
fn a_grade_that_refuses_a_record_is_passed_over_and_then_it_is_a_dead_letter() {
    for (failure, reason) in [
        (RouteFailure::TooLarge, DeadReason::TooLarge),
        (RouteFailure::Refused, DeadReason::System),
    ] {
        let (mut given, mut route) = failing_delivery();
        for delay in [15, 30, 120, 600, 1_800] {
            given.route_failed(&route, failure);
            route = given.route();
            assert_eq!(route.to, Destination::Grade(grade(delay)));
        }
        given.route_failed(&route, failure);
        assert_eq!(dead(&given.route()).reason, reason);
    }
}

#[test]
fn a_dead_letter_refused_for_its_size_goes_without_its_value() {
    let mut given = Scenario::new();
    given.read_garbage(completions(0));
    let route = given.route();
    given.route_failed(&route, RouteFailure::TooLarge);
    let truncated = given.route();
    assert!(dead(&truncated).truncated);
    given.route_failed(&truncated, RouteFailure::TooLarge);
    assert!(given.routes.is_empty(), "nothing but patience helps");
    given.pass(seconds(2));
    assert_eq!(given.route().to, truncated.to, "never dropped");
}

#[test]
fn a_dead_letter_refused_for_another_reason_waits_with_its_value() {
    let mut given = Scenario::new();
    given.read_garbage(completions(0));
    let route = given.route();
    given.route_failed(&route, RouteFailure::Refused);
    assert!(given.routes.is_empty());
    given.pass(seconds(1));
    assert_eq!(given.route().to, route.to);
}

#[test]
fn every_route_has_a_number_of_its_own() {
    let mut given = Scenario::new();
    given.read_garbage(completions(0));
    given.read_garbage(completions(0));
    let (first, second) = (given.route(), given.route());
    assert_ne!(first.id, second.id);
}

#[test]
fn a_late_answer_to_a_route_of_an_earlier_assignment_changes_nothing() {
    let (mut given, route) = failing_delivery();
    given.engine.handle_lost(&[completions(0)]);
    given.engine.handle_assigned(given.now, completions(0), Epoch(2), Offset(0), None).unwrap();
    given.pass(Span::ZERO);
    given.committed(completions(0));
    given.routed(&route);
    given.pass(seconds(1));
    assert!(given.committed(completions(0)).is_empty());
}
