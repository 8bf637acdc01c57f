use super::scenario::*;
use crate::engine::*;
use crate::model::*;

#[test]
fn an_acknowledged_attempt_resolves_its_offset_and_nothing_else_does() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.pass(seconds(1));
    assert!(given.committed(completions(0)).is_empty());
    given.answer(attempt.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn retry_n_waits_in_the_grade_of_interval_n_and_then_the_delivery_is_exhausted() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    for (made, delay) in [(1, 5), (2, 15), (3, 30)] {
        let attempt = given.attempt();
        assert_eq!(attempt.number, made);
        given.answer(attempt.id, 500);
        let route = given.route();
        assert_eq!(route.to, Destination::Grade(grade(delay)));
        assert_eq!(route.envelope.attempts, made);
        assert_eq!(route.envelope.due, Some(given.now + seconds(delay)));
        assert_eq!(route.envelope.last_status, Some(500));
        given.routed(&route);
        given.return_route(&route);
        given.pass(seconds(delay).saturating_sub(Span::from_millis(1)));
        assert!(given.attempts.is_empty(), "never early");
        given.pass(Span::from_millis(1));
    }
    let last = given.attempt();
    given.answer(last.id, 503);
    let route = given.route();
    assert_eq!(dead(&route).reason, DeadReason::Exhausted);
    assert_eq!(route.envelope.attempts, 4);
    assert_eq!(route.envelope.due, None);
}

#[test]
fn an_interval_counts_from_the_end_of_an_attempt_that_took_long() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let (attempt, started) = (given.attempt(), given.now);
    given.pass(seconds(8));
    let answer = Answer::of_status(500);
    let result = AttemptResult { started, ended: given.now, answer, key_id: None };
    given.engine.handle_attempted(given.now, attempt.id, result);
    given.settle();
    let route = given.route();
    assert_eq!(route.envelope.due, Some(given.now + seconds(5)));
    assert_eq!(route.envelope.first_attempt, Some(started));
}

#[test]
fn a_routed_offset_is_not_committed_before_the_broker_has_the_route() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 500);
    let route = given.route();
    given.pass(seconds(10));
    assert!(given.committed(completions(0)).is_empty());
    given.routed(&route);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn every_kind_of_failed_connection_is_retried() {
    for reason in FailReason::ALL {
        let mut given = Scenario::new();
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer_with(attempt.id, Answer::Failed(reason));
        let route = given.route();
        assert_eq!(route.to, Destination::Grade(grade(5)), "{reason:?}");
        assert_eq!(route.envelope.last_reason.as_deref(), Some(reason.as_str()));
    }
}

/// Lets the only attempt of a delivery end, and says why it became a dead letter.
fn given_up(interval: u64, max_age: u64, answers: &[Answer]) -> DeadReason {
    let mut given = Scenario::new();
    let policy = Policy { max_age: seconds(max_age), ..policy(&[interval]) };
    given.know(merchant("acme", vec![endpoint("main", policy)]));
    given.read(completions(0), "acme");
    for answer in answers {
        let attempt = given.attempt();
        given.answer_with(attempt.id, answer.clone());
        let route = given.route();
        if let Destination::DeadLetter(letter) = &route.to {
            return letter.reason;
        }
        given.routed(&route);
        given.return_route(&route);
        given.pass(seconds(interval));
    }
    panic!("no dead letter after {answers:?}");
}

#[test]
fn a_delivery_whose_last_attempt_met_a_denied_address_is_a_dead_letter_for_that() {
    let denied = Answer::Failed(FailReason::AddressDenied);
    let other = Answer::Failed(FailReason::Connect);
    let after = |interval, max_age, answers: [&Answer; 2]| {
        given_up(interval, max_age, &answers.map(Clone::clone))
    };
    assert_eq!(after(5, 3_600, [&denied, &denied]), DeadReason::AddressDenied);
    assert_eq!(after(5, 3_600, [&other, &denied]), DeadReason::AddressDenied);
    assert_eq!(after(5, 3_600, [&denied, &other]), DeadReason::Exhausted);
    // The next attempt would be later than the age allows.
    assert_eq!(after(30, 20, [&denied, &denied]), DeadReason::AddressDenied);
    assert_eq!(after(30, 20, [&other, &denied]), DeadReason::Expired);
    assert_eq!(DeadReason::AddressDenied.class(), FaultClass::Merchant);
}

