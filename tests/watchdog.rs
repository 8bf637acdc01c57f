//! Every fault of a client of Kafka is provoked: readiness tells which, the client is built anew, and
//! a worker that this does not help ends. Nothing is lost, and Kafka being away ends nobody.
//! The deadlines are shortened; `tests/hanging.rs` has a worker with those of production.

mod support;

use std::time::{Duration, Instant};

use paynotify::{
    envelope::Envelope,
    model::{Coordinates, Grade, Span, Timestamp},
    worker::{Deadlines, Error, Fault},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{
    mock::{DEADLINE, Fixture, Running},
    receiver::Manner,
    system::{event, poll},
};

const SHORT: Deadlines = Deadlines {
    head: Duration::from_secs(2),
    commit: Duration::from_secs(2),
    poll: Duration::from_secs(2),
    connection: Duration::from_secs(2),
    acknowledgement: Duration::from_secs(2),
    confirm: Duration::from_secs(4),
    ask_again: Duration::from_secs(1),
    window: Duration::from_secs(600),
};
/// Many times what a rebuild takes with these deadlines.
const LONG: Duration = Duration::from_secs(20);

fn refuse(fixture: &Fixture, what: RDKafkaApiKey, error: RDKafkaRespErr) {
    fixture.cluster.request_errors(what, &vec![error; 100_000]);
}

/// Nothing is handed out, though the log is there.
fn starve(fixture: &Fixture) {
    refuse(fixture, RDKafkaApiKey::Fetch, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN);
}

fn tells(worker: &Running, key: &str) {
    worker.await_reasons(|all| all.iter().any(|reason| reason.starts_with(key)));
}

/// What readiness says in this time, each reason once.
fn said(worker: &Running, time: Duration) -> Vec<String> {
    let mut keys = Vec::new();
    poll(time, || {
        for reason in worker.health.reasons() {
            let key = reason.split(':').next().unwrap_or_default().to_owned();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        worker.ended.is_finished()
    });
    assert!(!worker.ended.is_finished(), "the worker ended: {keys:?}");
    keys
}

async fn ends_with(worker: Running, fault: Fault) {
    let ended = tokio::time::timeout(DEADLINE, worker.ended).await.unwrap().unwrap();
    assert!(matches!(ended, Err(Error::Unhealed(found)) if found == fault), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_reads_nothing_is_built_anew_and_the_next_one_delivers() {
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    starve(&fixture);
    fixture.publish(&["evt_1", "evt_2"]);
    tells(&worker, "heads: nothing moves in completions/0");
    tells(&worker, "consumer_rebuilt");
    fixture.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    fixture.await_acknowledged(2).await;
    fixture.await_committed(&fixture.topics.completions(), 2);
    worker.await_reasons(<[String]>::is_empty);
    assert_eq!(fixture.receiver.requests().len(), 2, "nothing is repeated");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_a_new_consumer_does_not_help_ends_and_the_next_worker_delivers() {
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    starve(&fixture);
    fixture.publish(&["evt_1"]);
    tells(&worker, "consumer_rebuilt");
    ends_with(worker, Fault::Head).await;
    assert_eq!(fixture.committed(&fixture.topics.completions()), 0, "nobody was told of it");
    fixture.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    let next = fixture.watched(SHORT, &[]).await;
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_commits_are_refused_is_built_anew_and_what_is_not_committed_is_repeated()
{
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    fixture.publish(&["evt_1"]);
    fixture.await_committed(&fixture.topics.completions(), 1);
    refuse(
        &fixture,
        RDKafkaApiKey::OffsetCommit,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
    );
    fixture.publish(&["evt_2", "evt_3"]);
    fixture.await_acknowledged(3).await;
    tells(&worker, "commits: finished offsets are not committed");
    tells(&worker, "consumer_rebuilt");
    assert_eq!(fixture.committed(&fixture.topics.completions()), 1);
    fixture.cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    fixture.await_committed(&fixture.topics.completions(), 3);
    worker.await_reasons(<[String]>::is_empty);
    let requests = fixture.receiver.requests();
    assert!(requests.len() <= 5, "only what was not committed comes again: {}", requests.len());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_producers_fail_for_good_one_after_the_other_ends() {
    let fixture = Fixture::new().await;
    // So that what the broker refuses is fatal.
    let worker = fixture.watched(SHORT, &[("enable.gapless.guarantee", "true")]).await;
    fixture.receiver.answer("/acme", Manner::Hang);
    fixture.publish(&["evt_1"]);
    fixture.receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS;
    refuse(&fixture, RDKafkaApiKey::Produce, refusal);
    fixture.receiver.answer("/acme", Manner::Ok);
    tells(&worker, "producer_rebuilt");
    let ended = tokio::time::timeout(DEADLINE, worker.ended).await.unwrap().unwrap();
    assert!(matches!(ended, Err(Error::Producer)), "{ended:?}");
    assert_eq!(fixture.committed(&fixture.topics.completions()), 0, "the record is nowhere else");
    fixture.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    let next = fixture.watched(SHORT, &[]).await;
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_takes_no_commits_is_told_and_waited_for() {
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    refuse(
        &fixture,
        RDKafkaApiKey::OffsetCommit,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    );
    fixture.publish(&["evt_1"]);
    fixture.await_acknowledged(1).await;
    let said = said(&worker, LONG);
    assert!(said.contains(&"commits".to_owned()), "{said:?}");
    assert!(!said.contains(&"consumer_rebuilt".to_owned()), "{said:?}");
    fixture.cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    fixture.await_committed(&fixture.topics.completions(), 1);
    assert_eq!(fixture.receiver.requests().len(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_is_away_for_long_is_waited_for_by_every_client() {
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    fixture.publish(&["evt_1"]);
    fixture.await_committed(&fixture.topics.completions(), 1);
    // One attempt ends and one has to be routed while nobody is there.
    fixture.receiver.answer("/acme", Manner::Hang);
    fixture.publish(&["evt_2"]);
    fixture.receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    fixture.cluster.broker_down(-1).unwrap();
    let said = said(&worker, 2 * LONG);
    for key in ["kafka", "producer"] {
        assert!(said.contains(&key.to_owned()), "{key} is missing in {said:?}");
    }
    assert!(!said.iter().any(|key| key.ends_with("_rebuilt")), "{said:?}");
    assert_eq!(fixture.receiver.requests().len(), 2, "nothing is repeated meanwhile");
    fixture.receiver.answer("/acme", Manner::Ok);
    let back = Instant::now();
    fixture.cluster.broker_up(-1).unwrap();
    worker.await_reasons(<[String]>::is_empty);
    println!("ready {:?} after Kafka's return", back.elapsed());
    // By its route, or read again because the session was over: either way it is not lost.
    fixture.await_acknowledged(2).await;
    fixture.await_committed(&fixture.topics.completions(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_goes_away_while_a_consumer_is_built_anew_is_waited_for() {
    let fixture = Fixture::new().await;
    let worker = fixture.watched(SHORT, &[]).await;
    starve(&fixture);
    fixture.publish(&["evt_1"]);
    tells(&worker, "consumer_rebuilt");
    fixture.cluster.broker_down(-1).unwrap();
    fixture.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    // Longer than four starts of a consumer take, of ten seconds each, with the pauses between.
    said(&worker, 3 * LONG);
    fixture.cluster.broker_up(-1).unwrap();
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    worker.await_reasons(<[String]>::is_empty);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grade_of_twelve_hours_that_is_paused_is_no_fault() {
    let fixture = Fixture::new().await;
    let half_day = Grade::new(Span::from_secs(12 * 3_600));
    let topic = fixture.topics.grade(half_day);
    fixture.cluster.create_topic(&topic, 1, 1).unwrap();
    let origin = Coordinates::parse("mock.completions/0/7").unwrap();
    let headers = Envelope::fresh(Timestamp::from_millis(0), origin).write();
    let worker = fixture.graded(SHORT, "1s,12h").await;
    fixture.publish_to(&topic, 0, (0..2_000).map(|n| event(&format!("evt_{n}"), "acme")), &headers);
    // The end of a log is known some seconds later.
    assert_eq!(said(&worker, LONG), Vec::<String>::new());
    fixture.publish(&["evt_now"]);
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joined_and_got_no_partition_is_ready() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.watched(SHORT, &[]).await, fixture.watched(SHORT, &[]).await);
    fixture.publish(&["evt_1"]);
    fixture.await_committed(&fixture.topics.completions(), 1);
    for worker in [&first, &second] {
        assert_eq!(said(worker, LONG / 2), Vec::<String>::new());
    }
    second.stop().await;
    first.stop().await;
}
