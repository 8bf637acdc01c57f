//! Records on a real Kafka: each is answered once, and whole topics are read and followed.

mod support;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use paynotify::{
    engine::RouteFailure,
    kafka::{
        ClientSettings, Error,
        admin::{Admin, New},
        producer::{Delivered, Outgoing, Producer, SendError},
        reader::{StoredRecord, scan},
        table::{Table, TableInput},
    },
};
use support::kafka::broker;
use tokio::{sync::mpsc, time::timeout};

const DEADLINE: Duration = Duration::from_secs(60);

fn client() -> ClientSettings {
    let quick = ("topic.metadata.propagation.max.ms".to_owned(), "2000".to_owned());
    ClientSettings {
        bootstrap_servers: broker().bootstrap(),
        group: "records".to_owned(),
        properties: BTreeMap::from([quick]),
    }
}

async fn topic(name: &str, partitions: i32, settings: &[(&'static str, &str)]) -> String {
    let name = broker().prefix(name);
    let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let new = New { name: name.clone(), partitions, replicas: 1, settings };
    Admin::new(&client()).await.unwrap().create(&[new]).await.unwrap();
    name
}

fn record<'a>(token: u64, topic: &'a str, key: &'a str, value: Option<&'a [u8]>) -> Outgoing<'a> {
    let key = Some(key.as_bytes());
    Outgoing { token, topic, partition: None, key, value, headers: Vec::new() }
}

async fn answer(answers: &mut mpsc::Receiver<Delivered>) -> Delivered {
    timeout(DEADLINE, answers.recv()).await.expect("an answer in time").expect("a live producer")
}

/// Writes records in order and waits for the answers.
async fn write(topic: &str, records: &[(&str, Option<&[u8]>)]) {
    let (producer, mut answers) = Producer::new(&client()).unwrap();
    for (token, (key, value)) in (0..).zip(records) {
        producer.send(&record(token, topic, key, *value)).unwrap();
    }
    for _ in records {
        answer(&mut answers).await.result.unwrap();
    }
}

async fn read<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_record_arrives_byte_for_byte_on_the_partition_that_was_named() {
    let topic = topic("named", 3, &[("message.timestamp.type", "LogAppendTime")]).await;
    let (producer, mut answers) = Producer::new(&client()).unwrap();
    let headers = vec![
        ("a".to_owned(), Bytes::from_static(b"\0\xff")),
        ("b".to_owned(), Bytes::new()),
        ("a".to_owned(), Bytes::from_static(b"again")),
    ];
    let outgoing = Outgoing {
        partition: Some(2),
        headers: headers.clone(),
        ..record(7, &topic, "m_1", Some(b"\x00{}\xfe"))
    };
    producer.send(&outgoing).unwrap();
    let delivered = answer(&mut answers).await;
    let appended = delivered.result.unwrap();
    assert_eq!((delivered.token, appended.partition, appended.offset.0), (7, 2, 0));
    let mut found: Vec<StoredRecord> = Vec::new();
    let name = topic.clone();
    let found = read(move || {
        scan(&client(), &name, |record| {
            found.push(record);
            Ok::<_, Error>(())
        })
        .unwrap();
        found
    })
    .await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].coordinates.to_string(), format!("{topic}/2/0"));
    assert_eq!(found[0].value.as_deref(), Some(&b"\x00{}\xfe"[..]));
    assert_eq!(found[0].headers, headers);
    assert_eq!(found[0].appended, appended.timestamp, "the answer tells the broker's append time");
}

#[tokio::test]
async fn an_empty_value_is_no_tombstone() {
    let topic = topic("empty", 1, &[]).await;
    write(&topic, &[("k", Some(b"")), ("k", None)]).await;
    let values = read(move || {
        let mut values = Vec::new();
        scan(&client(), &topic, |record| {
            values.push(record.value);
            Ok::<_, Error>(())
        })
        .unwrap();
        values
    })
    .await;
    assert_eq!(values, [Some(Bytes::new()), None]);
}

#[tokio::test]
async fn a_record_too_large_for_the_topic_is_told_apart_and_harms_no_other() {
    let topic = topic("large", 1, &[("max.message.bytes", "4096")]).await;
    let (producer, mut answers) = Producer::new(&client()).unwrap();
    // Noise, since the limit counts compressed bytes.
    let mut state = 1_u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let large: Vec<u8> = (0..20_000).map(|_| noise()).collect();
    producer.send(&record(1, &topic, "a", Some(&large))).unwrap();
    let refused = answer(&mut answers).await;
    assert_eq!((refused.token, refused.result.unwrap_err().failure()), (1, RouteFailure::TooLarge));
    producer.send(&record(2, &topic, "b", Some(b"small"))).unwrap();
    assert_eq!(answer(&mut answers).await.result.unwrap().partition, 0);
    assert!(!producer.is_fatal());
}

