//! Whether the ledger would notice: rounds made up by hand, each with one thing wrong.

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use paynotify::{
    kafka::{TopicNames, reader::StoredRecord},
    model::{Coordinates, Offset, Timestamp},
};

use super::{
    cast, checks,
    commits::{Commits, Written},
    load::Published,
    offsets::Entry,
    repeats::{Outage, Repeats},
    truth::Truth,
};
use crate::support::{
    receiver::{Manner, Request},
    system::event,
};

/// Completions of these tests.
const TOPIC: &str = "t";
const ID: &str = "evt_1";

fn record(topic: &str, offset: i64, at: i64, headers: &[(&str, &str)]) -> StoredRecord {
    let topic = Arc::from(topic);
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), Bytes::from((*value).to_owned()));
    StoredRecord {
        coordinates: Coordinates { topic, partition: 0, offset: Offset(offset) },
        appended: Timestamp::from_millis(at),
        key: Some("m_1".into()),
        value: Some(event(ID, "m_1").into()),
        headers: headers.iter().map(own).collect(),
    }
}

/// The event, accepted at 1000.
fn accepted() -> StoredRecord {
    record(TOPIC, 0, 1_000, &[])
}

/// The event on the grade of a second, after one attempt.
fn routed(at: i64) -> StoredRecord {
    let headers = [
        ("paynotify-origin", "t/0/0"),
        ("paynotify-endpoint", "main"),
        ("paynotify-attempts", "1"),
    ];
    record("t.delay.1s", 0, at, &headers)
}

/// A request that came then, and was acknowledged a millisecond later.
fn told(number: u32, at: u64) -> Arc<Request> {
    let arrived_at = UNIX_EPOCH + Duration::from_millis(at);
    let answered = Arc::<std::sync::OnceLock<_>>::default();
    answered.set(arrived_at + Duration::from_millis(1)).unwrap();
    let header = |name: &str, value: String| (name.to_owned(), value);
    Arc::new(Request {
        path: "/m_1".to_owned(),
        headers: vec![
            header("webhook-id", ID.to_owned()),
            header("paynotify-attempt", number.to_string()),
        ],
        body: event(ID, "m_1").into_bytes(),
        arrived: Instant::now(),
        arrived_at,
        status: Some(200),
        manner: Manner::Says(200, cast::SUCCESS),
        answered,
    })
}

fn truth(records: Vec<StoredRecord>, requests: &[Arc<Request>]) -> Truth {
    Truth::new(&TopicNames::new(TOPIC), records, requests, &[])
}

fn commit(topic: &str, position: i64, at: i64) -> Written {
    let (topic, metadata) = (topic.to_owned(), String::new());
    Written { at, entry: Entry::Commit { topic, partition: 0, position, metadata } }
}

fn generation(number: i32, member: &str, at: i64) -> Written {
    let members = vec![(member.to_owned(), vec![0])];
    Written { at, entry: Entry::Generation { number, members } }
}

fn wrong_commits(truth: &Truth, commits: &[Written]) -> usize {
    let mut taken = Commits::new(String::new());
    commits.iter().map(|one| taken.take(truth, one).len()).sum()
}

/// Complaints about repeats, after these entries in turn.
fn wrong_repeats(truth: &Truth, entries: &[Written]) -> usize {
    let (mut commits, mut repeats) = (Commits::new(String::new()), Repeats::default());
    for (place, one) in entries.iter().enumerate() {
        commits.take(truth, one);
        repeats.generation(truth, &commits, (place, one), &[]);
    }
    let mut wrong = Vec::new();
    repeats.close(truth, &[], &[], &[], &mut wrong);
    wrong.len()
}

#[test]
fn a_commit_before_the_acknowledgement_is_noticed() {
    let truth = truth(vec![accepted()], &[told(1, 1_100)]);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 1, 1_100)]), 1);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 1, 1_101)]), 0);
}

