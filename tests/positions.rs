//! Positions on a real broker: control records, records that expire, logs created anew, offsets
//! that are kept alive.

mod support;

use std::{collections::BTreeMap, time::Duration};

use paynotify::{
    clock::Clock,
    engine::Commit,
    kafka::{
        ClientSettings, TopicNames,
        consumer::{Assigned, Consumer, ConsumerHandle, Input, Read},
        position::FirstStart,
    },
    model::{Ladder, Offset, Partition, Source, Span, Timestamp},
    worker::decoder,
};
use rdkafka::{
    ClientConfig, Offset as RawOffset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer},
    topic_partition_list::TopicPartitionListElem,
};
use support::kafka::broker;
use tokio::{sync::mpsc::Receiver, time::timeout};

const DEADLINE: Duration = Duration::from_secs(30);
const COMPLETIONS: Partition = Partition { source: Source::Completions, index: 0 };

struct Scene {
    bootstrap: String,
    names: TopicNames,
    group: String,
}

struct Member {
    handle: ConsumerHandle,
    inputs: Receiver<Input>,
}

impl Scene {
    /// One partition of completions and of one grade.
    async fn new(bootstrap: String) -> Self {
        Self::with(bootstrap, 1).await
    }

    async fn with(bootstrap: String, partitions: i32) -> Self {
        let prefix = broker().prefix("positions");
        let scene = Self { bootstrap, names: TopicNames::new(&prefix), group: prefix };
        let topics = [scene.names.completions(), scene.names.grade(ladder().smallest())];
        let new = topics.each_ref().map(|name| {
            NewTopic::new(name, partitions, TopicReplication::Fixed(1))
                .set("message.timestamp.type", "LogAppendTime")
        });
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        for created in scene.admin().create_topics(&new, &options).await.expect("an answer") {
            created.expect("a topic");
        }
        scene
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    fn outsider(&self) -> BaseConsumer {
        self.config().set("group.id", &self.group).create().expect("a client")
    }

    fn produce(&self, values: &[&str]) {
        let producer: BaseProducer = self.config().create().expect("a producer");
        self.send(&producer, values);
        producer.flush(DEADLINE).expect("all acknowledged");
    }

    fn send(&self, producer: &BaseProducer, values: &[&str]) {
        let topic = self.names.completions();
        for value in values {
            let record = BaseRecord::<str, str>::to(&topic).partition(0).payload(value);
            producer.send(record).map_err(|(error, _)| error).expect("room");
        }
    }

    async fn expire_below(&self, offset: i64) {
        let mut list = TopicPartitionList::new();
        let topic = self.names.completions();
        list.add_partition_offset(&topic, 0, RawOffset::Offset(offset)).expect("an offset");
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        self.admin().delete_records(&list, &options).await.expect("records deleted");
    }

    fn commit(&self, offset: i64) {
        let mut list = TopicPartitionList::new();
        for topic in [self.names.completions(), self.names.grade(ladder().smallest())] {
            let offset = if topic == self.names.completions() { offset } else { 0 };
            list.add_partition_offset(&topic, 0, RawOffset::Offset(offset)).expect("an offset");
        }
        self.outsider().commit(&list, CommitMode::Sync).expect("the group is empty");
    }

    fn member(&self, first_start: Option<FirstStart>) -> Member {
        let settings = ClientSettings {
            bootstrap_servers: self.bootstrap.clone(),
            group: self.group.clone(),
            properties: BTreeMap::new(),
        };
        let (names, decode) = (self.names.clone(), decoder(self.names.clone(), 1 << 20));
        let start = Consumer::start(&settings, names, &ladder(), first_start, Clock::new(), decode);
        let (handle, inputs) = start.expect("a consumer");
        Member { handle, inputs }
    }
}

impl Member {
    async fn input(&mut self) -> Input {
        timeout(DEADLINE, self.inputs.recv()).await.expect("an input in time").expect("an input")
    }

