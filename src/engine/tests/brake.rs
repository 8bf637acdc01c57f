//! An outage of ours beside faults of merchants.

use super::scenario::*;
use crate::{engine::*, model::*};

/// So many merchants, each on a host of its own, with this schedule.
fn merchants(given: &mut Scenario, count: usize, intervals: &[u64]) {
    for at in 0..count {
        let mut main = endpoint("main", policy(intervals));
        main.url = url::Url::parse(&format!("https://shop-{at}.example/hooks")).unwrap();
        given.know(merchant(&format!("m-{at}"), vec![main]));
    }
}

fn everyone_fails(given: &mut Scenario, count: usize, why: FailReason) {
    for at in 0..count {
        given.read(completions(0), &format!("m-{at}"));
    }
    for attempt in std::mem::take(&mut given.attempts) {
        given.answer_with(attempt.id, Answer::Failed(why));
    }
}

#[test]
fn in_an_outage_attempts_trickle_and_are_not_counted_and_nothing_is_given_up() {
    let mut given = Scenario::new();
    merchants(&mut given, 40, &[]);
    everyone_fails(&mut given, 20, FailReason::Connect);
    assert!(given.engine.status(given.now, 0).braked.attempts);
    given.routes.clear();
    // One more failure would exhaust each of them.
    everyone_fails(&mut given, 40, FailReason::Connect);
    assert!(given.attempts.len() <= 8, "{} run", given.attempts.len());
    let route = given.routes.pop().unwrap();
    assert_eq!(route.to, Destination::Grade(grade(5)));
    assert_eq!((route.envelope.attempts, route.envelope.parked), (0, 1));
    let mut counted = given.reports.iter().filter_map(|report| match report {
        Report::Delivery(one) => one.answer.as_ref().map(|answer| answer.counts),
        Report::EventResolved { .. } => None,
    });
    assert_eq!(counted.next_back(), Some(false), "nor do they count against the endpoint");
}

#[test]
fn when_endpoints_answer_again_everything_goes_on() {
    let mut given = Scenario::new();
    merchants(&mut given, 40, &[5]);
    everyone_fails(&mut given, 20, FailReason::Timeout);
    for at in 0..40 {
        given.read(completions(0), &format!("m-{at}"));
    }
    assert_eq!(given.attempts.len(), 8);
    for _ in 0..10 {
        let attempt = given.attempt();
        given.answer(attempt.id, 500);
    }
    assert!(!given.engine.status(given.now, 0).braked.attempts, "an answer is an answer");
    given.pass(Span::from_millis(50));
    assert_eq!(given.attempts.len(), 30);
}

#[test]
fn errors_of_merchants_are_no_outage() {
    let mut given = Scenario::new();
    merchants(&mut given, 60, &[5]);
    for at in 0..60 {
        given.read(completions(0), &format!("m-{at}"));
    }
    for attempt in std::mem::take(&mut given.attempts) {
        given.answer(attempt.id, 503);
    }
    assert!(!given.engine.status(given.now, 0).braked.attempts);
}

#[test]
fn an_emptied_directory_fills_no_dead_letters() {
    let mut given = Scenario::with(Settings {
        unknown_merchant_grace: Span::ZERO,
        hold: HoldBounds { records: 10_000, bytes: 1 << 30, with_directory: usize::MAX },
        ..settings()
    });
    for at in 0..300 {
        given.read(completions(0), &format!("unknown-{}", at % 30));
    }
    let dead = given.routes.iter().filter(|one| matches!(one.to, Destination::DeadLetter(_)));
    assert_eq!(dead.count(), 99);
    assert!(given.engine.status(given.now, 0).braked.letters);
    assert_eq!(given.routes.len(), 300);
}

#[test]
fn what_expired_in_an_outage_is_given_up_although_nothing_else_is_left_to_attempt() {
    let mut given = Scenario::with(Settings { longest_parking: Span::from_secs(15), ..settings() });
    merchants(&mut given, 20, &[5]);
    everyone_fails(&mut given, 20, FailReason::Connect);
    let of_grade = Partition { source: Source::Grade(grade(5)), index: 0 };
    let long_ago = given.now;
    given.pass(Span::from_secs(10));
    given.know(merchant(
        "old",
        vec![endpoint("main", Policy { max_age: Span::from_secs(1), ..policy(&[5]) })],
    ));
    given.routes.clear();
    given.read_at(of_grade, 1, Offset(0), "old", |envelope| {
        envelope.endpoint = Some(EndpointId::parse("main").unwrap());
        (envelope.attempts, envelope.parked) = (1, 1);
        envelope.first_attempt = Some(long_ago);
    });
    given.pass(Span::from_secs(5));
    let mut route = given.routes.pop().unwrap();
    assert_eq!(route.envelope.parked, 2, "the brake holds");
    for _ in 0..20 {
        given.return_route(&route);
        given.pass(Span::from_secs(15));
        route = given.routes.pop().unwrap();
        if matches!(route.to, Destination::DeadLetter(_)) {
            break;
        }
    }
    let Destination::DeadLetter(letter) = &route.to else { panic!("parked for ever: {route:?}") };
    assert_eq!(letter.reason, DeadReason::Expired);
}