#[tokio::test]
async fn a_topic_or_partition_that_is_not_there_refuses_the_record() {
    let topic = topic("short", 2, &[]).await;
    let (producer, mut answers) = Producer::new(&client()).unwrap();
    let absent = broker().prefix("absent");
    for (token, topic, partition) in [(1, &*absent, 0), (2, &*topic, 9)] {
        let outgoing =
            Outgoing { partition: Some(partition), ..record(token, topic, "k", Some(b"v")) };
        // Known at once, or only after the broker was asked.
        let failure = match producer.send(&outgoing) {
            Err(error) => error.failure(),
            Ok(()) => answer(&mut answers).await.result.unwrap_err().failure(),
        };
        assert_eq!(failure, RouteFailure::Refused, "{topic}/{partition}");
    }
    assert!(!producer.is_fatal());
}

#[tokio::test]
async fn answers_that_nobody_takes_hold_back_new_records_and_are_never_lost() {
    let topic = topic("bounded", 1, &[]).await;
    let (producer, mut answers) = Producer::new(&client()).unwrap();
    let mut sent = 0;
    while producer.send(&record(sent, &topic, "k", Some(b"v"))).is_ok() {
        sent += 1;
    }
    let producer = read(move || {
        producer.flush(DEADLINE);
        producer
    })
    .await;
    let refused = producer.send(&record(sent, &topic, "k", Some(b"v")));
    assert!(
        matches!(refused, Err(SendError::QueueFull)),
        "every place holds an answer: {refused:?}"
    );
    let mut answered = vec![answer(&mut answers).await.token];
    producer.send(&record(sent, &topic, "k", Some(b"v"))).unwrap();
    for _ in 0..sent {
        answered.push(answer(&mut answers).await.token);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..=sent).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_table_is_caught_up_once_and_then_follows_updates_and_tombstones() {
    let topic = topic("table", 2, &[("cleanup.policy", "compact")]).await;
    write(&topic, &[("a", Some(b"1")), ("b", Some(b"1")), ("a", Some(b"2"))]).await;
    let name = topic.clone();
    let (table, mut inputs) = read(move || Table::follow(&client(), &name).unwrap()).await;
    let mut state = BTreeMap::new();
    let mut caught_up = 0;
    while caught_up == 0 {
        caught_up += apply(&mut inputs, &mut state).await;
    }
    assert_eq!(state, BTreeMap::from([entry("a", "2"), entry("b", "1")]));
    write(&topic, &[("b", None), ("c", Some(b"3"))]).await;
    let wanted = BTreeMap::from([entry("a", "2"), entry("c", "3")]);
    while state != wanted {
        caught_up += apply(&mut inputs, &mut state).await;
    }
    assert_eq!(caught_up, 1);
    drop(table);
    while timeout(DEADLINE, inputs.recv()).await.expect("the thread ends").is_some() {}
}

#[tokio::test]
async fn an_empty_table_is_caught_up_at_once() {
    let topic = topic("empty-table", 1, &[("cleanup.policy", "compact")]).await;
    let (_table, mut inputs) = read(move || Table::follow(&client(), &topic).unwrap()).await;
    assert_eq!(apply(&mut inputs, &mut BTreeMap::new()).await, 1);
}

#[tokio::test]
async fn a_missing_topic_is_said_with_the_remedy() {
    let absent = broker().prefix("absent-table");
    let name = absent.clone();
    let error = read(move || Table::follow(&client(), &name).unwrap_err()).await;
    let wanted = format!("topic {absent} does not exist: run `paynotify topics create`");
    assert_eq!(error.to_string(), wanted);
}

/// Applies one input; 1 when it says that all is read.
async fn apply(
    inputs: &mut mpsc::Receiver<TableInput>,
    state: &mut BTreeMap<Bytes, Bytes>,
) -> usize {
    let input = timeout(DEADLINE, inputs.recv()).await.expect("an input in time");
    match input.expect("the table is followed") {
        TableInput::CaughtUp => 1,
        TableInput::Changes(changes) => {
            for record in changes {
                let key = record.key.expect("a table's records have keys");
                match record.value {
                    Some(value) => state.insert(key, value),
                    None => state.remove(&key),
                };
            }
            0
        }
    }
}

fn entry(key: &str, value: &str) -> (Bytes, Bytes) {
    (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()))
}
