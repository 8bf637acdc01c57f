//! One index, one worker: on a real broker, members of a group come and go under load, and the
//! grades of an index are always with the holder of its completions.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use paynotify::{
    clock::Clock,
    engine::{Commit, Epoch},
    kafka::{
        ClientSettings, TopicNames,
        consumer::{Consumer, ConsumerHandle, Input, Read},
    },
    model::{Ladder, Offset, Partition, Source, Span},
    worker::decoder,
};
use rdkafka::{
    ClientConfig, Offset as RawOffset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::RDKafkaErrorCode,
    producer::{BaseProducer, BaseRecord, Producer},
};
use support::kafka::broker;
use tokio::{
    sync::{mpsc::Receiver, oneshot, watch},
    task::JoinHandle as Task,
    time::timeout,
};

const PARTITIONS: i32 = 6;
const DEADLINE: Duration = Duration::from_secs(60);

/// What all members saw together.
#[derive(Default)]
struct Seen {
    records: BTreeMap<(Partition, i64), u32>,
    faults: Vec<String>,
}

#[derive(Clone)]
struct Scene {
    names: TopicNames,
    ladder: Ladder,
    group: String,
    seen: Arc<Mutex<Seen>>,
    /// Which member holds what.
    holders: watch::Sender<BTreeMap<usize, BTreeSet<Partition>>>,
}

/// Resolves every record at once, and commits as an engine would.
struct Member {
    scene: Scene,
    number: usize,
    handle: ConsumerHandle,
    inputs: Receiver<Input>,
    held: BTreeMap<Partition, (Epoch, Offset)>,
}

impl Scene {
    async fn new() -> Self {
        let prefix = broker().prefix("colocation");
        let ladder = Ladder::new(vec![Span::from_secs(5), Span::from_secs(15)]).expect("a ladder");
        let scene = Self {
            names: TopicNames::new(&prefix),
            ladder,
            group: prefix,
            seen: Arc::default(),
            holders: watch::Sender::default(),
        };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker().bootstrap());
        let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
        let topics: Vec<_> = scene.sources().map(|source| scene.names.of(source)).collect();
        let new = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        let new: Vec<_> = topics.iter().map(|name| new(name)).collect();
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        for created in admin.create_topics(&new, &options).await.expect("an answer") {
            created.expect("a topic");
        }
        scene
    }

    fn sources(&self) -> impl Iterator<Item = Source> {
        let grades = self.ladder.grades().iter().map(|grade| Source::Grade(*grade));
        std::iter::once(Source::Completions).chain(grades)
    }

    /// Joins the group; the answer to `stop` is sent when it has left.
    fn join(&self, number: usize) -> (oneshot::Sender<()>, Task<()>) {
        let properties = [("heartbeat.interval.ms", "300"), ("session.timeout.ms", "6000")];
        let settings = ClientSettings {
            bootstrap_servers: broker().bootstrap(),
            group: self.group.clone(),
            properties: properties.map(|(key, value)| (key.into(), value.into())).into(),
        };
        let (names, clock) = (self.names.clone(), Clock::new());
        let decode = decoder(names.clone(), 1 << 20);
        let start = Consumer::start(&settings, names, &self.ladder, None, clock, decode);
        let (handle, inputs) = start.expect("a consumer");
        let scene = self.clone();
        let member = Member { scene, number, handle, inputs, held: BTreeMap::new() };
        let (stop, stopped) = oneshot::channel();
        (stop, tokio::spawn(member.run(stopped)))
    }

    /// Waits until so many members share all indexes evenly.
    async fn shared_by(&self, members: usize) {
        let all = usize::try_from(PARTITIONS).expect("few") * self.sources().count();
        let even = |holders: &BTreeMap<usize, BTreeSet<Partition>>| {
            holders.len() == members && holders.values().all(|held| held.len() == all / members)
        };
        let mut holders = self.holders.subscribe();
        let waiting = timeout(DEADLINE, holders.wait_for(even)).await;
        assert!(waiting.is_ok(), "{members} members: {:?}", self.holders.borrow());
    }

    /// Produces to every partition of every topic until told to stop; returns how many to each.
    fn load(&self, stop: Arc<AtomicBool>) -> JoinHandle<BTreeMap<Partition, i64>> {
        let scene = self.clone();
        std::thread::spawn(move || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", broker().bootstrap());
            let producer: BaseProducer = config.create().expect("a producer");
            let mut counts = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                for source in scene.sources() {
                    let topic = scene.names.of(source);
                    for index in 0..PARTITIONS {
                        let record = BaseRecord::<str, str>::to(&topic).partition(index);
                        producer.send(record.payload("event")).expect("room");
                        *counts.entry(Partition { source, index }).or_default() += 1;
                    }
                }
                // Paces the load: about fifty records a second and partition.
                producer.poll(Duration::from_millis(20));
                std::thread::park_timeout(Duration::from_millis(20));
            }
            producer.flush(DEADLINE).expect("all acknowledged");
            counts
        })
    }

    fn fault(&self, fault: String) {
        self.seen.lock().expect("no panic").faults.push(fault);
    }
}