#[test]
fn a_delivery_that_grew_too_old_while_parked_remembers_a_denied_address() {
    for (last, expected) in
        [("address_denied", DeadReason::AddressDenied), ("timeout", DeadReason::Expired)]
    {
        let mut given = Scenario::new();
        let policy = Policy { max_age: seconds(60), ..policy(&[5]) };
        given.know(merchant("acme", vec![endpoint("main", policy)]));
        let first = START;
        given.pass(seconds(120));
        given.read_at(on_grade(5, 0), 1, Offset(0), "acme", |envelope| {
            envelope.endpoint = Some(EndpointId::parse("main").unwrap());
            envelope.attempts = 1;
            envelope.first_attempt = Some(first);
            envelope.parked = 1;
            envelope.last_reason = Some(last.to_owned());
        });
        given.pass(seconds(5));
        assert_eq!(dead(&given.route()).reason, expected);
    }
}

#[test]
fn a_redirect_is_no_acknowledgement() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 302);
    assert_eq!(given.route().to, Destination::Grade(grade(5)));
}

#[test]
fn an_interval_between_two_grades_hops_and_is_attempted_when_it_is_due() {
    let mut given = Scenario::new();
    given.know(merchant("acme", vec![endpoint("main", policy(&[22]))]));
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 500);
    let due = given.now + seconds(22);
    let first = given.route();
    assert_eq!(first.to, Destination::Grade(grade(15)));
    given.routed(&first);
    given.return_route(&first);
    given.pass(seconds(15));
    let second = given.route();
    assert_eq!(second.to, Destination::Grade(grade(5)));
    assert_eq!(second.envelope.parked, 0, "a hop is no parking");
    given.routed(&second);
    given.return_route(&second);
    given.pass(seconds(5));
    assert!(given.attempts.is_empty(), "two seconds are left, in memory");
    given.pass(seconds(2));
    assert_eq!(given.now, due);
    assert_eq!(given.attempt().number, 2);
}

#[test]
fn bytes_that_are_no_event_become_a_dead_letter_and_the_partition_moves_on() {
    let mut given = Scenario::new();
    given.read_garbage(completions(0));
    let route = given.route();
    assert_eq!(dead(&route).reason, DeadReason::Undecodable);
    given.routed(&route);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn a_delivery_whose_endpoint_is_gone_becomes_a_dead_letter() {
    let mut given = Scenario::new();
    let gone = EndpointId::parse("gone").unwrap();
    given.read_at(on_grade(5, 0), 1, Offset(0), "acme", |envelope| envelope.endpoint = Some(gone));
    given.pass(seconds(5));
    assert_eq!(dead(&given.route()).reason, DeadReason::EndpointRemoved);
}

#[test]
fn a_retry_uses_the_entry_of_the_directory_as_it_is_then() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 500);
    let route = given.route();
    given.routed(&route);
    given.return_route(&route);
    let mut moved = endpoint("main", policy(&[5, 15, 30]));
    moved.url = url::Url::parse("https://new.example/").unwrap();
    given.know(merchant("acme", vec![moved]));
    given.pass(seconds(5));
    assert_eq!(given.attempt().endpoint.url.host_str(), Some("new.example"));
}

#[test]
fn a_rest_in_memory_ends_on_the_ladder_when_the_partition_is_asked_back() {
    let mut given = Scenario::new();
    given.know(merchant("acme", vec![endpoint("main", policy(&[2]))]));
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.engine.begin_revoke(&[completions(0)]);
    given.answer(attempt.id, 500);
    let route = given.route();
    assert_eq!(route.to, Destination::Grade(grade(5)));
    assert_eq!(route.envelope.attempts, 1);
    assert_eq!(route.envelope.due, Some(START + seconds(2)));
}

#[test]
fn a_report_tells_the_event_where_the_record_is_one() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    given.read_garbage(completions(0));
    let told = given.reports.iter().filter_map(|report| match report {
        Report::Delivery(report) => Some(report.event().map(|event| event.id.to_string())),
        Report::EventResolved { .. } => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [Some("evt_0_0".to_owned()), None]);
}

#[test]
fn a_dead_letter_tells_in_words_what_the_word_of_the_log_leaves_open() {
    let message_after = |reason| {
        let mut given = Scenario::new();
        given.know(merchant("acme", vec![endpoint("main", policy(&[]))]));
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer_with(attempt.id, Answer::Failed(reason));
        dead(&given.route()).message.clone()
    };
    let expired = message_after(FailReason::Tls(TlsFault::Expired));
    assert_eq!(expired, "1 attempts, last: tls (the certificate has expired)");
    assert_eq!(message_after(FailReason::Timeout), "1 attempts, last: timeout");
    assert_eq!(TlsFault::Expired.to_string(), "the certificate has expired");
}
