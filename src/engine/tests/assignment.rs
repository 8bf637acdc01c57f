use super::scenario::*;
use crate::engine::*;
use crate::model::*;

#[test]
fn a_late_answer_of_an_earlier_assignment_changes_nothing_and_frees_its_slot() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.engine.handle_lost(&[completions(0)]);
    assert_eq!(given.engine.in_flight(), 1);
    given.engine.handle_assigned(given.now, completions(0), Epoch(2), Offset(0), None).unwrap();
    given.pass(Span::ZERO);
    given.committed(completions(0));
    given.answer(attempt.id, 200);
    given.pass(seconds(1));
    assert_eq!(given.engine.in_flight(), 0);
    assert!(given.committed(completions(0)).is_empty());
}

#[test]
fn a_late_failure_of_an_earlier_assignment_is_left_to_the_next_owner() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.engine.handle_lost(&[completions(0)]);
    given.reports.clear();
    given.answer(attempt.id, 500);
    given.pass(seconds(60));
    assert!(given.routes.is_empty(), "two owners would put it on the ladder");
    assert!(given.reports.is_empty(), "its outcome is another's to tell");
}

#[test]
fn a_record_of_an_earlier_assignment_is_not_taken() {
    let mut given = Scenario::new();
    given.engine.handle_lost(&[completions(0)]);
    given.engine.handle_assigned(given.now, completions(0), Epoch(2), Offset(0), None).unwrap();
    given.read_at(completions(0), 1, Offset(0), "acme", |_| ());
    assert!(given.attempts.is_empty());
}

#[test]
fn a_revoke_begins_nothing_new_waits_for_what_runs_and_commits_it() {
    let mut given = Scenario::new();
    for _ in 0..10 {
        given.read(completions(0), "acme");
    }
    let running: Vec<_> = given.attempts.drain(..).collect();
    given.engine.begin_revoke(&[completions(0)]);
    given.settle();
    for attempt in &running {
        assert!(!given.engine.is_drained(&[completions(0)]));
        given.answer(attempt.id, 200);
    }
    assert!(given.attempts.is_empty(), "nothing new");
    assert!(given.engine.is_drained(&[completions(0)]));
    let commits = given.engine.finish_revoke(&[completions(0)]);
    assert_eq!(commits[0].position, Offset(8));
    let grades: Vec<_> = settings().ladder.grades().to_vec();
    let kept = grades.into_iter().map(|one| Partition { source: Source::Grade(one), index: 0 });
    assert_eq!(given.engine.partitions(), kept.collect::<Vec<_>>());
}

#[test]
fn a_failed_attempt_during_a_revoke_is_still_routed() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    let attempt = given.attempt();
    given.engine.begin_revoke(&[completions(0)]);
    given.answer(attempt.id, 500);
    assert!(!given.engine.is_drained(&[completions(0)]));
    let route = given.route();
    given.routed(&route);
    assert!(given.engine.is_drained(&[completions(0)]));
    assert_eq!(given.engine.finish_revoke(&[completions(0)])[0].position, Offset(1));
}

#[test]
fn other_partitions_go_on_during_a_revoke() {
    let mut given = Scenario::new();
    given.assign(completions(1), 1);
    given.engine.begin_revoke(&[completions(0)]);
    given.read(completions(1), "acme");
    assert_eq!(given.attempts.len(), 1);
}

#[test]
fn a_revoke_that_is_out_of_time_commits_only_what_is_resolved() {
    let mut given = Scenario::new();
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    let (_hanging, done) = (given.attempt(), given.attempt());
    given.answer(done.id, 200);
    given.engine.begin_revoke(&[completions(0)]);
    let commit = given.engine.finish_revoke(&[completions(0)]).remove(0);
    assert_eq!(commit.position, Offset(0));
    let map = OffsetMap::decode(&commit.metadata, "test-cluster", Offset(0)).unwrap();
    assert_eq!(map.runs(), [(Offset(1), Offset(2))]);
}

#[test]
fn a_map_that_does_not_fit_is_refused_and_everything_is_read_again() {
    let mut given = Scenario::bare(settings());
    given.know(merchant("acme", vec![endpoint("main", policy(&[5]))]));
    let foreign = OffsetMap::from_runs([(Offset(1), Offset(2))]).encode("elsewhere", Offset(0));
    let found =
        given.engine.handle_assigned(START, completions(0), Epoch(1), Offset(0), Some(&foreign));
    assert_eq!(found, Err(Ignored::Cluster("elsewhere".to_owned())));
    given.read(completions(0), "acme");
    given.read(completions(0), "acme");
    assert_eq!(given.attempts.len(), 2);
}

#[test]
fn a_new_assignment_is_read_even_though_the_one_before_was_paused_a_moment_ago() {
    let mut settings = settings();
    settings.hold.records = 1;
    let mut given = Scenario::with(settings);
    // The pause is not executed yet when the partition is lost and comes back.
    let record = given.record(completions(0), Offset(0), "acme", |_| ());
    given.engine.handle_record(given.now, Epoch(1), record);
    given.engine.handle_lost(&[completions(0)]);
    given.engine.handle_assigned(given.now, completions(0), Epoch(2), Offset(0), None).unwrap();
    let mut last = None;
    while let Some(command) = given.engine.poll_command(given.now) {
        match command {
            Command::Pause(partition) => last = Some((partition, false)),
            Command::Resume(partition) => last = Some((partition, true)),
            _ => {}
        }
    }
    assert_eq!(last, Some((completions(0), true)));
}

#[test]
fn a_partition_that_leaves_takes_its_bytes_and_its_parked_deliveries_and_no_others() {
    let mut given = Scenario::with(Settings { lane_records: 1, ..settings() });
    given.assign(completions(1), 1);
    for name in ["one", "two"] {
        given.know(merchant(name, vec![endpoint("main", one_at_a_time())]));
    }
    for (partition, name) in [(completions(0), "one"), (completions(1), "two")] {
        (0..4).for_each(|_| _ = given.read(partition, name));
        for parked in std::mem::take(&mut given.routes) {
            given.routed(&parked);
        }
        let first = given.attempt();
        given.answer(first.id, 200);
        given.attempts.clear();
    }
    let before = given.engine.status(given.now, 9);
    assert_eq!(before.lanes.iter().map(|lane| lane.parked).collect::<Vec<_>>(), [2, 2]);
    given.engine.handle_lost(&[completions(0)]);
    let after = given.engine.status(given.now, 9);
    assert_eq!(after.held_bytes * 2, before.held_bytes);
    for lane in after.lanes {
        assert_eq!(lane.parked, if lane.key.merchant.as_str() == "two" { 2 } else { 0 });
    }
}

#[test]
fn the_oldest_unresolved_record_is_told_by_its_append_time() {
    let mut given = Scenario::new();
    let oldest = |given: &Scenario| given.engine.status(given.now, 0).partitions[0].oldest;
    assert_eq!(oldest(&given), None);
    let first = given.now;
    given.read(completions(0), "acme");
    given.pass(seconds(1));
    given.read(completions(0), "acme");
    assert_eq!(oldest(&given), Some(first));
    assert_eq!(given.engine.status(given.now, 0).partitions[0].reached, Offset(2));
    let attempt = given.attempt();
    given.answer(attempt.id, 200);
    assert_eq!(oldest(&given), Some(first + seconds(1)));
}
