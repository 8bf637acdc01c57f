//! A worker in this process on librdkafka's mock cluster, whose broker fails on command.

use std::{sync::Arc, time::Duration};

use paynotify::{
    config::Inputs,
    kafka::{ClientSettings, TopicNames},
    model::{Grade, Header, Span},
    telemetry::health::Health,
    worker::{self, Deadlines, Settings, Shown, Stopped},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::OwnedHeaders,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    receiver::{Receiver, Request},
    system::{SECRET, event, poll},
};

pub const DEADLINE: Duration = Duration::from_secs(40);
pub const GRADE: &str = "1s";

pub struct Fixture {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    pub topics: TopicNames,
    pub receiver: Receiver,
    pub directory: tempfile::TempDir,
}

pub struct Running {
    pub health: Arc<Health>,
    pub stop: CancellationToken,
    pub ended: JoinHandle<Result<Stopped, worker::Error>>,
}

impl Fixture {
    /// One partition of every topic, and a merchant that answers at `/acme`.
    pub async fn new() -> Self {
        Self::with_partitions(1).await
    }

    pub async fn with_partitions(count: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let topics = TopicNames::new("mock");
        let names = [
            topics.completions(),
            topics.grade(Grade::new(Span::from_secs(1))),
            topics.dead_letters(),
            topics.endpoints(),
        ];
        for name in names {
            cluster.create_topic(&name, count, 1).unwrap();
        }
        let receiver = Receiver::start().await;
        let directory = tempfile::tempdir().unwrap();
        let secrets = json!([{ "id": "s1", "kind": "hmac", "value": SECRET }]);
        let policy = json!({ "intervals": [GRADE, GRADE, GRADE], "timeout": "2s" });
        let url = receiver.url("/acme");
        let endpoint = json!({ "id": "main", "url": url, "policy": policy, "secrets": secrets });
        let entry = json!({
            "format": 1, "merchant_id": "acme", "name": "Acme", "endpoints": [endpoint],
            "notify_url_hosts": ["orders.localhost"],
        });
        std::fs::write(directory.path().join("merchants.jsonl"), format!("{entry}\n")).unwrap();
        Self { cluster, topics, receiver, directory }
    }

    /// Starts a worker and waits until it is ready.
    pub async fn worker(&self, properties: &[(&str, &str)]) -> Running {
        self.watched(Deadlines::default(), properties).await
    }

    /// The same with other deadlines of its watchdog.
    pub async fn watched(&self, deadlines: Deadlines, properties: &[(&str, &str)]) -> Running {
        let key = |name: &str| format!("kafka.properties.{name}");
        let flags: Vec<_> = properties.iter().map(|(name, value)| (key(name), *value)).collect();
        let running = self.start(deadlines, &flags).await;
        running.await_reasons(<[String]>::is_empty);
        running
    }

    /// The same with these grades.
    pub async fn graded(&self, deadlines: Deadlines, grades: &str) -> Running {
        let running = self.start(deadlines, &[("topics.grades".to_owned(), grades)]).await;
        running.await_reasons(<[String]>::is_empty);
        running
    }

    /// Starts a worker with this setting and does not wait.
    pub async fn starting(&self, key: &str, value: &str) -> Running {
        self.start(Deadlines::default(), &[(key.to_owned(), value)]).await
    }

    async fn start(&self, deadlines: Deadlines, more: &[(String, &str)]) -> Running {
        let file = self.directory.path().join("merchants.jsonl");
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut flags = vec![
            set("kafka.bootstrap_servers", &self.cluster.bootstrap_servers()),
            set("kafka.group", "mock"),
            set("topics.prefix", "mock"),
            set("topics.grades", GRADE),
            set("defaults.policy.intervals", GRADE),
            set("parking.longest_grade", GRADE),
            set("directory.file", &file.display().to_string()),
            set("delivery.allow_http", "true"),
            set("delivery.allow_addresses", "127.0.0.0/8"),
            set("delivery.ports", "1-65535"),
            set("attempts_log.enabled", "false"),
            set("kafka.properties.session.timeout.ms", "6000"),
            set("kafka.properties.heartbeat.interval.ms", "200"),
        ];
        flags.extend(more.iter().map(|(key, value)| set(key, value)));
        let config = Inputs { flags, ..Inputs::default() }.load().unwrap().config;
        let settings = Settings {
            allow_unsafe: false,
            first_start: None,
            allow_empty_directory: false,
            embedded_broker: true,
            deadlines,
            worker: "mock".into(),
            config,
        };
        let shown = Shown::new(&settings.config).unwrap();
        let health = Arc::clone(&shown.health);
        let stop = CancellationToken::new();
        let worker = worker::start(settings, shown, &stop).await.unwrap();
        let ended = tokio::spawn(worker.run(stop.clone()));
        Running { health, stop, ended }
    }

    pub fn clients(&self) -> ClientSettings {
        let properties = std::collections::BTreeMap::new();
        let bootstrap_servers = self.cluster.bootstrap_servers();
        ClientSettings { bootstrap_servers, group: "mock".into(), properties }
    }

    pub fn publish(&self, ids: &[&str]) {
        self.publish_values(ids.iter().map(|id| event(id, "acme")));
    }

    pub fn publish_values(&self, values: impl IntoIterator<Item = String>) {
        self.publish_with(0, values, &[]);
    }

    pub fn publish_with(
        &self,
        partition: i32,
        values: impl IntoIterator<Item = String>,
        headers: &[Header],
    ) {
        self.publish_to(&self.topics.completions(), partition, values, headers);
    }

    pub fn publish_to(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = String>,
        headers: &[Header],
    ) {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(rdkafka::message::Header { key, value: Some(value.as_ref()) })
        });
        let producer: BaseProducer = self.clients().producer().unwrap().create().unwrap();
        for body in values {
            let record = BaseRecord::to(topic).partition(partition).key("acme").payload(&body);
            let record = record.headers(all.clone());
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// The committed position of a topic's partition; 0 without one.
    pub fn committed(&self, topic: &str) -> i64 {
        self.committed_of(topic, 0)
    }

    pub fn committed_of(&self, topic: &str, index: i32) -> i64 {
        let client: BaseConsumer = self.clients().consumer().unwrap().create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, index);
        let list = client.committed_offsets(list, DEADLINE).unwrap();
        match list.find_partition(topic, index).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => offset,
            _ => 0,
        }
    }

    pub fn await_committed(&self, topic: &str, position: i64) {
        let reached = poll(DEADLINE, || self.committed(topic) == position);
        assert!(reached, "{topic} is committed at {}", self.committed(topic));
    }

    pub async fn await_acknowledged(&self, count: usize) {
        let enough = move |all: &[Arc<Request>]| {
            all.iter().filter(|one| one.status == Some(200)).count() >= count
        };
        self.receiver.wait_until(enough, DEADLINE).await;
    }
}

impl Running {
    pub fn await_reasons(&self, wanted: impl Fn(&[String]) -> bool) {
        let found = poll(DEADLINE, || wanted(&self.health.reasons()));
        assert!(found, "{:?}", self.health.reasons());
    }

    pub async fn stop(self) {
        self.stop.cancel();
        let stopped = tokio::time::timeout(DEADLINE, self.ended).await.unwrap();
        assert_eq!(stopped.unwrap().unwrap(), Stopped { cut: 0 });
    }
}
