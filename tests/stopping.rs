//! SIGTERM: running attempts may finish within the grace, and the exit status tells whether they
//! did.

mod support;

use std::time::Duration;

use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System},
};

async fn worker_with_one_running_attempt(
    name: &str,
    manner: Manner,
    grace: &str,
) -> (System, Receiver, support::system::Worker) {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix(name), 1).await;
    system.set("shutdown.grace", grace);
    let receiver = Receiver::start().await;
    receiver.answer("/acme", manner);
    system.merchant("acme", &receiver.url("/acme"), &json!({ "timeout": "30s" }));
    let worker = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    (system, receiver, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_attempt_may_finish_and_is_committed() {
    let slow = Manner::Slow(Duration::from_secs(3));
    let (system, receiver, worker) = worker_with_one_running_attempt("finish", slow, "20s").await;
    let (status, log) = worker.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(system.positions(&system.topics().completions()), [(Some(1), 1)]);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_outlasts_the_grace_is_cut_said_and_repeated_by_the_next_worker() {
    let (system, receiver, worker) =
        worker_with_one_running_attempt("cut", Manner::Hang, "1s").await;
    let (status, log) = worker.stop();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("1 running attempts were cut because shutdown.grace (1s) was over"),
        "{log}"
    );
    assert_eq!(system.positions(&system.topics().completions()), [(Some(0), 1)]);
    receiver.answer("/acme", Manner::Ok);
    let _next = system.worker();
    receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    system.await_rest(DEADLINE);
}
