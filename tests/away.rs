//! A worker process with the deadlines of production, whose Kafka neither answers nor refuses for
//! longer than each of them: it waits, builds no client anew meanwhile, and goes on where it was. A
//! client that then does not find back by itself is built anew.

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{
    kafka::Cluster,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, poll},
};

/// Seconds for which Kafka is away, in place of the usual ones.
const SECONDS: &str = "AWAY";
/// A head counts after 60 s, and 30 s later its client is built anew.
const LONG_ENOUGH: u64 = 100;

fn away() -> Duration {
    let seconds = std::env::var(SECONDS).map(|text| text.parse().expect("AWAY is in seconds"));
    Duration::from_secs(seconds.unwrap_or(LONG_ENOUGH))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_frozen_for_longer_than_every_deadline_ends_no_worker() {
    let cluster = Cluster::start(1, &[]);
    let mut system = System::new(cluster.bootstrap(), "away".to_owned(), 2).await;
    let receiver = Receiver::start().await;
    system.merchant("acme", &receiver.url("/acme"), &json!({ "timeout": "5s" }));
    let mut worker = system.worker();
    system.publish(&["acme"], (0..10).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() == 10, DEADLINE).await;
    system.await_rest(DEADLINE);
    receiver.answer("/acme", Manner::Hang);
    system.publish(&["acme"], ["evt_10".to_owned()]);
    receiver.wait_until(|all| all.len() == 11, DEADLINE).await;

    // Its attempt fails while nobody takes the route.
    cluster.pause(0);
    let mut told = Vec::new();
    let ended = poll(away(), || {
        for line in worker.get("/readyz").1.lines() {
            let key = line.split(':').next().unwrap_or_default().to_owned();
            if !told.contains(&key) {
                told.push(key);
            }
        }
        worker.ended().is_some()
    });
    assert!(!ended, "{}", worker.log());
    println!("told: {told:?}");
    assert!(
        told.contains(&"kafka".to_owned()) && told.contains(&"producer".to_owned()),
        "{told:?}"
    );
    assert!(!worker.log().contains("built anew"), "{}", worker.log());
    receiver.answer("/acme", Manner::Ok);
    let back = Instant::now();
    cluster.cont(0);
    let ready = poll(2 * DEADLINE, || worker.get("/readyz").0 == 200);
    assert!(ready, "{}\n{}", worker.get("/readyz").1, worker.log());
    println!("ready {:?} after Kafka's return", back.elapsed());
    receiver
        .wait_until(|all| all.iter().filter(|one| one.status == Some(200)).count() >= 11, DEADLINE)
        .await;
    system.await_rest(DEADLINE);
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");
    println!("built anew: {}", log.matches("so the client is built anew").count());
}
