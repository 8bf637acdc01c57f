use super::scenario::*;
use crate::{engine::*, model::EventFilter};

#[test]
fn a_full_partition_is_paused_and_resumed_at_half() {
    let mut settings = settings();
    settings.max_in_flight = 3;
    settings.hold.records = 10;
    let mut given = Scenario::with(settings);
    for _ in 0..10 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.paused, [completions(0)]);
    let mut left = 10;
    while left > 5 {
        assert!(given.resumed.is_empty(), "{left} left");
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
        left -= 1;
    }
    assert_eq!(given.resumed, [completions(0)]);
}

#[test]
fn records_that_are_not_due_count_and_the_head_of_a_grade_is_due_first() {
    let mut settings = settings();
    settings.hold.records = 3;
    let mut given = Scenario::with(settings);
    for _ in 0..3 {
        given.read(on_grade(30, 0), "acme");
    }
    assert_eq!(given.paused, [on_grade(30, 0)]);
    given.pass(seconds(30));
    assert_eq!(given.attempts.len(), 3);
}

#[test]
fn of_records_that_are_due_much_later_only_a_few_are_held() {
    let mut given = Scenario::new();
    while given.paused.is_empty() {
        given.read(on_grade(600, 0), "acme");
    }
    assert_eq!(
        given.engine.status(given.now, 1).partitions.iter().map(|one| one.unresolved).max(),
        Some(32)
    );
    given.pass(seconds(600));
    let due: Vec<_> = given.attempts.drain(..).collect();
    assert_eq!(due.len(), 8, "the cap of the endpoint");
    given.resumed.clear();
    for attempt in due {
        given.answer(attempt.id, 200);
    }
    while let Some(attempt) = given.attempts.pop() {
        given.answer(attempt.id, 200);
    }
    assert_eq!(given.resumed, [on_grade(600, 0)], "and the next ones when half of them are done");
}

#[test]
fn every_partition_may_hold_one_record_however_many_bytes_are_held() {
    let mut settings = settings();
    settings.hold.bytes = 1;
    let mut given = Scenario::with(settings);
    given.read(completions(0), "acme");
    given.read(on_grade(30, 0), "acme");
    assert_eq!(given.paused, [completions(0), on_grade(30, 0)]);
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    assert_eq!(given.resumed, [completions(0)]);
}

#[test]
fn grades_leave_half_of_the_bytes_to_completions() {
    let mut settings = settings();
    settings.hold.bytes = 4_000;
    let mut given = Scenario::with(settings);
    while given.paused.is_empty() {
        given.read(on_grade(600, 0), "acme");
    }
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    assert_eq!(given.paused, [on_grade(600, 0)]);
}

#[test]
fn a_larger_directory_leaves_less_to_records_and_a_smaller_one_gives_it_back() {
    let mut settings = settings();
    settings.hold = HoldBounds { records: 100, bytes: 64 << 10, with_directory: 64 << 10 };
    let mut given = Scenario::with(settings);
    let mut long = endpoint("long", policy(&[5]));
    long.events = vec![EventFilter::Exactly("x".repeat(50 << 10))];
    given.know(merchant("large", vec![long]));
    let status = given.engine.status(given.now, 0);
    assert!(status.directory_bytes > 50 << 10 && status.directory_bytes < 60 << 10);
    assert_eq!(status.held_most, (64 << 10) - status.directory_bytes);
    while given.paused.is_empty() {
        given.read(completions(0), "acme");
    }
    assert!(given.engine.status(given.now, 0).held_bytes < 16 << 10);
    assert!(given.resumed.is_empty());
    given.forget("large");
    assert_eq!(given.resumed, [completions(0)], "though nothing was answered");
}

#[test]
fn records_keep_a_sixteenth_of_their_bytes_however_large_the_directory_is() {
    let mut settings = settings();
    settings.hold = HoldBounds { records: 100, bytes: 64 << 10, with_directory: 4 << 10 };
    let mut given = Scenario::with(settings);
    let status = given.engine.status(given.now, 0);
    assert!(status.directory_too_large, "beside one merchant");
    assert_eq!(status.held_most, 4 << 10);
    given.forget("acme");
    assert!(!given.engine.status(given.now, 0).directory_too_large);
}

#[test]
fn nothing_is_attempted_while_attempts_are_not_allowed() {
    let mut given = Scenario::new();
    given.engine.allow_attempts(false);
    given.read(completions(0), "acme");
    assert!(given.attempts.is_empty());
    given.engine.allow_attempts(true);
    given.settle();
    assert_eq!(given.attempts.len(), 1);
}

