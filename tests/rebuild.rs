//! A client of Kafka that fails for good is built anew, and a worker that this does not help ends.

mod support;

use serde_json::json;
use support::{
    kafka::broker,
    receiver::Receiver,
    system::{DEADLINE, System, poll},
};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_with_one_static_member_id_one_gives_up_and_the_other_delivers() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("rebuild"), 2).await;
    // Two members with the same static id fence each other, which is fatal for a client.
    system.set("kafka.properties__group_instance_id", "worker-0");
    let receiver = Receiver::start().await;
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let mut first = system.worker();
    let mut second = system.starting_worker(&[]);
    let mut ended = None;
    let gave_up = poll(DEADLINE, || {
        ended = first.ended().or_else(|| second.ended());
        ended.is_some()
    });
    assert!(gave_up, "first:\n{}\nsecond:\n{}", first.log(), second.log());
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    let logs = first.log() + &second.log();
    assert!(logs.contains("the consumer is built anew"), "{logs}");
    assert!(logs.contains("must be rebuilt"), "the last error says what is wrong: {logs}");
    system.publish(&["acme"], ["evt_1".to_owned()]);
    receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    system.await_rest(DEADLINE);
}
