//! The tests' own tools: a real Kafka starts, and the receiver answers as it is told.

mod support;

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use support::{
    kafka::{Cluster, broker, java},
    receiver::{Manner, Receiver},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(30);

async fn create(bootstrap: &str, topic: &str, replicas: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(replicas));
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
    let created = timeout(DEADLINE, admin.create_topics(&[topic], &options)).await.unwrap();
    created.unwrap().remove(0).unwrap();
}

fn produce(bootstrap: &str, topic: &str, value: &str) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    producer.send(BaseRecord::<(), str>::to(topic).payload(value)).unwrap();
    producer.flush(DEADLINE).unwrap();
}

fn first(bootstrap: &str, topic: &str) -> String {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", topic)
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        // A rebalance ends a poll without a record.
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            return String::from_utf8(message.unwrap().payload().unwrap().to_vec()).unwrap();
        }
    }
    panic!("no record of {topic} within {DEADLINE:?}")
}

#[tokio::test]
async fn a_record_comes_back_from_the_shared_broker() {
    let bootstrap = broker().bootstrap();
    let topic = broker().prefix("harness");
    create(&bootstrap, &topic, 1).await;
    produce(&bootstrap, &topic, "hello");
    assert_eq!(first(&bootstrap, &topic), "hello");
}

#[tokio::test]
async fn a_java_tool_writes_to_the_shared_broker() {
    let bootstrap = broker().bootstrap();
    let topic = broker().prefix("harness-java");
    create(&bootstrap, &topic, 1).await;
    let tool = "org.apache.kafka.tools.ConsoleProducer";
    java(&[tool, "--bootstrap-server", &bootstrap, "--topic", &topic], "from java\n");
    assert_eq!(first(&bootstrap, &topic), "from java");
}

#[tokio::test]
async fn a_cluster_outlives_a_killed_broker_and_takes_it_back() {
    let cluster = Cluster::start(3, &[]);
    let topic = "harness-cluster";
    create(&cluster.bootstrap(), topic, 3).await;
    cluster.stop(0);
    produce(&cluster.bootstrap(), topic, "survives");
    cluster.restart(0);
    cluster.pause(1);
    cluster.cont(1);
    assert_eq!(first(&cluster.bootstrap(), topic), "survives");
}

async fn post(receiver: &Receiver, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(receiver.address()).await?;
    let request = format!("POST {path} HTTP/1.1\r\nWebhook-Id: a\r\ncontent-length: 2\r\n\r\nhi");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).expect("ASCII"))
}

#[tokio::test]
async fn the_receiver_records_requests_and_answers_as_told() {
    let receiver = Receiver::start().await;
    receiver.answer("/twice", Manner::FailTimes(1, 503));
    receiver.answer("/reset", Manner::Reset);
    assert_eq!(post(&receiver, "/ok").await.unwrap(), "HTTP/1.1 200");
    assert_eq!(post(&receiver, "/twice").await.unwrap(), "HTTP/1.1 503");
    assert_eq!(post(&receiver, "/twice").await.unwrap(), "HTTP/1.1 200");
    post(&receiver, "/reset").await.unwrap_err();
    let requests = receiver.wait_until(|requests| requests.len() == 4, DEADLINE).await;
    assert_eq!(requests[0].body, b"hi");
    assert_eq!(requests[0].header("webhook-id"), Some("a"));
    assert_eq!(requests[3].status, None);
}

#[tokio::test]
async fn the_receiver_holds_a_request_that_hangs() {
    let receiver = Receiver::start().await;
    receiver.answer("/hang", Manner::Hang);
    let answer = post(&receiver, "/hang");
    tokio::select! {
        _ = answer => panic!("a hanging path answered"),
        requests = receiver.wait_until(|requests| requests.len() == 1, DEADLINE) => {
            assert_eq!(requests[0].status, None);
        }
    }
}
