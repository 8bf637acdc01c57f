//! A published schedule on a real Kafka, sixty times as fast: a minute is a second.

mod support;

use std::time::Duration;

use paynotify::model::Preset;
use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System},
};

/// The ladder of the default configuration has grades for it; here they are as short in proportion,
/// down to a second.
const GRADES: [u64; 7] = [1, 2, 5, 10, 30, 60, 180];
/// An attempt may be so late on a busy machine.
const LATE: Duration = Duration::from_secs(2);

/// Lets a merchant refuse everything until `attempts` were made, and holds their times against the
/// schedule.
async fn polled(name: &str, attempts: usize) {
    let wechat = Preset::named("wechat-pay").unwrap();
    let intervals: Vec<Duration> = wechat
        .intervals()
        .iter()
        .map(|span| Duration::from_millis(span.as_millis() / 60))
        .collect();
    let texts: Vec<String> =
        intervals.iter().map(|interval| format!("{}ms", interval.as_millis())).collect();
    let broker = broker();
    let mut system = System::graded(broker.bootstrap(), broker.prefix(name), &GRADES).await;
    system.set("directory.shortest_interval", "100ms");
    let receiver = Receiver::start().await;
    receiver.answer("/acme", Manner::Status(500));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": texts }));
    let worker = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    let whole: Duration = intervals.iter().take(attempts - 1).sum();
    let requests = receiver.wait_until(|all| all.len() >= attempts, whole + DEADLINE).await;
    for (number, (pair, interval)) in requests.windows(2).zip(&intervals).enumerate() {
        let gap = pair[1].arrived - pair[0].arrived;
        let late = gap.checked_sub(*interval);
        assert!(late.is_some_and(|late| late < LATE), "{gap:?} after attempt {}", number + 1);
    }
    worker.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_attempts_of_a_published_schedule_come_at_its_times() {
    polled("polled", 7).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 24 minutes; `make test-schedule` runs it"]
async fn every_attempt_of_a_published_schedule_comes_at_its_time() {
    polled("polled-whole", 16).await;
}
