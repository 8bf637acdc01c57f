use super::scenario::*;
use crate::engine::*;
use crate::model::*;

#[test]
fn deliveries_of_a_paused_merchant_are_parked_a_grade_longer_each_time_without_an_attempt() {
    let mut given = Scenario::new();
    let mut acme = merchant("acme", vec![endpoint("main", policy(&[5]))]);
    acme.state = State::Paused;
    given.know(acme);
    given.read(completions(0), "acme");
    for (parked, delay) in [(1, 5), (2, 15), (3, 30)] {
        let route = given.route();
        assert_eq!(route.to, Destination::Grade(grade(delay)));
        assert_eq!((route.envelope.parked, route.envelope.attempts), (parked, 0));
        given.routed(&route);
        given.return_route(&route);
        given.pass(seconds(delay));
    }
    assert!(given.attempts.is_empty());
}

#[test]
fn what_waits_for_its_turn_is_parked_when_its_merchant_is_paused_meanwhile() {
    let mut given = Scenario::new();
    let mut acme = merchant("acme", vec![endpoint("main", one_at_a_time())]);
    given.know(acme.clone());
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    acme.state = State::Paused;
    given.know(acme);
    let running = given.attempt();
    given.answer(running.id, 200);
    assert!(given.attempts.is_empty());
    assert_eq!(given.route().envelope.parked, 1);
}

#[test]
fn what_waits_for_its_turn_is_parked_when_its_secret_expires_meanwhile() {
    let mut given = Scenario::new();
    let signed = Policy { max_in_flight: 1, dialect: Dialect::Standard, ..policy(&[5]) };
    let mut main = endpoint("main", signed);
    main.secrets = vec![Secret {
        id: "s1".to_owned(),
        key: Key::Hmac(SecretBytes::new(vec![7; 32])),
        not_before: None,
        expires: Some(given.now + seconds(1)),
    }];
    given.know(merchant("acme", vec![main]));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let running = given.attempt();
    given.pass(seconds(1));
    given.answer(running.id, 200);
    assert!(given.attempts.is_empty(), "never unsigned");
    assert_eq!(given.route().envelope.parked, 1);
}

#[test]
fn a_retry_is_parked_from_the_shortest_grade_on_wherever_its_schedule_had_it() {
    let mut given = Scenario::new();
    let mut acme = merchant("acme", vec![endpoint("main", policy(&[120]))]);
    given.know(acme.clone());
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 500);
    let retry = given.route();
    assert_eq!(retry.to, Destination::Grade(grade(120)));
    given.routed(&retry);
    given.return_route(&retry);
    acme.state = State::Paused;
    given.know(acme);
    given.pass(seconds(120));
    assert_eq!(given.route().to, Destination::Grade(grade(5)));
}

#[test]
fn deliveries_of_a_disabled_endpoint_are_dead_letters() {
    let mut given = Scenario::new();
    let mut main = endpoint("main", policy(&[5]));
    main.state = State::Disabled;
    given.know(merchant("acme", vec![main]));
    given.read(completions(0), "acme");
    assert_eq!(dead(&given.route()).reason, DeadReason::Disabled);
}

#[test]
fn a_delivery_that_cannot_be_signed_is_parked_and_never_sent_unsigned() {
    let mut given = Scenario::new();
    let mut main = endpoint("main", policy(&[5]));
    main.policy.dialect = Dialect::Standard;
    given.know(merchant("acme", vec![main]));
    given.read(completions(0), "acme");
    assert!(given.attempts.is_empty());
    assert_eq!(given.route().envelope.parked, 1);
}

#[test]
fn an_unknown_merchant_waits_on_the_ladder_and_is_delivered_when_it_appears() {
    let mut given = Scenario::new();
    given.read(completions(0), "newcomer");
    let route = given.route();
    assert_eq!(route.to, Destination::Grade(grade(5)));
    assert_eq!(route.envelope.endpoint, None);
    given.routed(&route);
    given.return_route(&route);
    given.know(merchant("newcomer", vec![endpoint("main", policy(&[5]))]));
    given.pass(seconds(5));
    assert_eq!(given.attempt().number, 1);
}

#[test]
fn an_unknown_merchant_is_a_dead_letter_when_the_grace_is_over() {
    let mut given = Scenario::new();
    given.read(completions(0), "nobody");
    let mut waited = Span::ZERO;
    loop {
        let route = given.route();
        let Destination::Grade(grade) = route.to else {
            assert_eq!(dead(&route).reason, DeadReason::UnknownMerchant);
            break;
        };
        waited = waited.plus(grade.delay());
        given.routed(&route);
        given.return_route(&route);
        given.pass(grade.delay());
        assert!(waited <= seconds(3_605), "{waited}");
    }
    assert!(waited >= seconds(3_600), "{waited}");
}