impl Member {
    async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                input = self.inputs.recv() => self.take(input.expect("the consumer runs")),
                _ = ticks.tick() => drop(self.handle.commit(self.positions(|_| true))),
                _ = &mut stop => break,
            }
        }
        // What was given up last was answered for; the rest of the inputs is served meanwhile.
        let Self { handle, mut inputs, scene, number, held } = self;
        let stopping = tokio::spawn(handle.stop(DEADLINE));
        let mut rest = Rest { scene, number, held };
        while let Some(input) = inputs.recv().await {
            rest.take(input);
        }
        assert!(stopping.await.expect("no panic"), "stopped in time");
        rest.scene.holders.send_modify(|holders| drop(holders.remove(&number)));
    }

    fn positions(&self, wanted: impl Fn(&Partition) -> bool) -> Vec<Commit> {
        positions(&self.held, wanted)
    }

    fn take(&mut self, input: Input) {
        let held = std::mem::take(&mut self.held);
        let mut rest = Rest { scene: self.scene.clone(), number: self.number, held };
        rest.take(input);
        self.held = rest.held;
    }
}

/// The part of a member that also works while it leaves.
struct Rest {
    scene: Scene,
    number: usize,
    held: BTreeMap<Partition, (Epoch, Offset)>,
}

impl Rest {
    fn take(&mut self, input: Input) {
        match input {
            Input::Assigned(assigned) => {
                for one in assigned {
                    let map = format!("map {}", one.start);
                    // At the beginning there may have been no commit yet.
                    let fits = match &one.metadata {
                        Some(metadata) => *metadata == map,
                        None => one.start == Offset(0),
                    };
                    if !fits || one.lost > 0 {
                        self.scene.fault(format!("metadata: {one:?}"));
                    }
                    self.held.insert(one.partition, (one.epoch, one.start));
                }
                self.report();
            }
            Input::Records(records) => {
                let mut seen = self.scene.seen.lock().expect("no panic");
                let Seen { records: places, faults } = &mut *seen;
                for Read { epoch, record } in records {
                    match self.held.get_mut(&record.partition) {
                        Some((held, next)) if *held == epoch => {
                            if record.offset < *next {
                                faults.push(format!("read again: {}", record.offset));
                            }
                            *next = record.offset.next();
                            let place = (record.partition, record.offset.0);
                            *places.entry(place).or_default() += 1;
                        }
                        _ => {} // of an older assignment: fenced
                    }
                }
            }
            Input::Revoking { partitions, reply } => {
                let last = positions(&self.held, |partition| partitions.contains(partition));
                reply.try_send(last).expect("the consumer waits");
                self.held.retain(|partition, _| !partitions.contains(partition));
                self.report();
            }
            Input::Committed { .. } => {} // a rebalance may refuse one; the next tick tries again
            Input::End { partition, .. } => self.scene.fault(format!("{partition}: no control")),
            other => self.scene.fault(format!("member {}: {other:?}", self.number)),
        }
    }

