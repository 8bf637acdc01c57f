//! Dead letters and publishing from the command line, against an embedded broker.

use std::time::Duration;

use paynotify::{
    engine::{DeadLetter, DeadReason},
    envelope::{Envelope, dead_letter_headers},
    model::{Coordinates, EndpointId, Header, Offset, Timestamp},
};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header as KafkaHeader, Headers as _, Message as _, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _},
};

use super::{paynotify, status, stderr, stdout};

const TOPICS: [&str; 4] = [
    "payments.completions",
    "payments.completions.dlq",
    "payments.completions.marks",
    "payments.completions.delay.5s",
];

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    for topic in TOPICS {
        cluster.create_topic(topic, 4, 1).unwrap();
    }
    cluster
}

fn run(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    arguments: &[&str],
    input: &str,
) -> std::process::Output {
    let servers = cluster.bootstrap_servers();
    paynotify(arguments, &[("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", &servers)], input)
}

/// Puts a dead letter on partition 2.
fn bury(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    endpoint: Option<&str>,
    reason: DeadReason,
) {
    let origin = Coordinates { topic: TOPICS[0].into(), partition: 2, offset: Offset(7) };
    let mut envelope = Envelope::fresh(Timestamp::from_millis(1_000), origin);
    envelope.endpoint = endpoint.map(|id| EndpointId::parse(id).unwrap());
    envelope.attempts = 14;
    envelope.parked = 3;
    let message = "HTTP 500 \u{1b}[2J".to_owned();
    let letter = DeadLetter { reason, message, truncated: false };
    let mut headers = OwnedHeaders::new().insert(KafkaHeader { key: "trace", value: Some("t1") });
    for (key, value) in dead_letter_headers(&envelope, &letter, "paynotify") {
        headers = headers.insert(KafkaHeader { key: &key, value: Some(&*value) });
    }
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    let value = br#"{"id":"e1","type":"payment.completed"}"#;
    let record = BaseRecord::to(TOPICS[1]).partition(2).key("m_1").payload(value).headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
}

/// Every record of one partition: key, value, headers.
fn records(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    topic: &str,
    partition: i32,
) -> Vec<(String, String, Vec<Header>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).unwrap();
    consumer.assign(&place).unwrap();
    let mut records = Vec::new();
    while let Some(Ok(message)) = consumer.poll(Duration::from_secs(10)) {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let own =
                |h: KafkaHeader<'_, &[u8]>| (h.key.to_owned(), h.value.unwrap().to_vec().into());
            headers.iter().map(own).collect()
        });
        records.push((text(message.key()), text(message.payload()), headers));
    }
    records
}