#[test]
fn a_full_lane_parks_its_newest_for_about_as_long_as_the_lane_needs() {
    let mut settings = settings();
    settings.lane_records = 10;
    let mut given = Scenario::with(settings);
    for _ in 0..30 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.attempts.len(), 8, "the cap of the endpoint");
    assert_eq!(given.routes.len(), 12, "8 in flight, 10 in the lane");
    assert!(given.routes.iter().all(|route| route.to == Destination::Grade(grade(5))));
    let parked: Vec<_> = given.routes.iter().map(|route| route.envelope.origin.offset.0).collect();
    assert_eq!(parked, (18..30).collect::<Vec<_>>(), "the newest go");
}

/// Whether a delivery that was first attempted so long ago is given up, after so many attempts and
/// times parked.
fn is_given_up(age: Span, attempts: u32, parked: u32) -> bool {
    let mut given = Scenario::new();
    let first = given.now;
    given.pass(age);
    given.read_at(completions(0), 1, Offset(0), "acme", |envelope| {
        envelope.endpoint = Some(EndpointId::parse("main").unwrap());
        envelope.first_attempt = Some(first);
        (envelope.attempts, envelope.parked) = (attempts, parked);
    });
    assert_eq!(given.attempts.len() + given.routes.len(), 1);
    given.attempts.is_empty()
}

#[test]
fn only_what_grew_too_old_while_parked_is_given_up_without_another_attempt() {
    let limit = policy(&[]).max_age;
    let beyond = limit.plus(Span::from_millis(1));
    assert!(is_given_up(beyond, 1, 1));
    assert!(!is_given_up(limit, 1, 1), "as old as it may be");
    assert!(!is_given_up(beyond, 1, 0), "a retry that comes late");
    assert!(!is_given_up(beyond, 0, 1), "no attempt counted");
}

#[test]
fn a_lane_is_kept_until_what_it_parked_is_back_and_no_retry_is_taken_for_that() {
    let mut settings = settings();
    settings.lane_records = 1;
    let mut given = Scenario::with(settings);
    given.know(merchant("acme", vec![endpoint("main", one_at_a_time())]));
    for _ in 0..3 {
        given.read(completions(0), "acme");
    }
    let parked = given.route();
    given.routed(&parked);
    let failing = given.attempt();
    given.answer(failing.id, 500);
    let retry = given.route();
    given.routed(&retry);
    assert_eq!(retry.envelope.due, parked.envelope.due);
    let second = given.attempt();
    given.answer(second.id, 200);
    for (route, all_back) in [(retry, false), (parked, true)] {
        given.return_route(&route);
        given.pass(seconds(5));
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
        // The failure is forgotten.
        given.pass(seconds(601));
        assert_eq!(given.engine.lanes.is_empty(), all_back);
    }
}

/// How many of a hundred are parked for 5, 15 and 30 s when the only attempt that may run has run for
/// so long.
fn parked_behind_one_that_runs_for(time: Span) -> [usize; 3] {
    let mut given = Scenario::new();
    given.know(merchant("acme", vec![endpoint("main", one_at_a_time())]));
    given.read(completions(0), "acme");
    given.pass(time);
    for _ in 0..99 {
        given.read(completions(0), "acme");
    }
    let on = |delay| {
        given.routes.iter().filter(|route| route.to == Destination::Grade(grade(delay))).count()
    };
    [5, 15, 30].map(on)
}

#[test]
fn a_lane_gets_back_what_it_works_off_and_half_of_what_its_partition_may_hold() {
    // One hangs, fifty wait, and one a second is assumed: after 5 s there is room for 4, after 15 s
    // for 10 more; before two minutes have passed, all of them are worked off.
    assert_eq!(parked_behind_one_that_runs_for(seconds(2)), [4, 10, 35]);
}

#[test]
fn a_lane_without_an_answer_works_off_no_more_than_what_runs_for_so_long_allows() {
    assert_eq!(parked_behind_one_that_runs_for(Span::ZERO), [49, 0, 0], "nothing is known");
    // At most four a second end: after 5 s there is room for 19.
    assert_eq!(parked_behind_one_that_runs_for(Span::from_millis(250)), [19, 30, 0]);
}

#[test]
fn a_first_answer_that_took_long_is_not_held_against_what_follows() {
    let mut given = Scenario::with(Settings { lane_records: 1, ..settings() });
    given.know(merchant("acme", vec![endpoint("main", one_at_a_time())]));
    given.read(completions(0), "acme");
    let first = given.attempt();
    given.pass(Span::from_millis(900));
    given.answer(first.id, 200);
    given.read(completions(0), "acme");
    given.pass(Span::from_millis(900));
    (0..30).for_each(|_| _ = given.read(completions(0), "acme"));
    assert_eq!(given.routes.len(), 29, "one runs, one waits");
    assert!(given.routes.iter().all(|route| route.to == Destination::Grade(grade(5))));
}

