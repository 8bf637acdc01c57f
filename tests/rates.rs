//! An endpoint's rate on a real Kafka: kept by whichever of several workers has its partition, over
//! first attempts and retries together, and while the partition moves.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, Worker, poll},
};

const PER_SECOND: usize = 20;
const CAP: usize = 4;
const EVENTS: usize = 350;
const WINDOW: Duration = Duration::from_secs(10);
/// Attempts that fit in it.
const WANTED: usize = 10 * PER_SECOND;

/// Requests that arrived within the window from there.
fn in_window(arrivals: &[Instant], from: Instant) -> usize {
    arrivals.iter().filter(|at| (from..from + WINDOW).contains(*at)).count()
}

fn has_its_lane(worker: &Worker) -> bool {
    worker.status()["lanes"].as_array().is_some_and(|lanes: &Vec<Value>| !lanes.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_by_three_workers_and_through_a_rebalance() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("rates"), 6).await;
    let receiver = Receiver::start().await;
    // Every event takes an attempt and a retry; that is no reason here to send probes alone.
    receiver.answer("/acme", Manner::FailTimes(1, 500));
    system.set("delivery.breaker.failures", "1000000");
    let rate = json!({ "per_second": PER_SECOND, "burst": 1 });
    let policy = json!({ "rate": rate, "max_in_flight": CAP, "intervals": ["1s", "2s", "5s"] });
    system.merchant("acme", &receiver.url("/acme"), &policy);
    let mut workers = vec![system.worker(), system.worker(), system.worker()];
    let shared = || workers.iter().all(|worker| worker.partitions() == 2 * 4);
    assert!(poll(DEADLINE, shared), "each of three has two of six partitions of four topics");
    system.publish(&["acme"], (0..EVENTS).map(|n| format!("evt_{n}")));

    let before = 13 * PER_SECOND;
    receiver.wait_until(|all| all.len() >= before, DEADLINE).await;
    let owner = workers.iter().position(has_its_lane).expect("one of them has the lane");
    let moved = Instant::now();
    assert!(workers.remove(owner).stop().0.success());
    receiver.wait_until(|all| all.len() >= 2 * EVENTS, DEADLINE).await;
    system.await_rest(DEADLINE);

    let arrivals: Vec<Instant> = receiver.requests().iter().map(|one| one.arrived).collect();
    for from in &arrivals {
        let count = in_window(&arrivals, *from);
        // Both owners may have begun with a full bucket, and at most one cap was in flight.
        let more = if (*from..*from + WINDOW).contains(&moved) { CAP + 1 } else { 0 };
        assert!(count <= WANTED * 105 / 100 + more, "{count} in {WINDOW:?}");
    }
    let first = in_window(&arrivals, arrivals[0]);
    let last = in_window(&arrivals, arrivals[arrivals.len() - 1].checked_sub(WINDOW).unwrap());
    for count in [first, last] {
        assert!(count >= WANTED * 95 / 100, "{count} in {WINDOW:?}, though more was waiting");
    }
}
