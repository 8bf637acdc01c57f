//! Attempts that take longer than is usual.

use super::scenario::*;
use crate::{engine::*, model::*};

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
    (0..2).for_each(|_| _ = given.read(completions(0), "acme"));
    given.pass(seconds(1));
    given.read(completions(0), "acme");
    assert_eq!(given.engine.status(given.now, 1).suspects, 3);
    for _ in 0..2 {
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    assert_eq!(given.engine.status(given.now, 1).suspects, 0, "the third is no slower than usual");
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