#[test]
fn dead_letters_are_listed_by_filter_and_without_their_value() {
    let cluster = cluster();
    bury(&cluster, Some("ep_main"), DeadReason::Exhausted);
    bury(&cluster, None, DeadReason::Invalid);
    let all = run(&cluster, &["dlq", "list"], "");
    assert_eq!(status(&all), 0, "{}", stderr(&all));
    assert_eq!(stdout(&all).lines().count(), 2);
    let one = run(&cluster, &["dlq", "list", "--reason", "exhausted", "--type", "payment.*"], "");
    let record: serde_json::Value = serde_json::from_str(&stdout(&one)).unwrap();
    assert_eq!(record["letter"], "payments.completions.dlq/2/0");
    assert_eq!(record["endpoint_id"], "ep_main");
    assert_eq!(record["attempts"], 14);
    assert_eq!(record["class"], "merchant");
    assert!(record.get("payload").is_none());
    let table = run(&cluster, &["dlq", "list", "--output", "table", "--with-payload"], "");
    assert!(stdout(&table).contains("HTTP 500 \\u{1b}[2J"), "{}", stdout(&table));
    assert!(stdout(&table).contains(r#"{"id":"e1""#));
    assert!(!stdout(&table).contains('\u{1b}'));
}

#[test]
fn one_dead_letter_is_shown_with_its_value_on_demand() {
    let cluster = cluster();
    bury(&cluster, Some("ep_main"), DeadReason::Exhausted);
    let place = "payments.completions.dlq/2/0";
    let shown = run(&cluster, &["dlq", "show", place, "--with-payload"], "");
    let record: serde_json::Value = serde_json::from_str(&stdout(&shown)).unwrap();
    assert_eq!(record["payload"], r#"{"id":"e1","type":"payment.completed"}"#);
    let missing = run(&cluster, &["dlq", "show", "payments.completions.dlq/2/9"], "");
    assert_eq!(status(&missing), 1);
    let expected = "paynotify: there is no dead letter at payments.completions.dlq/2/9\n";
    assert_eq!(stderr(&missing), expected);
}

#[test]
fn a_replay_goes_to_the_smallest_grade_once() {
    let cluster = cluster();
    bury(&cluster, Some("ep_main"), DeadReason::Exhausted);
    let replay = run(&cluster, &["dlq", "replay", "--reason", "exhausted"], "");
    assert_eq!(status(&replay), 0, "{}", stderr(&replay));
    assert_eq!(stderr(&replay), "replayed 1, skipped 0 marked before, refused 0\n");
    let again = run(&cluster, &["dlq", "replay", "--reason", "exhausted"], "");
    assert_eq!(stderr(&again), "replayed 0, skipped 1 marked before, refused 0\n");

    let replayed = records(&cluster, "payments.completions.delay.5s", 2);
    let [(key, value, headers)] = &replayed[..] else { panic!("{replayed:?}") };
    assert_eq!(
        (key.as_str(), value.as_str()),
        ("m_1", r#"{"id":"e1","type":"payment.completed"}"#)
    );
    let (envelope, publishers) = Envelope::read(headers.clone()).unwrap();
    assert_eq!(publishers, [("trace".to_owned(), "t1".into())]);
    assert_eq!(envelope.endpoint.unwrap().as_str(), "ep_main");
    assert_eq!(envelope.origin.to_string(), "payments.completions/2/7");
    assert_eq!(envelope.replay.unwrap().to_string(), "payments.completions.dlq/2/0");
    assert_eq!((envelope.attempts, envelope.parked, envelope.first_attempt), (0, 0, None));
    assert!(envelope.accepted > Timestamp::from_millis(1_000), "its age begins anew");

    let marks: Vec<_> = (0..4).flat_map(|p| records(&cluster, TOPICS[2], p)).collect();
    let [(key, value, _)] = &marks[..] else { panic!("{marks:?}") };
    assert_eq!(key, "payments.completions.dlq/2/0");
    let mark: serde_json::Value = serde_json::from_str(value).unwrap();
    assert_eq!((&mark["format"], &mark["state"]), (&1.into(), &"replayed".into()));
    let list = run(&cluster, &["dlq", "list"], "");
    assert!(stdout(&list).contains(r#""state":"replayed""#), "{}", stdout(&list));
}

#[test]
fn a_dead_letter_without_an_endpoint_is_not_replayed() {
    let cluster = cluster();
    bury(&cluster, None, DeadReason::Invalid);
    let replay = run(&cluster, &["dlq", "replay", "--all"], "");
    assert_eq!(status(&replay), 1);
    let expected = "payments.completions.dlq/2/0: refused: invalid: it has no endpoint; \
         the publisher must put it right and publish it anew\n\
         replayed 0, skipped 0 marked before, refused 1\n\
         paynotify: 1 dead letters were not replayed, see above\n";
    assert_eq!(stderr(&replay), expected);
}

#[test]
fn a_replay_of_everything_must_be_meant() {
    let cluster = cluster();
    let replay = run(&cluster, &["dlq", "replay"], "");
    assert_eq!(status(&replay), 2, "{}", stderr(&replay));
}

#[test]
fn published_events_are_keyed_and_refused_lines_are_numbered() {
    let cluster = cluster();
    let good = r#"{"id":"e1","type":"payment.completed","timestamp":"2026-01-31T12:00:00Z","merchant_id":"m_1","data":{}}"#;
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(300_000));
    let input = format!("{good}\n\n{{}}\nnonsense\n{long}\n{good}");
    let publish = run(&cluster, &["publish"], &input);
    assert_eq!(status(&publish), 1, "{}", stderr(&publish));
    let lines: Vec<_> = stderr(&publish).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("<stdin>:3: refused: "), "{lines:?}");
    assert!(lines[1].starts_with("<stdin>:4: refused: "), "{lines:?}");
    assert_eq!(lines[2], "<stdin>:5: refused: longer than events.max_bytes, 256KiB");
    assert_eq!(lines[3], "published 2, refused 3");
    let all: Vec<_> = (0..4).flat_map(|p| records(&cluster, TOPICS[0], p)).collect();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|(key, value, _)| key == "m_1" && value == good));
}

#[test]
fn an_unreachable_broker_is_named_with_the_remedy() {
    let environment = [("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")];
    let publish = paynotify(&["publish"], &environment, "");
    assert_eq!(status(&publish), 1);
    let (said, expected) =
        (stderr(&publish), "paynotify: no Kafka broker answers at 127.0.0.1:1: ");
    assert!(said.starts_with(expected), "{said}");
    let remedy = "; check kafka.bootstrap_servers and that the broker runs\n";
    assert!(said.ends_with(remedy), "{said}");
}