#[test]
fn the_longest_lanes_are_those_with_most_waiting_and_parked() {
    let mut given = Scenario::with(Settings { lane_records: 1, ..settings() });
    for name in ["parked", "waiting"] {
        given.know(merchant(name, vec![endpoint("main", one_at_a_time())]));
    }
    (0..5).for_each(|_| _ = given.read(completions(0), "parked"));
    for _ in 0..2 {
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    (0..2).for_each(|_| _ = given.read(completions(0), "waiting"));
    let lanes = given.engine.status(given.now, 1).lanes;
    assert_eq!((lanes.len(), lanes[0].parked, lanes[0].waiting), (1, 3, 0));
}

#[test]
fn an_older_delivery_that_returns_takes_the_place_of_a_fresher_one() {
    let mut settings = settings();
    settings.lane_records = 2;
    let mut given = Scenario::with(settings);
    let before = given.now;
    given.pass(seconds(60));
    for _ in 0..10 {
        given.read(completions(0), "acme");
    }
    given.attempts.clear();
    let main = EndpointId::parse("main").unwrap();
    given.read_at(on_grade(5, 0), 1, Offset(0), "acme", |envelope| {
        envelope.accepted = before;
        envelope.endpoint = Some(main);
        envelope.parked = 1;
    });
    given.pass(seconds(5));
    let spilled = given.route();
    assert_eq!(spilled.envelope.origin.offset, Offset(9), "the freshest goes");
}

#[test]
fn large_events_of_a_merchant_that_hangs_leave_the_bytes_to_the_others() {
    let size = Scenario::new().record(completions(0), Offset(0), "acme", |_| ()).content.size();
    let mut settings = settings();
    // 64 records and what they cost beside their bytes: without a bound for what is blocked, the
    // merchant that hangs would hold all of it.
    settings.hold = HoldBounds { records: 1_000, bytes: 64 * size, with_directory: usize::MAX };
    let mut given = Scenario::with(settings);
    for _ in 0..40 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.attempts.len(), 8, "its cap; they hang");
    assert_eq!(given.routes.len(), 24, "an eighth of the bytes may wait behind them");
    let newest: Vec<_> = given.routes.iter().map(|route| route.envelope.origin.offset.0).collect();
    assert_eq!(newest.iter().min(), Some(&16), "the newest go");
}

#[test]
fn blocked_records_hold_at_most_half_of_a_partition() {
    let mut given = Scenario::new();
    for _ in 0..100 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.attempts.len(), 8);
    assert_eq!(given.routes.len(), 42, "50 of 100 stay");
    assert_eq!(given.engine.status(given.now, 1).lanes[0].parked, 42);
}

#[test]
fn another_merchant_is_served_while_one_hangs_with_all_its_slots() {
    let mut given = Scenario::new();
    given.know(merchant("other", vec![endpoint("main", policy(&[5]))]));
    for _ in 0..90 {
        given.read(completions(0), "acme");
    }
    given.attempts.clear();
    given.read(completions(0), "other");
    assert_eq!(given.attempt().event.merchant.as_str(), "other");
}

#[test]
fn turns_go_round_over_the_endpoints() {
    let mut settings = settings();
    settings.max_in_flight = 2;
    let mut given = Scenario::with(settings);
    given.know(merchant("other", vec![endpoint("main", policy(&[5]))]));
    for _ in 0..4 {
        given.read(completions(0), "acme");
    }
    given.read(completions(0), "other");
    for _ in 0..2 {
        let running = given.attempt();
        given.answer(running.id, 200);
    }
    let names: Vec<_> = given.attempts.iter().map(|one| one.event.merchant.to_string()).collect();
    assert_eq!(names, ["acme", "other"]);
}

#[test]
fn the_first_attempt_of_a_lane_says_nothing_about_its_pace() {
    let mut settings = settings();
    settings.lane_records = 1;
    let mut given = Scenario::with(settings);
    let mut main = endpoint("main", policy(&[5]));
    main.policy.max_in_flight = 1;
    given.know(merchant("acme", vec![main]));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let first = given.attempt();
    given.answer(first.id, 200);
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    assert_eq!(given.route().to, Destination::Grade(grade(5)));
}

#[test]
fn each_reason_for_parking_has_its_word_in_the_attempts_log() {
    assert_eq!(
        ParkReason::ALL.map(ParkReason::as_str),
        [
            "full_lane",
            "breaker_open",
            "flood_brake",
            "class",
            "suspects",
            "paused",
            "no_secret",
            "unknown_merchant",
            "fan_out",
        ]
    );
}
