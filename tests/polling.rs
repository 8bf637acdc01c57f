//! Schedules on a real Kafka: a published one, sixty times as fast, and one whose grade is removed.

mod support;

use std::time::Duration;

use paynotify::model::{Grade, Preset, Span};
use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, poll},
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

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_a_grade_that_was_removed_meanwhile_is_attempted_when_it_is_due() {
    let broker = broker();
    let mut system = System::graded(broker.bootstrap(), broker.prefix("retired"), &[1, 2, 5]).await;
    let receiver = Receiver::start().await;
    receiver.answer("/acme", Manner::Status(500));
    system.merchant("acme", &receiver.url("/acme"), &json!({ "intervals": ["5s", "4s"] }));
    let worker = system.worker();
    system.publish(&["acme"], ["evt_1".to_owned()]);
    let longest = system.topics().grade(Grade::new(Span::from_secs(5)));
    assert!(poll(DEADLINE, || !system.records(&longest).is_empty()), "it waits on 5s");
    assert!(worker.stop().0.success());

    let all = std::mem::replace(&mut system.grades, [1, 2].map(Span::from_secs).to_vec());
    system.set("parking.longest_grade", "2s");
    let worker = system.worker();
    let requests = receiver.wait_until(|all| all.len() == 3, DEADLINE).await;
    for (pair, wait) in requests.windows(2).zip([5, 4]) {
        let gap = pair[1].arrived - pair[0].arrived;
        assert!(gap >= Duration::from_secs(wait), "{gap:?}, {wait} s were wanted");
    }
    system.grades = all;
    system.await_rest(DEADLINE);
    assert_eq!(system.records(&longest).len(), 1, "nothing more was written to it");
    assert!(worker.stop().1.contains("delay.5s"), "the log names it");
}
