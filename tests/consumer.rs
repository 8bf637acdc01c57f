//! The consumer on librdkafka's mock cluster: starts, records, commits, and what is restored.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use paynotify::{
    clock::Clock,
    engine::{Commit, Record},
    kafka::{
        ClientSettings, TopicNames,
        consumer::{Assigned, Consumer, ConsumerHandle, Input},
        position::FirstStart,
    },
    model::{Grade, Ladder, Offset, Partition, Source, Span},
    worker::decoder,
};
use rdkafka::{
    ClientConfig,
    mocking::{MockCluster, MockCoordinator},
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use tokio::{sync::mpsc::Receiver, time::timeout};

const DEADLINE: Duration = Duration::from_secs(30);

struct Fixture {
    cluster: MockCluster<'static, DefaultProducerContext>,
    bootstrap: String,
    ladder: Ladder,
}

struct Member {
    handle: ConsumerHandle,
    inputs: Receiver<Input>,
}

impl Fixture {
    fn new() -> Self {
        Self::with_brokers(1)
    }

    fn with_brokers(count: i32) -> Self {
        let cluster = MockCluster::new(count).expect("a mock cluster");
        let bootstrap = cluster.bootstrap_servers();
        let ladder = Ladder::new(vec![Span::from_secs(5)]).expect("a ladder");
        let fixture = Self { cluster, bootstrap, ladder };
        for source in [Source::Completions, fixture.grade()] {
            let topic = names().of(source);
            fixture.cluster.create_topic(&topic, 2, 1).expect("a topic");
        }
        fixture
    }

    fn grade(&self) -> Source {
        Source::Grade(self.ladder.smallest())
    }

    fn produce(&self, source: Source, index: i32, value: &str) {
        self.produce_many(source, index, value, 1);
    }

    fn produce_many(&self, source: Source, index: i32, value: &str, count: usize) {
        send(&self.producer(), Partition { source, index }, value, count);
    }

    fn producer(&self) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).create().expect("a producer")
    }

    fn member(&self, first_start: Option<FirstStart>) -> Member {
        let properties = [
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "200"),
            ("statistics.interval.ms", "50"),
        ];
        let settings = ClientSettings {
            bootstrap_servers: self.bootstrap.clone(),
            group: "workers".into(),
            properties: properties.map(|(key, value)| (key.into(), value.into())).into(),
        };
        let (clock, decode) = (Clock::without_offset(), decoder(names(), 1 << 20));
        let (handle, inputs) =
            Consumer::start(&settings, names(), &self.ladder, first_start, clock, decode)
                .expect("a consumer");
        Member { handle, inputs }
    }
}

impl Member {
    async fn input(&mut self) -> Input {
        timeout(DEADLINE, self.inputs.recv()).await.expect("an input in time").expect("an input")
    }

    /// A share of the partitions; a member may have none at first.
    async fn assigned(&mut self) -> BTreeMap<Partition, Assigned> {
        loop {
            match self.input().await {
                Input::Assigned(all) if !all.is_empty() => {
                    return all.into_iter().map(|one| (one.partition, one)).collect();
                }
                _ => {}
            }
        }
    }

    /// Gives up what the group asks back.
    async fn give_up(&mut self) {
        loop {
            if let Input::Revoking { reply, .. } = self.input().await {
                return reply.try_send(Vec::new()).expect("the consumer waits");
            }
        }
    }

    async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            if let Input::Records(more) = self.input().await {
                records.extend(more.into_iter().map(|read| read.record));
            }
        }
        records
    }

    async fn committed(&mut self) -> Commit {
        loop {
            if let Input::Committed { commit, result } = self.input().await {
                result.expect("the broker takes it");
                return commit;
            }
        }
    }

    /// Stops, answering the last question with `commits`.
    async fn stop(self, commits: Vec<Commit>) -> Vec<Partition> {
        let Self { handle, mut inputs } = self;
        let stopping = tokio::spawn(handle.stop(DEADLINE));
        let mut revoked = Vec::new();
        while let Some(input) = timeout(DEADLINE, inputs.recv()).await.expect("an end") {
            if let Input::Revoking { partitions, reply } = input {
                revoked = partitions;
                reply.try_send(commits.clone()).expect("the consumer waits");
            }
        }
        assert!(stopping.await.expect("no panic"), "stopped in time");
        revoked
    }
}