#[test]
fn a_commit_before_the_broker_has_the_route_is_noticed() {
    let truth = truth(vec![accepted(), routed(1_200)], &[]);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 1, 1_199)]), 1);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 1, 1_200)]), 0);
    assert_eq!(wrong_commits(&truth, &[commit("t.delay.1s", 1, 9_000)]), 1, "it lives nowhere");
}

#[test]
fn a_commit_that_goes_back_or_beyond_the_end_is_noticed() {
    let truth = truth(vec![accepted()], &[told(1, 1_100)]);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 1, 2_000), commit(TOPIC, 0, 2_001)]), 1);
    assert_eq!(wrong_commits(&truth, &[commit(TOPIC, 2, 2_000)]), 1);
}

#[test]
fn a_lost_event_is_noticed_and_so_is_one_that_never_arrived() {
    let published = [Published { id: ID.into(), body: event(ID, "m_1"), acknowledged: true }];
    for (records, requests, complaints) in [
        (vec![accepted()], vec![told(1, 1_100)], 0),
        (vec![accepted(), routed(1_200)], Vec::new(), 1),
        (Vec::new(), Vec::new(), 1),
    ] {
        let mut wrong = Vec::new();
        checks::nothing_is_lost(&truth(records, &requests), &published, &mut wrong);
        assert_eq!(wrong.len(), complaints, "{wrong:?}");
    }
}

#[test]
fn a_retry_that_is_a_millisecond_early_is_noticed() {
    for (at, complaints) in [(2_199, 1), (2_200, 0)] {
        let mut wrong = Vec::new();
        let truth = truth(vec![accepted(), routed(1_200)], &[told(2, at)]);
        checks::nothing_is_early(&truth, &mut wrong);
        assert_eq!(wrong.len(), complaints, "{wrong:?}");
    }
}

#[test]
fn a_repeat_is_excused_by_a_move_before_the_commit_and_by_nothing_else() {
    let truth = truth(vec![accepted()], &[told(1, 1_100), told(1, 1_900)]);
    let (first, second) = (generation(1, "a", 900), generation(2, "b", 1_500));
    assert_eq!(wrong_repeats(&truth, &[first]), 1, "nothing happened");
    let first = generation(1, "a", 900);
    assert_eq!(wrong_repeats(&truth, &[first, second]), 0);
    let (first, second) = (generation(1, "a", 900), generation(2, "b", 1_500));
    assert_eq!(wrong_repeats(&truth, &[first, commit(TOPIC, 1, 1_400), second]), 1);
    let (first, same) = (generation(1, "a", 900), generation(2, "a", 1_500));
    assert_eq!(wrong_repeats(&truth, &[first, same]), 1, "it went nowhere");
}

#[test]
fn a_copy_on_the_ladder_is_excused_by_a_broker_that_fell_in_between_and_by_nothing_else() {
    let (first, second) = (routed(1_200), routed(3_000));
    let coordinates = Coordinates { offset: Offset(1), ..second.coordinates.clone() };
    let second = StoredRecord { coordinates, ..second };
    let truth = truth(vec![accepted(), first, second], &[told(2, 2_300), told(2, 4_100)]);
    for (from, to, complaints) in
        [(1_250, 1_260, 0), (1_100, 1_250, 0), (1_000, 1_199, 1), (3_001, 3_100, 1)]
    {
        let mut wrong = Vec::new();
        Repeats::default().close(&truth, &[], &[], &[Outage { from, to }], &mut wrong);
        assert_eq!(wrong.len(), complaints, "{from} to {to}: {wrong:?}");
    }
}

#[test]
fn an_altered_body_is_noticed() {
    let published = [Published { id: ID.into(), body: "{}".into(), acknowledged: true }];
    let requests = [told(1, 1_100)];
    let mut wrong = Vec::new();
    let truth = truth(vec![accepted()], &requests);
    checks::nothing_is_invented(&truth, &published, &requests, &mut wrong);
    assert!(wrong.iter().any(|one| one.contains("altered")), "{wrong:?}");
}