    /// How completions begin.
    async fn assigned(&mut self) -> Assigned {
        loop {
            if let Input::Assigned(all) = self.input().await {
                let found = all.into_iter().find(|one| one.partition == COMPLETIONS);
                return found.expect("completions are ours");
            }
        }
    }

    async fn values(&mut self, count: usize) -> Vec<String> {
        let mut values = Vec::new();
        while values.len() < count {
            if let Input::Records(records) = self.input().await {
                for read in records {
                    let value = read.record.content.value.clone().expect("one");
                    values.push(String::from_utf8(value.to_vec()).expect("text"));
                }
            }
        }
        values
    }

    async fn stop(self) {
        let Self { handle, mut inputs } = self;
        let stopping = tokio::spawn(handle.stop(DEADLINE));
        while let Some(input) = timeout(DEADLINE, inputs.recv()).await.expect("an end") {
            if let Input::Revoking { reply, .. } = input {
                reply.try_send(Vec::new()).expect("the consumer waits");
            }
        }
        assert!(stopping.await.expect("no panic"), "stopped in time");
    }
}

fn ladder() -> Ladder {
    Ladder::new(vec![Span::from_secs(5)]).expect("a ladder")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_follows_control_records_and_aborted_transactions_to_the_end() {
    let scene = Scene::new(broker().bootstrap()).await;
    let mut member = scene.member(None);
    member.assigned().await;
    let mut config = scene.config();
    let producer: BaseProducer =
        config.set("transactional.id", &scene.group).create().expect("a producer");
    producer.init_transactions(DEADLINE).expect("transactions");
    producer.begin_transaction().expect("a transaction");
    scene.send(&producer, &["paid"]);
    producer.commit_transaction(DEADLINE).expect("committed");
    assert_eq!(member.values(1).await, ["paid"]);
    producer.begin_transaction().expect("a transaction");
    scene.send(&producer, &["never", "never"]);
    producer.flush(DEADLINE).expect("all acknowledged");
    producer.abort_transaction(DEADLINE).expect("aborted");
    // paid, its commit, twice never, their abort
    loop {
        match member.input().await {
            Input::End { partition: COMPLETIONS, position: Offset(5), .. } => break,
            Input::End { position, .. } => assert_eq!(position, Offset(2)),
            Input::Records(records) => panic!("an aborted record was handed out: {records:?}"),
            _ => {}
        }
    }
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fell_out_of_the_log_begins_there_and_tells_the_loss() {
    let scene = Scene::new(broker().bootstrap()).await;
    scene.produce(&["a", "b", "c", "d"]);
    scene.commit(1);
    scene.expire_below(3).await;
    let mut member = scene.member(None);
    let assigned = member.assigned().await;
    assert_eq!((assigned.start, assigned.lost, assigned.metadata), (Offset(3), 2, None));
    assert_eq!(member.values(1).await, ["d"]);
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_expire_before_they_are_read_are_counted_and_reading_goes_on() {
    let scene = Scene::new(broker().bootstrap()).await;
    scene.produce(&["a"]);
    scene.commit(0);
    let big = "x".repeat(200_000);
    let mut member = scene.member(None);
    member.assigned().await;
    assert_eq!(member.values(1).await, ["a"]);
    // More than the client reads ahead while the partition is not wanted.
    member.handle.want(COMPLETIONS, false);
    scene.produce(&[big.as_str(); 40]);
    scene.expire_below(40).await;
    member.handle.want(COMPLETIONS, true);
    let (mut lost, mut lost_in_all) = (0, 0);
    let mut next = 1;
    while next < 41 {
        match member.input().await {
            Input::Gap { partition: COMPLETIONS, lost: count } => {
                lost += count;
                lost_in_all += count;
            }
            Input::Records(records) => {
                for Read { record, .. } in records {
                    assert_eq!(record.offset.0, next + i64::try_from(lost).expect("few"));
                    next = record.offset.next().0;
                    lost = 0;
                }
            }
            _ => {}
        }
    }
    assert!(lost_in_all > 0, "the test is about a gap");
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_beyond_the_end_holds_the_partition_and_says_what_to_do() {
    let scene = Scene::new(broker().bootstrap()).await;
    scene.produce(&["a"]);
    scene.commit(7);
    let mut member = scene.member(None);
    let why = loop {
        if let Input::Held { partition: COMPLETIONS, why } = member.input().await {
            break why;
        }
    };
    assert!(why.contains("offset 7") && why.contains("beyond the log's end 1"), "{why}");
    assert_eq!(member.handle.assignment().len(), 1, "the grade is read");
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_begins_where_a_person_says() {
    for (first, expected) in [
        (FirstStart::Earliest, "a"),
        (FirstStart::Latest, "c"),
        (FirstStart::At(Timestamp::from_millis(0)), "a"),
    ] {
        let scene = Scene::new(broker().bootstrap()).await;
        scene.produce(&["a", "b"]);
        let mut member = scene.member(Some(first));
        member.assigned().await;
        scene.produce(&["c"]);
        assert_eq!(member.values(1).await[0], expected, "{first:?}");
        member.stop().await;
        // A later member needs no word, and keeps to the first one's.
        let mut later = scene.member(None);
        later.assigned().await;
        assert_eq!(later.values(1).await[0], expected, "{first:?}, later");
        later.stop().await;
    }
}

/// Shows what the daily recommit of every held partition is for.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_grade_live_as_long_as_they_are_committed_again() {
    let settings =
        [("offsets.retention.minutes", "1"), ("offsets.retention.check.interval.ms", "1000")];
    let cluster = support::kafka::Cluster::start(1, &settings);
    let scene = Scene::with(cluster.bootstrap(), 2).await;
    let mut member = scene.member(None);
    let epoch = member.assigned().await.epoch;
    let grade = Partition { source: Source::Grade(ladder().smallest()), index: 0 };
    let commit =
        Commit { partition: grade, epoch, position: Offset(0), metadata: "map".to_owned() };
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    // Retention is a minute; the first commit alone would be gone after 75 seconds.
    for _ in 0..6 {
        ticks.tick().await;
        member.handle.commit(vec![commit.clone()]).expect("room");
        loop {
            if let Input::Committed { result, .. } = member.input().await {
                result.expect("the broker takes it");
                break;
            }
        }
    }
    let mut list = TopicPartitionList::new();
    for source in [grade.source, Source::Completions] {
        list.add_partition_range(&scene.names.of(source), 0, 1);
    }
    let list = scene.outsider().committed_offsets(list, DEADLINE).expect("an answer");
    let found: Vec<_> = list.elements().iter().map(TopicPartitionListElem::offset).collect();
    assert_eq!(list.elements()[0].metadata(), "map");
    let (zero, gone) = (RawOffset::Offset(0), RawOffset::Invalid);
    // The grade's other partition was committed at the start only; completions are subscribed.
    assert_eq!(found, [zero, gone, zero, zero]);
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_falls_silent_and_comes_back_is_told_in_time() {
    let cluster = support::kafka::Cluster::start(1, &[]);
    let scene = Scene::new(cluster.bootstrap()).await;
    let mut member = scene.member(None);
    let epoch = member.assigned().await.epoch;
    cluster.pause(0);
    // Its commit waits for an answer, as it would in a worker.
    let metadata = "map".to_owned();
    let commit = Commit { partition: COMPLETIONS, epoch, position: Offset(0), metadata };
    member.handle.commit(vec![commit]).expect("room");
    let troubled = async { while !matches!(member.input().await, Input::Trouble(_)) {} };
    timeout(Duration::from_secs(15), troubled).await.expect("told within 15 s");
    cluster.cont(0);
    let healthy = async { while !matches!(member.input().await, Input::Healthy) {} };
    timeout(Duration::from_secs(30), healthy).await.expect("told within 30 s");
    member.stop().await;
}
