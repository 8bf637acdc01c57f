//! Topics that are deleted and created anew under a group that had positions on them.

mod support;

use paynotify::model::Grade;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::json;
use support::kafka::broker;
use support::{
    receiver::Receiver,
    system::{DEADLINE, System, poll},
};

/// Two partitions on which a worker has delivered forty events.
async fn used(receiver: &Receiver) -> System {
    let mut system = System::new(broker().bootstrap(), broker().prefix("recreated"), 2).await;
    for id in ["m_1", "m_2", "m_3"] {
        system.merchant(id, &receiver.url("/"), &json!({}));
    }
    let worker = system.worker();
    publish(&system, "old", 40);
    system.await_rest(DEADLINE);
    worker.stop();
    system
}

fn publish(system: &System, name: &str, count: usize) {
    system.publish(&["m_1", "m_2", "m_3"], (0..count).map(|number| format!("{name}_{number}")));
}

/// Completions and the ladder.
fn names(system: &System) -> Vec<String> {
    let topics = system.topics();
    let grades = system.grades.iter().map(|delay| topics.grade(Grade::new(*delay)));
    std::iter::once(topics.completions()).chain(grades).collect()
}

fn config(system: &System) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &system.bootstrap);
    config
}

/// Deletes completions and the ladder, and waits until nobody knows them.
async fn delete(system: &System) {
    let admin: AdminClient<DefaultClientContext> = config(system).create().unwrap();
    let names = names(system);
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
    for deleted in admin.delete_topics(&all, &options).await.unwrap() {
        deleted.unwrap();
    }
    let consumer: BaseConsumer = config(system).create().unwrap();
    let gone = || {
        let known = consumer.fetch_metadata(None, DEADLINE).unwrap();
        !known.topics().iter().any(|topic| all.contains(&topic.name()))
    };
    assert!(poll(DEADLINE, gone), "the topics are deleted");
}

/// As an operator does it; gives what the command says.
fn create(system: &System) -> String {
    let created = system.command(&["topics", "create", "--partitions", "2"]).output().unwrap();
    String::from_utf8_lossy(&created.stderr).into_owned()
}

fn delivered(receiver: &Receiver, name: &str) -> usize {
    let name = format!("{name}_");
    let ids = receiver.requests().into_iter().filter_map(|request| {
        request.header("webhook-id").filter(|id| id.starts_with(&name)).map(str::to_owned)
    });
    ids.collect::<std::collections::BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_created_anew_are_read_from_their_beginning_whatever_was_committed_before() {
    let receiver = Receiver::start().await;
    let system = used(&receiver).await;
    delete(&system).await;
    let said = create(&system);
    assert!(said.contains("created 4, grown 0; beginning committed on 8 partitions"), "{said}");
    publish(&system, "new", 100);
    let worker = system.worker();
    assert!(poll(DEADLINE, || delivered(&receiver, "new") == 100), "{}", worker.log());
    system.await_rest(DEADLINE);
    worker.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_on_topics_that_another_hand_created_anew_wait_for_a_person() {
    let receiver = Receiver::start().await;
    let system = used(&receiver).await;
    delete(&system).await;
    let names = names(&system);
    let new: Vec<_> = names
        .iter()
        .map(|name| {
            NewTopic::new(name, 2, TopicReplication::Fixed(1))
                .set("message.timestamp.type", "LogAppendTime")
        })
        .collect();
    let admin: AdminClient<DefaultClientContext> = config(&system).create().unwrap();
    for created in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
        created.unwrap();
    }
    publish(&system, "new", 100);
    let mut refused = system.starting_worker(&[]);
    assert_eq!(refused.wait().code(), Some(1));
    let log = refused.log();
    assert!(log.contains("say with --first-start earliest, latest or a time"), "{log}");
    let mut worker = system.starting_worker(&["--first-start", "earliest"]);
    worker.await_ready();
    assert!(poll(DEADLINE, || delivered(&receiver, "new") == 100), "{}", worker.log());
    worker.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_meanwhile_holds_the_partition_until_it_is_started_again() {
    let receiver = Receiver::start().await;
    let system = used(&receiver).await;
    let worker = system.worker();
    delete(&system).await;
    create(&system);
    let held = || {
        let (status, text) = worker.get("/readyz");
        status == 503 && text.contains("truncated or created anew; stop the workers")
    };
    assert!(poll(DEADLINE, held), "{:?}", worker.get("/readyz"));
    publish(&system, "new", 100);
    worker.stop();
    assert_eq!(delivered(&receiver, "new"), 0);
    create(&system);
    let worker = system.worker();
    assert!(poll(DEADLINE, || delivered(&receiver, "new") == 100), "{}", worker.log());
    worker.stop();
}
