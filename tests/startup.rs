//! What a worker refuses to start on, and how it says so, on a real Kafka.

mod support;

use std::{
    io::Read as _,
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, Worker, poll},
};

async fn system(name: &str) -> System {
    let broker = broker();
    System::new(broker.bootstrap(), broker.prefix(name), 1).await
}

/// Runs a program that is expected to end by itself; its status and what it said.
fn ended(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut status = None;
    let ended = poll(DEADLINE, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ended, "still running: {said}");
    (status.unwrap().code(), said)
}

/// Lines of the program's last word, without its log.
fn last_word(said: &str) -> Vec<String> {
    said.lines().filter_map(|line| line.strip_prefix("paynotify: ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_topics_are_refused_each_with_what_is_wrong_why_and_the_remedy() {
    let mut system = system("unsafe").await;
    system.merchant("acme", "http://127.0.0.1:9/", &json!({}));
    let (status, said) = ended(system.command(&["worker"]));
    let word = last_word(&said);
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(word[0], "the topics are not safe:");
    let grade = format!("{}.delay.5s", system.prefix);
    let retention = format!(
        "- {grade}: retention.ms is 604800000, but should be 604805000: records could be deleted \
         before they are due, or in an outage; use kafka-configs.sh --entity-type topics \
         --entity-name {grade} --alter"
    );
    assert!(word.contains(&retention), "{word:#?}");
    let remedy = "run `paynotify topics create` for topics that are missing, change the settings \
                  of the others; or, for development only, pass --allow-unsafe";
    assert_eq!(word.last().unwrap(), remedy);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_topics_are_loudly_allowed_for_development() {
    let mut system = system("allowed").await;
    system.merchant("acme", "http://127.0.0.1:9/", &json!({}));
    let worker = system.worker();
    let warning = "--allow-unsafe: EVENTS CAN BE LOST: ";
    assert!(worker.log().contains(warning), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_topics_need_no_permission() {
    let mut system = system("safe").await;
    system.prefix = broker().prefix("created");
    let (status, said) = ended(system.command(&["topics", "create", "--partitions", "1"]));
    assert_eq!(status, Some(0), "{said}");
    system.merchant("acme", "http://127.0.0.1:9/", &json!({}));
    let mut worker = Worker::spawn(&mut system.command(&["worker"]));
    worker.await_ready();
    assert!(!worker.log().contains("unsafe"), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_are_named_with_the_command_that_creates_them() {
    let mut system = system("missing").await;
    system.prefix = broker().prefix("nowhere");
    system.merchant("acme", "http://127.0.0.1:9/", &json!({}));
    let (status, said) = ended(system.command(&["worker"]));
    let expected = format!(
        "- {}: existence is missing, but should be a topic: the program reads or writes it; run \
         `paynotify topics create`",
        system.prefix
    );
    assert_eq!(status, Some(1));
    assert!(last_word(&said).contains(&expected), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_answer_ends_the_start_with_its_address() {
    let mut system = system("away").await;
    system.merchant("acme", "http://127.0.0.1:9/", &json!({}));
    // Bound and dropped: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    system.set("kafka.bootstrap_servers", &address.to_string());
    let begun = Instant::now();
    let (status, said) = ended(system.command(&["worker"]));
    let expected = format!(
        "no Kafka broker answers at {address}; check kafka.bootstrap_servers and that the broker \
         runs"
    );
    assert_eq!((status, last_word(&said)), (Some(1), vec![expected]));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_directory_is_refused_unless_it_is_meant() {
    let system = system("empty").await;
    let file = system.directory_file();
    std::fs::write(&file, "").unwrap();
    let (status, said) = ended(system.command(&["worker", "--allow-unsafe"]));
    let expected = format!(
        "the directory ({}) holds no merchant, so every event would become a dead letter; add \
         merchants with `paynotify merchants put`, or pass --allow-empty-directory",
        file.display()
    );
    assert_eq!((status, last_word(&said)), (Some(1), vec![expected]));
    system.starting_worker(&["--allow-empty-directory"]).await_ready();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_a_configuration_error() {
    let mut system = system("key").await;
    system.set("kafka.gruop", "blue");
    let (status, said) = ended(system.command(&["worker"]));
    let expected = "environment variable PAYNOTIFY_KAFKA__GRUOP: kafka.gruop: unknown key; did \
                    you mean kafka.group?";
    assert_eq!((status, last_word(&said)), (Some(2), vec![expected.to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_counts_what_is_not_committed() {
    let mut system = system("lag").await;
    let receiver = Receiver::start().await;
    receiver.answer("/acme", Manner::Hang);
    // Nothing is committed as long as the first request runs.
    system.merchant("acme", &receiver.url("/acme"), &json!({ "timeout": "60s" }));
    let worker = system.worker();
    let lag = |records: u64| {
        let topic = &system.prefix;
        let line = format!("paynotify_consumer_lag_records{{topic=\"{topic}\"}} {records}");
        poll(DEADLINE, || worker.get("/metrics").1.lines().any(|found| found == line))
    };
    assert!(lag(0));
    system.publish(&["acme"], (0..5).map(|n| format!("evt_{n}")));
    assert!(lag(5), "{}", worker.log());
}
