//! Workers whose machine has the wrong time: the broker's counts.
#![cfg(feature = "fail-points")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{System, Worker},
};

const DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(5);

/// One attempt fails; the worker that takes over has a clock that is ahead or behind.
async fn retried_by_a_worker_whose_clock_is(shift: &str) {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("clock"), 1).await;
    let receiver = Receiver::start().await;
    receiver.answer("/acme", Manner::FailTimes(1, 503));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": ["5s"] }));
    let right = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    system.await_committed_completions(DEADLINE);
    let (status, log) = right.stop();
    assert!(status.success(), "{log}");
    let mut command = system.command(&["worker", "--allow-unsafe"]);
    let _wrong = Worker::spawn(command.env("PAYNOTIFY_TESTING__CLOCK_SHIFT", shift));
    let requests = receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    let waited = requests[1].arrived - requests[0].arrived;
    assert!(waited >= INTERVAL, "the clock is {shift}, and it was retried after {waited:?}");
    assert!(waited < INTERVAL + Duration::from_secs(30), "it was retried after {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_early_by_a_clock_that_is_ahead() {
    retried_by_a_worker_whose_clock_is("90s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_by_a_clock_that_is_behind() {
    retried_by_a_worker_whose_clock_is("-90s").await;
}
