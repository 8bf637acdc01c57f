//! A whole paynotify on a real Kafka: topics under a prefix of their own, a directory file, worker
//! processes, and readers of everything that they leave behind.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use paynotify::{
    kafka::{
        ClientSettings, Error, TopicNames,
        producer::{Outgoing, Producer},
        reader::{self, StoredRecord},
    },
    model::{Grade, Span},
};
use rdkafka::{
    ClientConfig, Offset as Position, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaErrorCode,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use super::worker::Worker;

/// Nothing in these tests may take longer than this to happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A signing key for every merchant of the tests.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// One paynotify with its own topics, group and directory.
pub struct System {
    pub bootstrap: String,
    pub prefix: String,
    pub partitions: i32,
    pub grades: Vec<Span>,
    replicas: i32,
    directory: TempDir,
    merchants: BTreeMap<String, Value>,
    settings: Vec<(String, String)>,
}

impl System {
    /// Creates the topics: `partitions` of completions and of grades 1s, 2s and 5s.
    pub async fn new(bootstrap: String, prefix: String, partitions: i32) -> Self {
        Self::replicated(bootstrap, prefix, partitions, 1).await
    }

    /// The same with one partition, and these grades instead.
    pub async fn graded(bootstrap: String, prefix: String, grades: &[u64]) -> Self {
        let grades = grades.iter().copied().map(Span::from_secs).collect();
        Self::create(bootstrap, prefix, 1, 1, grades).await
    }

    /// The same, with so many replicas of each.
    pub async fn replicated(
        bootstrap: String,
        prefix: String,
        partitions: i32,
        replicas: i32,
    ) -> Self {
        let grades = vec![Span::from_secs(1), Span::from_secs(2), Span::from_secs(5)];
        Self::create(bootstrap, prefix, partitions, replicas, grades).await
    }

    async fn create(
        bootstrap: String,
        prefix: String,
        partitions: i32,
        replicas: i32,
        grades: Vec<Span>,
    ) -> Self {
        let system = Self {
            bootstrap,
            prefix,
            partitions,
            grades,
            replicas,
            directory: TempDir::new().expect("a temporary directory"),
            merchants: BTreeMap::new(),
            settings: Vec::new(),
        };
        system.create_topics().await;
        system
    }

    /// Sets a configuration key for workers that start later.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    pub fn topics(&self) -> TopicNames {
        TopicNames::new(&self.prefix)
    }

    pub fn clients(&self) -> ClientSettings {
        ClientSettings {
            bootstrap_servers: self.bootstrap.clone(),
            group: self.prefix.clone(),
            properties: BTreeMap::new(),
        }
    }

    async fn create_topics(&self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create().unwrap();
        let topics = self.topics();
        let mut names = vec![topics.completions(), topics.dead_letters(), topics.attempts()];
        names.extend(self.grades.iter().map(|delay| topics.grade(Grade::new(*delay))));
        let tables = [topics.merchants(), topics.endpoints(), topics.marks()];
        let log = names.iter().map(|name| {
            NewTopic::new(name, self.partitions, TopicReplication::Fixed(self.replicas))
                .set("message.timestamp.type", "LogAppendTime")
        });
        let compacted = tables.iter().map(|name| {
            NewTopic::new(name, 1, TopicReplication::Fixed(self.replicas))
                .set("cleanup.policy", "compact")
        });
        let all: Vec<_> = log.chain(compacted).collect();
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        let deadline = Instant::now() + DEADLINE;
        let created = loop {
            match admin.create_topics(&all, &options).await {
                Ok(created) => break created,
                // In a young cluster not every broker knows every other, and questions fall.
                Err(error) => assert!(Instant::now() < deadline, "no topics: {error}"),
            }
        };
        for one in created {
            match one {
                // By the question that fell.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, error)) => panic!("{topic}: {error}"),
            }
        }
        // The controller has them; the brokers hear of them a moment later.
        let led = || {
            let found = admin.inner().fetch_metadata(None, DEADLINE).unwrap();
            all.iter().all(|new| {
                let topic = found.topics().iter().find(|topic| topic.name() == new.name);
                topic.is_some_and(|topic| {
                    let count = usize::try_from(new.num_partitions).unwrap();
                    let led = topic.partitions().iter().filter(|one| one.leader() >= 0).count();
                    led == count
                })
            })
        };
        assert!(poll(DEADLINE, led), "the brokers know every topic");
    }

    /// Puts a merchant with one endpoint into the directory; `policy` over the defaults.
    pub fn merchant(&mut self, id: &str, url: &str, policy: &Value) {
        self.add_merchant(id, url, policy);
        self.write_directory();
    }

    pub fn merchant_with(&mut self, id: &str, endpoints: &Value) {
        self.add(id, endpoints);
        self.write_directory();
    }

    /// Like [`System::merchant`], for many: not seen before [`System::write_directory`].
    pub fn add_merchant(&mut self, id: &str, url: &str, policy: &Value) {
        let secrets = json!([{ "id": "s1", "kind": "hmac", "value": SECRET }]);
        let endpoint = json!({ "id": "main", "url": url, "policy": policy, "secrets": secrets });
        self.add(id, &json!([endpoint]));
    }

    fn add(&mut self, id: &str, endpoints: &Value) {
        let entry = json!({ "format": 1, "merchant_id": id, "name": id, "endpoints": endpoints });
        self.merchants.insert(id.to_owned(), entry);
    }

    /// Renames the directory file into place, so that no worker reads half of it.
    pub fn write_directory(&self) {
        let lines: Vec<String> = self.merchants.values().map(Value::to_string).collect();
        let path = self.directory.path().join("new");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        std::fs::rename(path, self.directory_file()).unwrap();
    }

    pub fn directory_file(&self) -> PathBuf {
        self.directory.path().join("merchants.jsonl")
    }

    /// A program of ours with this system's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let grades: Vec<String> = self.grades.iter().map(Span::to_string).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_paynotify"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("PAYNOTIFY_KAFKA__BOOTSTRAP_SERVERS", &self.bootstrap)
            .env("PAYNOTIFY_KAFKA__GROUP", &self.prefix)
            .env("PAYNOTIFY_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "6000")
            .env("PAYNOTIFY_KAFKA__PROPERTIES__HEARTBEAT_INTERVAL_MS", "500")
            .env("PAYNOTIFY_TOPICS__PREFIX", &self.prefix)
            .env("PAYNOTIFY_TOPICS__GRADES", grades.join(","))
            .env("PAYNOTIFY_DEFAULTS__POLICY__INTERVALS", grades.join(","))
            .env("PAYNOTIFY_PARKING__LONGEST_GRADE", "5s")
            .env("PAYNOTIFY_DIRECTORY__FILE", self.directory_file())
            .env("PAYNOTIFY_DELIVERY__ALLOW_HTTP", "true")
            .env("PAYNOTIFY_DELIVERY__ALLOW_ADDRESSES", "127.0.0.0/8,::1")
            .env("PAYNOTIFY_DELIVERY__PORTS", "1-65535")
            .env("PAYNOTIFY_ADMIN__LISTEN", "127.0.0.1:0")
            .env("PAYNOTIFY_LOG__FORMAT", "text");
        for (key, value) in &self.settings {
            let name = key.to_ascii_uppercase().replace('.', "__");
            command.env(format!("PAYNOTIFY_{name}"), value);
        }
        command
    }

    /// Starts a worker and waits until it is ready.
    pub fn worker(&self) -> Worker {
        let mut worker = self.starting_worker(&[]);
        worker.await_ready();
        worker
    }

    /// Starts a worker with further arguments and does not wait.
    pub fn starting_worker(&self, arguments: &[&str]) -> Worker {
        let mut all = vec!["worker", "--allow-unsafe"];
        all.extend(arguments);
        Worker::spawn(&mut self.command(&all))
    }

    /// Publishes events of these merchants in turn and returns their ids and bodies.
    pub fn publish(
        &self,
        merchants: &[&str],
        ids: impl IntoIterator<Item = String>,
    ) -> Vec<(String, String)> {
        let (producer, mut answers) = Producer::new(&self.clients()).unwrap();
        let mut published = Vec::new();
        for (n, id) in ids.into_iter().enumerate() {
            let merchant = merchants[n % merchants.len()];
            let body = event(&id, merchant);
            let outgoing = Outgoing {
                token: n as u64,
                topic: &self.topics().completions(),
                partition: None,
                key: Some(merchant.as_bytes()),
                value: Some(body.as_bytes()),
                headers: Vec::new(),
            };
            producer.send(&outgoing).unwrap();
            published.push((id, body));
        }
        producer.flush(DEADLINE);
        for _ in &published {
            answers.try_recv().unwrap().result.unwrap();
        }
        published
    }

    /// Publishes raw bytes to a partition of completions.
    pub fn publish_raw(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<(String, Bytes)>,
    ) {
        let (producer, mut answers) = Producer::new(&self.clients()).unwrap();
        let topic = self.topics().completions();
        producer
            .send(&Outgoing { token: 0, topic: &topic, partition: Some(0), key, value, headers })
            .unwrap();
        producer.flush(DEADLINE);
        answers.try_recv().unwrap().result.unwrap();
    }

    /// Every record of a topic.
    pub fn records(&self, topic: &str) -> Vec<StoredRecord> {
        let mut records = Vec::new();
        reader::scan(&self.clients(), topic, |record| {
            records.push(record);
            Ok::<_, Error>(())
        })
        .unwrap();
        records
    }

    /// Committed position and end of each partition of a topic.
    pub fn positions(&self, topic: &str) -> Vec<(Option<i64>, i64)> {
        self.progress(&[topic.to_owned()]).into_iter().map(|one| (one.committed, one.end)).collect()
    }

    /// Where each partition of these topics stands. All commits come in one answer, and the ends
    /// after it: if each is committed to its end, then nothing was under way when that answer was
    /// given, for what moves from one topic to another is there before it is committed here.
    fn progress(&self, topics: &[String]) -> Vec<Progress> {
        let consumer: BaseConsumer = self.clients().consumer().unwrap().create().unwrap();
        let mut wanted = TopicPartitionList::new();
        for topic in topics {
            wanted.add_partition_range(topic, 0, self.partitions - 1);
        }
        let committed = consumer.committed_offsets(wanted, DEADLINE).unwrap();
        let of = |entry: &TopicPartitionListElem<'_>| {
            let (topic, partition) = (entry.topic().to_owned(), entry.partition());
            let (_, end) = consumer.fetch_watermarks(&topic, partition, DEADLINE).unwrap();
            let committed = match entry.offset() {
                Position::Offset(position) => Some(position),
                _ => None,
            };
            Progress { topic, partition, committed, end }
        };
        committed.elements().iter().map(of).collect()
    }

    /// Metadata of the commit of a partition; empty without one.
    pub fn metadata(&self, topic: &str, index: i32) -> String {
        let consumer: BaseConsumer = self.clients().consumer().unwrap().create().unwrap();
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition(topic, index);
        let committed = consumer.committed_offsets(wanted, DEADLINE).unwrap();
        committed
            .find_partition(topic, index)
            .map(|found| found.metadata().to_owned())
            .unwrap_or_default()
    }

    /// Id of the cluster.
    pub fn cluster(&self) -> String {
        let consumer: BaseConsumer = self.clients().consumer().unwrap().create().unwrap();
        consumer.client().fetch_cluster_id(DEADLINE).unwrap()
    }

    /// Waits until everything on completions is committed to its end, whatever waits on the ladder.
    pub fn await_committed_completions(&self, deadline: Duration) {
        self.await_committed(&[self.topics().completions()], deadline);
    }

    /// Waits until everything on the ladder is committed to its end, whatever completions have.
    pub fn await_committed_ladder(&self, deadline: Duration) {
        self.await_committed(&self.ladder(), deadline);
    }

    /// Waits until everything on completions and the ladder is committed to its end.
    pub fn await_rest(&self, deadline: Duration) {
        let mut names = self.ladder();
        names.push(self.topics().completions());
        self.await_committed(&names, deadline);
    }

    fn ladder(&self) -> Vec<String> {
        let topics = self.topics();
        self.grades.iter().map(|delay| topics.grade(Grade::new(*delay))).collect()
    }

    fn await_committed(&self, topics: &[String], deadline: Duration) {
        let behind = || {
            let mut all = self.progress(topics);
            all.retain(|one| one.committed.unwrap_or(0) != one.end);
            all
        };
        let done = poll(deadline, || behind().is_empty());
        assert!(done, "not committed: {:?}", behind());
    }
}

/// How far the group is in a partition.
#[derive(Debug)]
struct Progress {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: i64,
}

/// An event as a payment service writes it.
pub fn event(id: &str, merchant: &str) -> String {
    json!({
        "id": id,
        "type": "payment.completed",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "merchant_id": merchant,
        "data": { "amount": 1250, "currency": "EUR", "note": "ünïcode ✓" },
    })
    .to_string()
}

/// Asks again and again until it holds or the deadline is over.
pub fn poll(deadline: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    let (_keep, pause) = std::sync::mpsc::channel::<()>();
    while Instant::now() < end {
        if holds() {
            return true;
        }
        // Other processes are waited for here; there is nothing to be notified by.
        let _ = pause.recv_timeout(Duration::from_millis(50));
    }
    holds()
}
