//! The way of a record on a real Kafka, with real worker processes.

mod support;

use std::time::Duration;

use bytes::Bytes;
use paynotify::{engine::OffsetMap, model::Offset};
use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, SECRET, System},
};

async fn system(name: &str, partitions: i32) -> (System, Receiver) {
    let broker = broker();
    let system = System::new(broker.bootstrap(), broker.prefix(name), partitions).await;
    (system, Receiver::start().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_its_merchant_byte_for_byte_signed_and_is_committed() {
    let (mut system, receiver) = system("one", 2).await;
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let worker = system.worker();
    let published = system.publish(&["acme"], ["evt_1".to_owned()]);
    let requests = receiver.wait_until(|all| !all.is_empty(), DEADLINE).await;
    let request = &requests[0];
    assert_eq!(request.body, published[0].1.as_bytes());
    assert_eq!(request.header("webhook-id"), Some("evt_1"));
    assert_eq!(request.header("paynotify-attempt"), Some("1"));
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    verifier.verify(&request.body, &headers).unwrap();
    system.await_rest(DEADLINE);
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");
    assert_eq!(receiver.requests().len(), 1, "no attempt without need");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_that_fails_twice_is_retried_in_time_and_then_has_it() {
    let (mut system, receiver) = system("twice", 2).await;
    receiver.answer("/acme", Manner::FailTimes(2, 503));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": ["1s", "2s"] }));
    let _worker = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    let requests = receiver.wait_until(|all| all.len() == 3, DEADLINE).await;
    let gaps: Vec<Duration> =
        requests.windows(2).map(|pair| pair[1].arrived - pair[0].arrived).collect();
    assert!(gaps[0] >= Duration::from_secs(1) && gaps[1] >= Duration::from_secs(2), "{gaps:?}");
    system.await_rest(DEADLINE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_has_the_bytes_the_headers_and_the_coordinates_of_its_event() {
    let (mut system, receiver) = system("dead", 2).await;
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let _worker = system.worker();
    let headers = vec![
        (
            "traceparent".to_owned(),
            Bytes::from_static(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        ("paynotify-attempts".to_owned(), Bytes::from_static(b"99")),
        ("shop".to_owned(), Bytes::from_static(b"\xff\x00")),
    ];
    system.publish_raw(Some(b"acme"), Some(b"\x00\x01not JSON"), headers);
    system.await_rest(DEADLINE);
    let letters = system.records(&system.topics().dead_letters());
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.coordinates.partition, 0, "the partition number of its source");
    assert_eq!(letter.key.as_deref(), Some(&b"acme"[..]));
    assert_eq!(letter.value.as_deref(), Some(&b"\x00\x01not JSON"[..]));
    let value = |name: &str| {
        let found: Vec<_> = letter.headers.iter().filter(|(found, _)| found == name).collect();
        assert!(found.len() < 2, "{name} is there once");
        found.first().map(|(_, value)| value.as_ref())
    };
    assert_eq!(value("shop"), Some(&b"\xff\x00"[..]));
    assert!(value("traceparent").is_some());
    assert_eq!(value("paynotify-attempts"), Some(&b"0"[..]), "whoever may publish must not steer");
    assert_eq!(value("paynotify-reason"), Some(&b"undecodable"[..]));
    assert_eq!(value("paynotify-class"), Some(&b"publisher"[..]));
    assert_eq!(value("__dlq.errors.topic"), Some(system.topics().completions().as_bytes()));
    assert_eq!(value("__dlq.errors.partition"), Some(&b"0"[..]));
    assert_eq!(value("__dlq.errors.offset"), Some(&b"0"[..]));
    assert_eq!(value("__dlq.errors.group"), Some(system.prefix.as_bytes()));
    assert_eq!(value("__dlq.errors.delivery.count"), Some(&b"0"[..]));
    assert!(value("__dlq.errors.message").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_is_delivered_with_the_same_id_and_a_second_run_skips_it() {
    let (mut system, receiver) = system("replay", 2).await;
    receiver.answer("/acme", Manner::Status(500));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": [] }));
    let _worker = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    system.await_rest(DEADLINE);
    assert_eq!(system.records(&system.topics().dead_letters()).len(), 1);

    receiver.answer("/acme", Manner::Ok);
    let replay = || {
        let output = system.command(&["dlq", "replay", "--merchant", "acme"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    replay();
    let requests = receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    assert_eq!(requests[1].header("webhook-id"), Some("evt_1"));
    assert_eq!(requests[1].header("paynotify-attempt"), Some("1"));
    replay();
    system.await_rest(DEADLINE);
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_partitions_and_a_stopped_one_leaves_nothing_undone() {
    let (mut system, receiver) = system("share", 6).await;
    let names: Vec<String> = (0..30).map(|n| format!("m_{n}")).collect();
    for name in &names {
        receiver.answer(&format!("/{name}"), Manner::Slow(Duration::from_millis(20)));
        system.merchant(name, &receiver.url(&format!("/{name}")), &json!({}));
    }
    let merchants: Vec<&str> = names.iter().map(String::as_str).collect();
    let (first, second) = (system.worker(), system.worker());
    let shared = support::system::poll(DEADLINE, || {
        [&first, &second].iter().all(|worker| worker.partitions() == 3 * 4)
    });
    assert!(shared, "{} and {}", first.partitions(), second.partitions());
    system.publish(&merchants, (0..1_500).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() > 300, DEADLINE).await;
    let (status, log) = second.stop();
    assert!(status.success(), "{log}");
    receiver.wait_until(|all| all.len() >= 1_500, DEADLINE).await;
    system.await_rest(DEADLINE);
    let mut ids: Vec<_> = receiver
        .requests()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1_500);
    assert_eq!(receiver.requests().len(), 1_500, "a graceful stop repeats nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_hangs_thousands_behind_it_are_done_and_a_crash_repeats_only_the_hanging_one() {
    let (mut system, receiver) = system("hang", 1).await;
    receiver.answer("/slow", Manner::Hang);
    system.merchant("slow", &receiver.url("/slow"), &json!({ "timeout": "60s" }));
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let worker = system.worker();
    system.publish(&["slow"], ["hanging".to_owned()]);
    receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    system.publish(&["acme"], (0..3_000).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() == 3_001, DEADLINE).await;
    // The last commit says that everything but offset 0 is resolved.
    let topic = system.topics().completions();
    let mapped = support::system::poll(DEADLINE, || {
        let metadata = system.metadata(&topic, 0);
        let map = OffsetMap::decode(&metadata, &system.cluster(), Offset(0));
        map.is_ok_and(|map| map.runs() == [(Offset(1), Offset(3_001))])
    });
    assert!(mapped, "{}", system.metadata(&topic, 0));
    // What there was no room for came by way of the ladder, which has commits of its own.
    system.await_committed_ladder(DEADLINE);
    worker.kill();

    receiver.answer("/slow", Manner::Ok);
    let _next = system.worker();
    let requests = receiver.wait_until(|all| all.len() == 3_002, DEADLINE).await;
    assert_eq!(requests[3_001].header("webhook-id"), Some("hanging"));
    system.await_rest(DEADLINE);
    assert_eq!(receiver.requests().len(), 3_002);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_a_broker_that_is_away_for_fifteen_seconds() {
    let cluster = support::kafka::Cluster::start(1, &[]);
    let receiver = Receiver::start().await;
    let mut system = System::new(cluster.bootstrap(), "away".to_owned(), 2).await;
    receiver.answer("/acme", Manner::FailTimes(1, 500));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": ["1s", "1s", "1s"] }));
    let worker = system.worker();
    system.publish(&["acme"], (0..50).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() >= 20, DEADLINE).await;
    cluster.stop(0);
    let gone = std::time::Instant::now();
    let red = support::system::poll(Duration::from_secs(15), || worker.get("/readyz").0 == 503);
    assert!(red, "/readyz is red within 15 s");
    while gone.elapsed() < Duration::from_secs(15) {
        assert_eq!(worker.get("/livez").0, 200);
        support::system::poll(Duration::from_millis(500), || false);
    }
    cluster.restart(0);
    let green = support::system::poll(Duration::from_secs(30), || worker.get("/readyz").0 == 200);
    assert!(green, "/readyz: {}\n{}", worker.get("/readyz").1, worker.log());
    system.publish(&["acme"], (50..100).map(|n| format!("evt_{n}")));
    let acknowledged = |all: &[std::sync::Arc<support::receiver::Request>]| {
        let ids: std::collections::BTreeSet<_> = all
            .iter()
            .filter(|one| one.status == Some(200))
            .map(|one| one.header("webhook-id").unwrap())
            .collect();
        ids.len() == 100
    };
    receiver.wait_until(acknowledged, DEADLINE).await;
    system.await_rest(DEADLINE);
}