    /// Tells what is held, and that every index is held whole.
    fn report(&self) {
        let held: BTreeSet<_> = self.held.keys().copied().collect();
        for index in 0..PARTITIONS {
            let of_index = held.iter().filter(|partition| partition.index == index).count();
            if of_index != 0 && of_index != self.scene.sources().count() {
                self.scene.fault(format!("member {} holds part of index {index}", self.number));
            }
        }
        self.scene.holders.send_modify(|holders| {
            let twice = holders.iter().filter(|(number, _)| **number != self.number);
            if twice.clone().any(|(_, others)| !others.is_disjoint(&held)) {
                self.scene.fault(format!("two members hold the same: {holders:?} and {held:?}"));
            }
            holders.insert(self.number, held);
        });
    }
}

fn positions(
    held: &BTreeMap<Partition, (Epoch, Offset)>,
    wanted: impl Fn(&Partition) -> bool,
) -> Vec<Commit> {
    let held = held.iter().filter(|(partition, _)| wanted(partition));
    held.map(|(partition, (epoch, position))| Commit {
        partition: *partition,
        epoch: *epoch,
        position: *position,
        metadata: format!("map {position}"),
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_under_load_and_every_index_stays_whole() {
    let scene = Scene::new().await;
    let (stop_first, first) = scene.join(1);
    scene.shared_by(1).await;
    let stop_load = Arc::new(AtomicBool::new(false));
    let load = scene.load(Arc::clone(&stop_load));

    let (stop_second, second) = scene.join(2);
    scene.shared_by(2).await;
    let (stop_third, third) = scene.join(3);
    scene.shared_by(3).await;
    stop_first.send(()).expect("member 1 runs");
    first.await.expect("member 1 left well");
    scene.shared_by(2).await;
    stop_third.send(()).expect("member 3 runs");
    third.await.expect("member 3 left well");
    scene.shared_by(1).await;

    stop_load.store(true, Ordering::Relaxed);
    let produced = load.join().expect("the load ended well");
    let expected: i64 = produced.values().sum();
    let expected = usize::try_from(expected).expect("few");
    let complete = || scene.seen.lock().expect("no panic").records.len() == expected;
    assert!(support::system::poll(DEADLINE, complete), "records are missing");
    refuse_a_stranger(&scene);
    stop_second.send(()).expect("member 2 runs");
    second.await.expect("member 2 left well");

    let seen = scene.seen.lock().expect("no panic");
    assert_eq!(seen.faults, Vec::<String>::new());
    let twice = seen.records.values().filter(|count| **count > 1).count();
    assert_eq!(twice, 0, "duplicates from graceful rebalances among {expected} records");
    for (partition, count) in produced {
        assert_eq!(committed(&scene, partition), Some(count), "{partition}");
    }
}

/// Who is no member of a group that has members cannot move its positions.
fn refuse_a_stranger(scene: &Scene) {
    let mut list = TopicPartitionList::new();
    let topic = scene.names.completions();
    list.add_partition_offset(&topic, 0, RawOffset::Offset(0)).expect("an offset");
    let error = outsider(scene).commit(&list, CommitMode::Sync).expect_err("a refusal");
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownMemberId));
}

fn committed(scene: &Scene, partition: Partition) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(&scene.names.of(partition.source), partition.index);
    let list = outsider(scene).committed_offsets(list, DEADLINE).expect("an answer");
    list.elements().first().and_then(|entry| entry.offset().to_raw())
}

fn outsider(scene: &Scene) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker().bootstrap()).set("group.id", &scene.group);
    config.create().expect("a client")
}