fn send(producer: &BaseProducer, to: Partition, value: &str, count: usize) {
    let topic = names().of(to.source);
    for _ in 0..count {
        let record = BaseRecord::<str, str>::to(&topic);
        let record = record.partition(to.index).key("k").payload(value);
        producer.send(record).map_err(|(error, _)| error).expect("room");
    }
    producer.flush(DEADLINE).expect("an acknowledgement");
}

fn names() -> TopicNames {
    TopicNames::new("completions")
}

fn partition(source: Source, index: i32) -> Partition {
    Partition { source, index }
}

fn values(records: &[Record]) -> Vec<&str> {
    let mut values = Vec::new();
    for record in records {
        let value = record.content.value.as_deref();
        values.extend(value.and_then(|value| std::str::from_utf8(value).ok()));
    }
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_with_its_metadata_is_where_the_next_worker_begins() {
    let fixture = Fixture::new();
    let completions = partition(Source::Completions, 0);
    for value in ["a", "b", "c"] {
        fixture.produce(Source::Completions, 0, value);
    }
    fixture.produce(fixture.grade(), 1, "delayed");

    let mut first = fixture.member(Some(FirstStart::Earliest));
    let assigned = first.assigned().await;
    assert_eq!(assigned.len(), 4, "completions and the grade, two partitions each");
    let records = first.records(4).await;
    assert_eq!(values(&records), ["a", "b", "c", "delayed"]);
    assert_eq!(first.handle.assignment().len(), 4);

    let epoch = assigned[&completions].epoch;
    let commit =
        Commit { partition: completions, epoch, position: Offset(1), metadata: "map".into() };
    first.handle.commit(vec![commit.clone()]).expect("room");
    assert_eq!(first.committed().await, commit);
    let last = Commit { position: Offset(2), metadata: "last".into(), ..commit };
    assert_eq!(first.stop(vec![last]).await.len(), 4);

    let mut second = fixture.member(None);
    let again = second.assigned().await;
    assert_eq!(again[&completions].start, Offset(2));
    assert_eq!(again[&completions].metadata.as_deref(), Some("last"));
    assert_eq!(values(&second.records(2).await), ["c", "delayed"]);
    second.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_on_filled_topics_refuses_to_guess() {
    let fixture = Fixture::new();
    fixture.produce(fixture.grade(), 1, "old");
    let mut member = fixture.member(None);
    let message = loop {
        if let Input::Fatal(error) = member.input().await {
            break error.to_string();
        }
    };
    assert_eq!(
        message,
        "group workers has no committed offset, but completions or its delay topics hold records: \
         say with --first-start earliest, latest or a time what is meant"
    );
    assert!(member.handle.assignment().is_empty());
    assert!(member.stop(Vec::new()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwanted_partition_waits_and_loses_nothing() {
    let fixture = Fixture::new();
    let mut member = fixture.member(None);
    member.assigned().await;
    member.handle.want(partition(Source::Completions, 0), false);
    fixture.produce(Source::Completions, 0, "held");
    fixture.produce(Source::Completions, 1, "free");
    assert_eq!(values(&member.records(1).await), ["free"]);
    member.handle.want(partition(Source::Completions, 0), true);
    assert_eq!(values(&member.records(1).await), ["held"]);
    member.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_fetched_and_taken_are_told_and_without_a_rebalance_they_are_the_same() {
    let fixture = Fixture::new();
    fixture.produce_many(Source::Completions, 0, "12345", 100);
    fixture.produce_many(fixture.grade(), 1, "1234567", 50);
    let mut member = fixture.member(Some(FirstStart::Earliest));
    member.records(150).await;
    let wanted = 100 * "k12345".len() as u64 + 50 * "k1234567".len() as u64;
    let (mut received, mut fetched, mut taken) = (0, 0, 0);
    let told = timeout(DEADLINE, async {
        while taken < wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let more = member.handle.traffic();
            received += more.received;
            fetched += more.fetched;
            taken += more.taken;
        }
    });
    told.await.expect("librdkafka tells");
    assert_eq!((taken, fetched), (wanted, wanted));
    assert!(received > fetched, "{received} bytes on the network");
    member.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_stays_is_read_while_it_is_asked_where_others_begin() {
    let fixture = Fixture::with_brokers(2);
    for source in [Source::Completions, fixture.grade()] {
        for index in [0, 1] {
            let topic = names().of(source);
            fixture.cluster.partition_leader(&topic, index, Some(1)).expect("a leader");
        }
    }
    fixture.cluster.coordinator(MockCoordinator::Group("workers".into()), 2).expect("another");
    let mut first = fixture.member(None);
    first.assigned().await;
    let mut second = fixture.member(None);
    first.give_up().await;
    second.assigned().await;
    let stays = *first.handle.assignment().keys().next().expect("a share");
    assert_eq!(stays.source, Source::Completions);

    let producer = fixture.producer();
    send(&producer, stays, "first", 1);
    first.records(1).await;

    // What is committed takes that long to be told, and so does every step of the group.
    let slow = Duration::from_secs(2);
    fixture.cluster.broker_round_trip_time(2, slow).expect("a slow coordinator");
    let leaving = tokio::spawn(second.stop(Vec::new()));
    let (mut sent, mut longest) = (Instant::now(), Duration::ZERO);
    send(&producer, stays, "next", 1);
    loop {
        match first.input().await {
            Input::Records(_) => {
                longest = longest.max(sent.elapsed());
                sent = Instant::now();
                send(&producer, stays, "next", 1);
            }
            Input::Assigned(_) => break,
            _ => {}
        }
    }
    longest = longest.max(sent.elapsed());
    assert!(longest < slow / 2, "a record took {longest:?}");
    leaving.await.expect("no panic");
    first.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_event_stands_behind_few_of_those_that_come_back() {
    let fixture = Fixture::new();
    let mut member = fixture.member(None);
    member.assigned().await;
    let fresh = partition(Source::Completions, 0);
    let waves = [0, 1].map(|index| partition(fixture.grade(), index));
    for one in waves.iter().chain([&fresh]) {
        member.handle.want(*one, false);
    }
    fixture.produce(Source::Completions, 0, "fresh");
    for one in waves {
        fixture.produce_many(one.source, one.index, "back", 1_500);
        member.handle.want(one, true);
    }
    // Both are read as far as they are taken.
    let first = member.records(1).await;
    assert!(values(&first).iter().all(|value| *value == "back"));
    member.handle.want(fresh, true);
    let mut before = first.len();
    loop {
        let records = member.records(1).await;
        if values(&records).contains(&"fresh") {
            break;
        }
        before += records.len();
    }
    assert!(before <= 512, "{before} of 3000 were before it");
    let rest = 3_000 - before;
    assert_eq!(member.records(rest).await.len(), rest, "and they are not kept out");
    member.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_an_older_assignment_is_not_made() {
    let fixture = Fixture::new();
    let mut member = fixture.member(None);
    member.assigned().await;
    let grade = Grade::new(Span::from_secs(5));
    let stale = Commit {
        partition: partition(Source::Grade(grade), 0),
        epoch: paynotify::engine::Epoch(0),
        position: Offset(7),
        metadata: String::new(),
    };
    member.handle.commit(vec![stale]).expect("room");
    let result = loop {
        if let Input::Committed { result, .. } = member.input().await {
            break result;
        }
    };
    assert_eq!(result, Err(paynotify::kafka::committer::Error::NotHeld));
    member.stop(Vec::new()).await;
}
