use super::scenario::*;
use crate::engine::*;
use crate::model::*;

#[test]
fn finished_offsets_are_committed_together_after_200_ms() {
    let mut given = Scenario::new();
    for _ in 0..3 {
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    given.pass(Span::from_millis(199));
    assert!(given.commits.is_empty());
    given.pass(Span::from_millis(1));
    assert_eq!(given.committed(completions(0)), [Offset(3)]);
}

#[test]
fn so_many_finished_offsets_are_committed_at_once() {
    let mut settings = settings();
    settings.commit_every = 2;
    let mut given = Scenario::with(settings);
    for _ in 0..2 {
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    given.pass(Span::ZERO);
    assert_eq!(given.committed(completions(0)), [Offset(2)]);
}

#[test]
fn a_partition_has_one_commit_on_the_way_at_a_time() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let (first, second) = (given.attempt(), given.attempt());
    given.answer(first.id, 200);
    given.pass(seconds(1));
    given.answer(second.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.commits.len(), 1);
    given.committed(completions(0));
    given.pass(Span::ZERO);
    assert_eq!(given.committed(completions(0)), [Offset(2)]);
}

#[test]
fn a_refused_commit_is_tried_again_with_what_is_true_then() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let (first, second) = (given.attempt(), given.attempt());
    given.answer(first.id, 200);
    given.pass(seconds(1));
    let refused = given.commits.pop().unwrap();
    given.engine.handle_committed(given.now, &refused, false);
    given.answer(second.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(2)]);
}

#[test]
fn a_refused_commit_is_tried_again_though_nothing_else_happens() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    given.pass(seconds(1));
    let refused = given.commits.pop().unwrap();
    given.engine.handle_committed(given.now, &refused, false);
    given.pass(Span::from_millis(499));
    assert!(given.commits.is_empty(), "not at once");
    given.pass(Span::from_millis(1));
    assert_eq!(given.committed(completions(0)), [Offset(1)]);
}

#[test]
fn how_long_something_waits_to_be_committed_is_told_and_begins_anew_with_each_commit() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let (first, second) = (given.attempt(), given.attempt());
    let waits = |given: &Scenario| given.engine.status(given.now, 0).uncommitted_for;
    assert_eq!(waits(&given), None);
    given.answer(first.id, 200);
    given.pass(seconds(3));
    assert_eq!(waits(&given), Some(seconds(3)), "the broker does not answer");
    given.answer(second.id, 200);
    given.committed(completions(0));
    assert_eq!(waits(&given), Some(Span::ZERO), "the second came in meanwhile");
    given.pass(seconds(1));
    given.committed(completions(0));
    assert_eq!(waits(&given), None);
}

#[test]
fn a_hanging_request_holds_the_position_and_the_map_tells_what_is_done_behind_it() {
    let mut given = Scenario::new();
    for _ in 0..5 {
        given.read(completions(0), "acme");
    }
    let hanging = given.attempt();
    for attempt in std::mem::take(&mut given.attempts) {
        given.answer(attempt.id, 200);
    }
    given.pass(seconds(1));
    let commit = given.commits.pop().unwrap();
    assert_eq!(commit.position, Offset(0));

    // The next owner repeats the one that hung, and nothing else.
    let mut next = Scenario::new();
    let metadata = Some(commit.metadata.as_str());
    next.engine.handle_assigned(next.now, completions(0), Epoch(2), Offset(0), metadata).unwrap();
    for offset in 0..5 {
        next.read_at(completions(0), 2, Offset(offset), "acme", |_| ());
    }
    let repeated: Vec<_> = next.attempts.iter().map(|one| one.event.id.clone()).collect();
    assert_eq!(repeated, std::slice::from_ref(&hanging.event.id));
}

#[test]
fn every_held_partition_is_committed_again_though_nothing_moved() {
    let mut given = Scenario::new();
    for _ in 0..3 {
        given.pass(seconds(12 * 3_600));
        assert_eq!(given.committed(on_grade(600, 0)), [Offset(0)]);
    }
}

#[test]
fn the_position_follows_the_reader_to_the_end_of_a_transaction() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    given.engine.handle_position(given.now, completions(0), Epoch(1), Offset(2));
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(2)]);
}

#[test]
fn control_records_at_the_end_are_committed_though_nothing_else_happens() {
    let mut given = Scenario::new();
    given.engine.handle_position(given.now, completions(0), Epoch(1), Offset(3));
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(3)]);
}

#[test]
fn a_position_that_the_reader_has_passed_takes_nothing_back() {
    let mut given = Scenario::new();
    for _ in 0..2 {
        given.read(completions(0), "acme");
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    given.engine.handle_position(given.now, completions(0), Epoch(1), Offset(1));
    given.pass(seconds(1));
    assert_eq!(given.committed(completions(0)), [Offset(2)]);
}
