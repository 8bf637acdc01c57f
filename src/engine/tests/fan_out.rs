use super::scenario::*;
use crate::engine::*;
use crate::model::*;

fn two_endpoints() -> Scenario {
    let mut given = Scenario::new();
    let one = endpoint("one", policy(&[5, 15]));
    let two = endpoint("two", policy(&[15, 30]));
    given.know(merchant("acme", vec![one, two]));
    given
}

#[test]
fn each_matching_endpoint_gets_its_own_delivery_and_the_offset_waits_for_all() {
    let mut given = two_endpoints();
    given.read(completions(0), "acme");
    let (one, two) = (given.attempt(), given.attempt());
    assert_eq!((one.endpoint.id.as_str(), two.endpoint.id.as_str()), ("one", "two"));
    given.answer(one.id, 200);
    given.pass(Span::from_millis(500));
    assert!(given.committed(completions(0)).is_empty());
    given.answer(two.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn each_endpoint_retries_by_its_own_schedule() {
    let mut given = two_endpoints();
    given.read(completions(0), "acme");
    let (one, two) = (given.attempt(), given.attempt());
    given.answer(one.id, 500);
    given.answer(two.id, 500);
    let routes = [given.route(), given.route()];
    let ends = routes.map(|route| (route.to.clone(), route.envelope.endpoint.unwrap().to_string()));
    assert_eq!(
        ends,
        [
            (Destination::Grade(grade(5)), "one".to_owned()),
            (Destination::Grade(grade(15)), "two".to_owned())
        ]
    );
}

#[test]
fn an_endpoint_that_does_not_want_the_type_gets_nothing() {
    let mut given = Scenario::new();
    let mut refunds = endpoint("refunds", policy(&[5]));
    refunds.events = vec![EventFilter::Under("refund".to_owned())];
    given.know(merchant("acme", vec![refunds]));
    given.read(completions(0), "acme");
    assert!(given.attempts.is_empty());
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
    let filtered = given
        .reports
        .iter()
        .any(|report| matches!(report, Report::EventResolved { outcome: EventOutcome::Filtered }));
    assert!(filtered);
}

#[test]
fn a_second_after_one_delivery_is_done_the_others_that_wait_go_on_alone() {
    let mut given = two_endpoints();
    // The second endpoint is busy with its one slot.
    let mut two = endpoint("two", policy(&[15]));
    two.policy.max_in_flight = 1;
    given.know(merchant("acme", vec![endpoint("one", policy(&[5])), two]));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let first: Vec<_> = given.attempts.drain(..).collect();
    let of_one: Vec<_> = first.iter().filter(|one| one.endpoint.id.as_str() == "one").collect();
    assert_eq!((first.len(), of_one.len()), (3, 2));
    given.answer(of_one[1].id, 200);
    given.pass(Span::from_millis(999));
    assert!(given.routes.is_empty());
    given.pass(Span::from_millis(1));
    let route = given.route();
    assert_eq!(route.to, Destination::Grade(grade(5)));
    assert_eq!(route.envelope.endpoint.as_ref().unwrap().as_str(), "two");
    assert_eq!(route.envelope.attempts, 0);
}

#[test]
fn a_delivery_that_was_in_flight_after_the_second_goes_on_alone_once_it_waits_again() {
    let mut given = Scenario::new();
    let (one, two) = (endpoint("one", policy(&[5])), endpoint("two", policy(&[4])));
    given.know(merchant("acme", vec![one, two]));
    given.read(completions(0), "acme");
    let (one, two) = (given.attempt(), given.attempt());
    given.answer(one.id, 200);
    given.pass(Span::from_millis(1_500));
    given.answer(two.id, 500);
    given.pass(seconds(1));
    let route = given.route();
    assert_eq!(route.to, Destination::Grade(grade(5)));
    given.routed(&route);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn what_waits_since_a_new_assignment_is_not_parked_for_a_fan_out_of_the_one_before() {
    let mut given = Scenario::new();
    let alone = Policy { max_in_flight: 1, ..policy(&[5]) };
    given.know(merchant("acme", vec![endpoint("one", policy(&[5])), endpoint("two", alone)]));
    given.read(completions(0), "acme");
    given.attempts.clear();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    assert_eq!(attempt.endpoint.id.as_str(), "one", "the other one has its only turn");
    given.answer(attempt.id, 200);
    given.engine.handle_lost(&[completions(0)]);
    let (now, again) = (given.now, Offset(1));
    given.engine.handle_assigned(now, completions(0), Epoch(2), again, None).unwrap();
    given.read_at(completions(0), 2, again, "acme", |_| ());
    assert_eq!(given.attempt().endpoint.id.as_str(), "one");
    given.pass(seconds(2));
    assert_eq!(given.routes.len(), 0);
}

#[test]
fn an_event_is_told_as_fanned_out_when_it_has_more_endpoints_than_one() {
    let fanned_out = |given: &Scenario| {
        let of_it = |report: &&Report| {
            matches!(report, Report::EventResolved { outcome: EventOutcome::FannedOut })
        };
        given.reports.iter().filter(of_it).count()
    };
    let mut given = two_endpoints();
    given.read(completions(0), "acme");
    assert_eq!(fanned_out(&given), 1);
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    assert_eq!(fanned_out(&given), 0);
}

#[test]
fn one_that_rests_and_is_sent_on_for_the_others_is_not_begun_when_its_time_comes_here() {
    let mut given = Scenario::new();
    let one = endpoint("one", policy(&[2]));
    given.know(merchant("acme", vec![one, endpoint("two", policy(&[5]))]));
    given.read(completions(0), "acme");
    let (one, two) = (given.attempt(), given.attempt());
    given.answer(one.id, 500);
    given.answer(two.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.routes.len(), 1, "the offset is not kept for it");
    given.pass(seconds(3));
    assert_eq!((given.routes.len(), given.attempts.len()), (1, 0));
}

#[test]
fn a_lane_does_not_wait_for_what_was_sent_on_for_the_others_once_it_is_back() {
    let mut given = Scenario::new();
    let endpoints = vec![endpoint("one", policy(&[5])), endpoint("two", one_at_a_time())];
    given.know(merchant("acme", endpoints));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let (at_one, hanging): (Vec<_>, Vec<_>) =
        given.attempts.drain(..).partition(|attempt| attempt.endpoint.id.as_str() == "one");
    for attempt in at_one {
        given.answer(attempt.id, 200);
    }
    given.pass(seconds(1));
    let parked = given.route();
    assert_eq!(parked.envelope.due, Some(given.now + seconds(5)));
    given.routed(&parked);
    given.answer(hanging[0].id, 200);
    given.return_route(&parked);
    given.pass(seconds(5));
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    assert!(given.engine.lanes.is_empty());
}
