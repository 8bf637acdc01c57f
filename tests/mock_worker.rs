//! A worker in this process on librdkafka's mock cluster, whose broker fails on command.

mod support;

use std::time::Duration;

use paynotify::{
    envelope::Envelope,
    kafka::reader,
    model::{Coordinates, EndpointId, Grade, Span, Timestamp},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::{Value, json};
use support::{
    mock::{DEADLINE, Fixture},
    receiver::Manner,
    system::{event, poll},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_fails_is_tried_again_and_nothing_is_committed_before() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker(&[("message.timeout.ms", "1500")]).await;
    fixture.publish(&["evt_1"]);
    fixture.await_acknowledged(1).await;
    let (completions, grade) =
        (fixture.topics.completions(), fixture.topics.grade(Grade::new(Span::from_secs(1))));
    fixture.await_committed(&completions, 1);

    // While this attempt hangs, the broker becomes one that takes no records.
    fixture.receiver.answer("/acme", Manner::Hang);
    fixture.publish(&["evt_2"]);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    fixture.cluster.request_errors(RDKafkaApiKey::Produce, &vec![refusal; 10_000]);
    fixture.receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    fixture.receiver.answer("/acme", Manner::Ok);
    worker.await_reasons(|all| all.iter().any(|reason| reason.starts_with("routes")));
    assert_eq!(fixture.committed(&completions), 1, "the record is nowhere but there");
    assert_eq!(fixture.receiver.requests().len(), 2, "its attempt is not repeated");

    fixture.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    fixture.await_acknowledged(2).await;
    fixture.await_committed(&completions, 2);
    fixture.await_committed(&grade, 1);
    worker.await_reasons(<[String]>::is_empty);
    let requests = fixture.receiver.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2].header("paynotify-attempt"), Some("2"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_is_no_reason_against_readiness_and_commits_keep_up() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker(&[]).await;
    fixture.receiver.answer("/acme", Manner::FailTimes(1, 503));
    fixture.cluster.broker_round_trip_time(-1, Duration::from_millis(400)).unwrap();
    let ids: Vec<String> = (0..50).map(|n| format!("evt_{n}")).collect();
    fixture.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    fixture.await_acknowledged(50).await;
    assert_eq!(worker.health.reasons(), Vec::<String>::new());
    fixture.await_committed(&fixture.topics.completions(), 50);
    fixture.await_committed(&fixture.topics.grade(Grade::new(Span::from_secs(1))), 50);
    assert_eq!(worker.health.reasons(), Vec::<String>::new());
    assert_eq!(fixture.receiver.requests().len(), 100, "nothing is repeated");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_back_is_told_by_readiness_and_nothing_is_lost() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker(&[]).await;
    fixture.publish(&["evt_1"]);
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    fixture.cluster.broker_down(-1).unwrap();
    worker.await_reasons(|all| all.iter().any(|reason| reason.starts_with("kafka")));
    fixture.cluster.broker_up(-1).unwrap();
    worker.await_reasons(<[String]>::is_empty);
    fixture.publish(&["evt_2"]);
    fixture.await_acknowledged(2).await;
    fixture.await_committed(&fixture.topics.completions(), 2);
    assert_eq!(fixture.receiver.requests().len(), 2, "nothing is repeated");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_url_of_an_event_that_leads_inside_is_a_dead_letter_for_that_after_its_schedule() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker(&[]).await;
    // That name leads to ::1 too, which is not allowed.
    let url = fixture.receiver.url("/acme").replace("127.0.0.1", "orders.localhost");
    let mut value: Value = serde_json::from_str(&event("evt_1", "acme")).unwrap();
    value["notify_url"] = json!(url);
    fixture.publish_values([value.to_string()]);
    fixture.await_committed(&fixture.topics.completions(), 1);
    let mut letters = Vec::new();
    assert!(poll(DEADLINE, || {
        let topic = fixture.topics.dead_letters();
        letters.clear();
        reader::scan(&fixture.clients(), &topic, |letter| {
            letters.push(letter);
            Ok::<_, paynotify::kafka::Error>(())
        })
        .unwrap();
        !letters.is_empty()
    }));
    let header = |name: &str| {
        let found = letters[0].headers.iter().find(|(header, _)| header == name).unwrap();
        String::from_utf8(found.1.to_vec()).unwrap()
    };
    assert_eq!(header("paynotify-reason"), "address_denied");
    assert_eq!(header("paynotify-class"), "merchant");
    assert_eq!(header("paynotify-attempts"), "4");
    assert_eq!(letters[0].value.as_deref(), Some(value.to_string().as_bytes()));
    assert_eq!(fixture.receiver.requests().len(), 0, "nobody was reached");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_writes_our_headers_steers_nothing() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker(&[]).await;
    let origin = Coordinates::parse("mock.completions/0/77").unwrap();
    let mut forged = Envelope::fresh(Timestamp::from_millis(0), origin);
    forged.endpoint = Some(EndpointId::parse("another").unwrap());
    forged.attempts = 3;
    forged.due = Some(Timestamp::from_millis(4_000_000_000_000));
    fixture.receiver.answer("/acme", Manner::FailTimes(1, 503));
    fixture.publish_with(0, [event("evt_1", "acme")], &forged.write());
    fixture.await_acknowledged(1).await;
    let requests = fixture.receiver.requests();
    let numbers: Vec<_> = requests.iter().map(|one| one.header("paynotify-attempt")).collect();
    assert_eq!(numbers, [Some("1"), Some("2")]);
    fixture.await_committed(&fixture.topics.completions(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_failed_for_good_is_built_anew_and_the_record_is_sent_by_the_next_one() {
    let fixture = Fixture::new().await;
    // So that what the broker refuses is fatal.
    let worker = fixture.worker(&[("enable.gapless.guarantee", "true")]).await;
    fixture.receiver.answer("/acme", Manner::Hang);
    fixture.publish(&["evt_1"]);
    fixture.receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    fixture.receiver.answer("/acme", Manner::Ok);
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS;
    fixture.cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
    fixture.await_acknowledged(1).await;
    fixture.await_committed(&fixture.topics.completions(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_stays_on_the_partition_number_of_its_event_whatever_its_key() {
    let fixture = Fixture::with_partitions(2).await;
    let worker = fixture.worker(&[]).await;
    fixture.receiver.answer("/acme", Manner::FailTimes(1, 503));
    for partition in [0, 1] {
        fixture.publish_with(partition, [event(&format!("evt_{partition}"), "acme")], &[]);
    }
    fixture.await_acknowledged(2).await;
    let grade = fixture.topics.grade(Grade::new(Span::from_secs(1)));
    for partition in [0, 1] {
        let reached = poll(DEADLINE, || fixture.committed_of(&grade, partition) == 1);
        let found = fixture.committed_of(&grade, partition);
        assert!(reached, "partition {partition} is committed at {found}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_leaves_no_memory_to_records_is_told_and_events_go_on() {
    let fixture = Fixture::new().await;
    // 20 MiB for attempts, 384 MiB for connections, and for records no more than they keep anyway.
    let worker = fixture.starting("memory.budget", "412MiB").await;
    worker.await_reasons(|all| all.len() == 1 && all[0].starts_with("memory: the directory takes"));
    fixture.publish(&["evt_1", "evt_2", "evt_3"]);
    fixture.await_acknowledged(3).await;
    fixture.await_committed(&fixture.topics.completions(), 3);
    worker.stop().await;
}
