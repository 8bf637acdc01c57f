//! Worker processes with the deadlines of production, of which one thread stands still, as when a call
//! into Kafka's client never returns. Freezing a single thread needs ptrace, so this is Linux alone.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    time::Instant,
};

use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, Worker, poll},
};

/// A thread that stands still until this is dropped.
struct Frozen {
    helper: Child,
    hold: Option<ChildStdin>,
}

impl Frozen {
    fn freeze(worker: &Worker, thread: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/freeze.py");
        let mut helper = Command::new("python3")
            .args([script, &worker.pid().to_string(), thread])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(helper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "frozen");
        let hold = helper.stdin.take();
        Self { helper, hold }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.helper.wait();
    }
}

const CONSUMER: &str = "kafka-consumer";
const PRODUCER: &str = "kafka-answers";

async fn system(name: &str) -> (System, Receiver) {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix(name), 2).await;
    let receiver = Receiver::start().await;
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    (system, receiver)
}

fn tells(worker: &Worker, what: &str) {
    let told = || worker.get("/readyz").1.contains(what);
    assert!(poll(DEADLINE, told), "{}\n{}", worker.get("/readyz").1, worker.log());
}

fn logs(worker: &Worker, what: &str) {
    assert!(poll(DEADLINE, || worker.log().contains(what)), "{}", worker.log());
}

async fn publish(system: &System, receiver: &Receiver, from: usize, to: usize) {
    system.publish(&["acme"], (from..to).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() >= to, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_consumer_never_returns_ends_with_1_and_the_next_one_goes_on() {
    let (system, receiver) = system("hanging").await;
    let mut worker = system.worker();
    publish(&system, &receiver, 0, 10).await;
    system.await_rest(DEADLINE);
    let frozen = Frozen::freeze(&worker, CONSUMER);
    let since = Instant::now();
    system.publish(&["acme"], (10..20).map(|n| format!("evt_{n}")));
    tells(&worker, "consumer: the consumer has not polled for");
    println!("told after {:?}", since.elapsed());
    logs(&worker, "Kafka answers, so the client is built anew");
    println!("built anew after {:?}", since.elapsed());
    let status = worker.wait();
    println!("ended after {:?}", since.elapsed());
    drop(frozen);
    assert_eq!(status.code(), Some(1), "{}", worker.log());
    let log = worker.log();
    assert!(log.contains("the consumer does not poll, though Kafka answers"), "{log}");
    assert_eq!(receiver.requests().len(), 10, "what was not read is nobody's yet");
    let next = system.worker();
    receiver.wait_until(|all| all.len() == 20, DEADLINE).await;
    system.await_rest(DEADLINE);
    assert!(next.stop().0.success());
    assert_eq!(receiver.requests().len(), 20, "nothing is repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_returns_while_it_is_given_up_is_replaced_and_the_worker_goes_on() {
    let (system, receiver) = system("returning").await;
    let worker = system.worker();
    publish(&system, &receiver, 0, 10).await;
    let frozen = Frozen::freeze(&worker, CONSUMER);
    system.publish(&["acme"], (10..20).map(|n| format!("evt_{n}")));
    logs(&worker, "Kafka answers, so the client is built anew");
    tells(&worker, "consumer_rebuilt: the consumer is built anew: the consumer does not poll");
    drop(frozen);
    receiver.wait_until(|all| all.len() >= 20, DEADLINE).await;
    system.await_rest(DEADLINE);
    let ready = poll(DEADLINE, || worker.get("/readyz").0 == 200);
    assert!(ready, "{}", worker.get("/readyz").1);
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");
    assert_eq!(receiver.requests().len(), 20, "everything was committed before it froze");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_tells_no_answers_is_replaced_and_its_records_are_sent_again() {
    let (system, receiver) = system("silent").await;
    let worker = system.worker();
    publish(&system, &receiver, 0, 1).await;
    system.await_rest(DEADLINE);
    let frozen = Frozen::freeze(&worker, PRODUCER);
    let since = Instant::now();
    receiver.answer("/acme", Manner::FailTimes(1, 503));
    system.publish(&["acme"], ["evt_1".to_owned()]);
    receiver.wait_until(|all| all.len() == 2, DEADLINE).await;
    tells(&worker, "producer: the broker has not acknowledged a record for");
    println!("told after {:?}", since.elapsed());
    let at = |system: &System| {
        let positions = system.positions(&system.topics().completions());
        positions.iter().filter_map(|(committed, _)| *committed).sum::<i64>()
    };
    assert_eq!(at(&system), 1, "the route is not known to be taken");
    logs(&worker, "the producer gets nothing acknowledged");
    println!("built anew after {:?}", since.elapsed());
    receiver
        .wait_until(|all| all.iter().filter(|one| one.status == Some(200)).count() >= 2, DEADLINE)
        .await;
    system.await_rest(DEADLINE);
    let ready = poll(DEADLINE, || worker.get("/readyz").0 == 200);
    assert!(ready, "{}", worker.get("/readyz").1);
    // The old producer is still frozen: that must keep nobody from ending.
    let (status, log) = worker.stop();
    drop(frozen);
    assert!(status.success(), "{log}");
    let times = receiver.requests().len();
    // The broker had taken the first route, of which the worker was not told.
    assert!((3..=4).contains(&times), "{times} requests");
}
