//! What the watchdog is told of the head of a partition.

use super::scenario::*;
use crate::{
    engine::*,
    model::{Ladder, Offset, Partition, Span},
};

fn of(given: &Scenario, partition: Partition) -> PartitionStatus {
    let mut all = given.engine.status(given.now, 0).partitions.into_iter();
    all.find(|one| one.partition == partition).unwrap()
}

#[test]
fn a_head_whose_time_came_and_that_nothing_woke_is_startable() {
    let mut given = Scenario::new();
    given.read(on_grade(30, 0), "acme");
    assert!(!of(&given, on_grade(30, 0)).startable, "not due yet");
    given.now = given.now + seconds(31);
    assert!(of(&given, on_grade(30, 0)).startable, "no timer was served");
    given.pass(Span::ZERO);
    assert!(!of(&given, on_grade(30, 0)).startable, "its attempt runs");
}

#[test]
fn a_head_that_nobody_gave_its_free_slot_is_startable() {
    let mut given = Scenario::new();
    let record = given.record(completions(0), Offset(0), "acme", |_| ());
    given.engine.handle_record(given.now, Epoch(1), record);
    assert!(of(&given, completions(0)).startable, "no command was asked for");
    given.engine.allow_attempts(false);
    assert!(!of(&given, completions(0)).startable, "a clock that cannot be trusted to sign");
    given.engine.allow_attempts(true);
    given.settle();
    assert!(!of(&given, completions(0)).startable);
}

#[test]
fn a_head_that_waits_for_its_cap_is_not_however_many_slots_are_free() {
    let mut given = Scenario::new();
    for _ in 0..20 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.attempts.len(), 8, "the cap of the endpoint");
    let first = given.attempt();
    let last = given.attempts.pop().unwrap();
    given.answer(first.id, 500);
    let route = given.route();
    assert!(!of(&given, completions(0)).startable, "the head is on its way to the ladder");
    given.routed(&route);
    given.answer(last.id, 200);
    given.pass(seconds(90));
    assert!(!of(&given, completions(0)).startable);
}

#[test]
fn a_grade_of_twelve_hours_that_is_full_is_neither_startable_nor_taking() {
    let mut settings = settings();
    settings.ladder = Ladder::new(vec![seconds(5), seconds(43_200)]).unwrap();
    let mut given = Scenario::with(settings);
    let grade = on_grade(43_200, 0);
    while given.paused.is_empty() {
        given.read(grade, "acme");
    }
    for _ in 0..11 {
        given.pass(seconds(3_600));
        let one = of(&given, grade);
        assert!(!one.startable && !one.taking && one.unresolved > 0, "{one:?}");
    }
}
