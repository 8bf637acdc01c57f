//! The way of a record on a real Kafka, with real worker processes.

mod support;

use std::time::Duration;

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