#[test]
fn grades_that_wait_for_hours_do_not_keep_completions_from_going_on() {
    let mut settings = settings();
    settings.hold.bytes = 4_000;
    let mut given = Scenario::with(settings);
    while given.paused.is_empty() {
        given.read(on_grade(600, 0), "acme");
    }
    while given.paused.len() < 2 {
        given.read(completions(0), "acme");
    }
    while given.attempts.len() > 1 {
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    assert_eq!(given.resumed, [completions(0)]);
}

#[test]
fn reading_stops_when_enough_waits_for_slots_and_goes_on_when_half_of_it_has_started() {
    let mut settings = settings();
    settings.max_in_flight = 2;
    let mut given = Scenario::with(settings);
    for number in 0..10 {
        let id = format!("m_{number}");
        given.know(merchant(&id, vec![endpoint("main", policy(&[5]))]));
        assert!(given.paused.is_empty(), "after {number} of which 2 run");
        given.read(completions(0), &id);
    }
    assert_eq!(given.paused, [completions(0)]);
    for _ in 0..4 {
        assert!(given.resumed.is_empty());
        let attempt = given.attempt();
        given.answer(attempt.id, 200);
    }
    assert_eq!(given.resumed, [completions(0)]);
}

#[test]
fn what_waits_behind_a_full_lane_does_not_stop_the_reading_for_others() {
    let mut settings = settings();
    settings.max_in_flight = 9;
    let mut given = Scenario::with(settings);
    for _ in 0..45 {
        given.read(completions(0), "acme");
    }
    assert_eq!(given.attempts.len(), 8, "the cap of the lane");
    assert!(given.paused.is_empty());
}

#[test]
fn a_partition_of_which_nothing_is_held_is_read_however_much_waits() {
    let mut settings = settings();
    settings.max_in_flight = 1;
    let mut given = Scenario::with(settings);
    for number in 0..6 {
        let id = format!("m_{number}");
        given.know(merchant(&id, vec![endpoint("main", policy(&[5]))]));
        given.read(completions(0), &id);
    }
    assert_eq!(given.paused, [completions(0)]);
    given.read(on_grade(5, 0), "acme");
    given.read(on_grade(15, 0), "acme");
    assert_eq!(given.paused, [completions(0), on_grade(5, 0), on_grade(15, 0)]);
    given.pass(seconds(15));
    while let Some(attempt) = given.attempts.pop() {
        given.answer(attempt.id, 200);
    }
    given.resumed.sort_unstable();
    assert_eq!(given.resumed, [completions(0), on_grade(5, 0), on_grade(15, 0)]);
}

#[test]
fn a_partition_that_goes_leaves_the_others_paused_until_there_is_room() {
    let mut settings = settings();
    settings.hold.bytes = 2_000;
    let mut given = Scenario::with(settings);
    given.assign(completions(1), 1);
    for _ in 0..4 {
        given.read(completions(0), "acme");
    }
    let hanging = given.attempts.len();
    given.read(completions(1), "acme");
    assert_eq!(given.paused, [completions(0), completions(1)]);
    given.engine.handle_lost(&[on_grade(5, 0)]);
    given.settle();
    given.resumed.clear();
    for attempt in given.attempts.drain(..hanging).collect::<Vec<_>>() {
        given.answer(attempt.id, 200);
    }
    given.resumed.sort_unstable();
    assert_eq!(given.resumed, [completions(0), completions(1)]);
}

#[test]
fn a_partition_is_paused_before_its_map_outgrows_the_metadata() {
    let mut settings = settings();
    settings.hold = HoldBounds { records: 100_000, bytes: 1 << 30, with_directory: usize::MAX };
    settings.max_in_flight = 100_000;
    let mut given = Scenario::with(settings);
    let mut main = endpoint("main", policy(&[5]));
    main.policy.max_in_flight = 100_000;
    given.know(merchant("acme", vec![main]));
    // Every other one hangs: the map can hardly be longer.
    while given.paused.is_empty() {
        assert!(given.read(completions(0), "acme").0 < 50_000, "never paused");
        let done = given.attempts.pop().unwrap();
        given.read(completions(0), "acme");
        given.answer(done.id, 200);
    }
    given.pass(seconds(1));
    let commit = given.commits.pop().unwrap();
    assert!(commit.metadata.len() <= METADATA_LIMIT, "{}", commit.metadata.len());
    assert!(commit.metadata.len() > METADATA_LIMIT / 2, "{}", commit.metadata.len());
}

#[test]
fn a_record_costs_the_bytes_of_its_key_its_value_and_its_headers_with_their_names() {
    let bytes = bytes::Bytes::from_static;
    let headers = vec![("abc".to_owned(), bytes(b"123")), ("d".to_owned(), bytes(b""))];
    let content = Content { key: Some(bytes(b"acme")), value: Some(bytes(b"{}")), headers };
    assert_eq!(content.size(), 4 + 2 + 6 + 1);
    assert_eq!(Content { key: None, value: None, headers: Vec::new() }.size(), 0);
}

#[test]
fn a_held_record_costs_its_bytes_and_half_a_kib() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    assert_eq!(given.engine.status(given.now, 0).held_bytes, 512 + "acme".len() + "{}".len());
}
