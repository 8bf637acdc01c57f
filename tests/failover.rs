//! Three brokers, of which one dies; workers that freeze and come back. Nothing is lost, little is
//! repeated, and no committed position ever goes backwards.

mod support;

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use paynotify::{
    engine::OffsetMap,
    kafka::producer::{Outgoing, Producer},
    model::{Grade, Offset},
};
use rdkafka::{
    Offset as Position, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::json;
use support::{
    brokers::{await_replicas, coordinator, leader},
    kafka::Cluster,
    receiver::{Manner, Receiver, Request},
    system::{System, Worker, event, poll},
};
use tokio::sync::{Mutex, MutexGuard};

const PARTITIONS: i32 = 6;
const IN_FLIGHT: usize = 64;
/// Events of the load in one go, and how often.
const BURST: usize = 5;
const PACE: Duration = Duration::from_millis(25);
/// A crash may repeat what was in flight and what no commit covers yet; commits are at most 200 ms
/// behind, and a second is allowed on a loaded machine.
const REPEATED: usize = IN_FLIGHT + 1_000 / 25 * BURST;
const DEADLINE: Duration = Duration::from_secs(45);

/// The cluster that the tests use in turn, since they kill its brokers.
struct Brokers {
    cluster: &'static Cluster,
    _turn: MutexGuard<'static, ()>,
}

impl Brokers {
    async fn take() -> Self {
        static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let turn = TURN.lock().await;
        let settings = [("min.insync.replicas", "2"), ("group.min.session.timeout.ms", "1000")];
        let cluster = CLUSTER.get_or_init(|| Cluster::start(3, &settings));
        cluster.heal();
        Self { cluster, _turn: turn }
    }

    async fn system(&self, name: &str, partitions: i32) -> System {
        let bootstrap = self.bootstrap();
        let mut system = System::replicated(bootstrap, name.to_owned(), partitions, 3).await;
        system.set("delivery.max_in_flight", &IN_FLIGHT.to_string());
        system
    }
}

impl Deref for Brokers {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

/// A thread that runs until it is stopped.
struct Background<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Background<T> {
    fn run(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || work(&stopped)) }
    }

    fn stop(self) -> T {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Publishes at a steady pace; returns how many events `evt_0`, `evt_1` … there are.
fn load(system: &System, merchants: &[String]) -> Background<usize> {
    let (producer, mut answers) = Producer::new(&system.clients()).unwrap();
    let (topic, merchants) = (system.topics().completions(), merchants.to_vec());
    Background::run(move |stop| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..BURST {
                let merchant = &merchants[count % merchants.len()];
                let body = event(&format!("evt_{count}"), merchant);
                let (key, value) = (Some(merchant.as_bytes()), Some(body.as_bytes()));
                let (token, headers) = (count as u64, Vec::new());
                let topic = topic.as_str();
                let record = Outgoing { token, topic, partition: None, key, value, headers };
                producer.send(&record).unwrap();
                count += 1;
            }
            std::thread::park_timeout(PACE);
        }
        producer.flush(DEADLINE);
        for _ in 0..count {
            answers.try_recv().unwrap().result.unwrap();
        }
        count
    })
}

/// Looks at the committed positions again and again; returns how often one went backwards, and
/// how often it looked.
fn watch(system: &System) -> Background<(Vec<String>, usize)> {
    let client: BaseConsumer = system.clients().consumer().unwrap().create().unwrap();
    let topics = system.topics();
    let grades = system.grades.iter().map(|delay| topics.grade(Grade::new(*delay)));
    let mut all = TopicPartitionList::new();
    for topic in grades.chain([topics.completions()]) {
        all.add_partition_range(&topic, 0, system.partitions - 1);
    }
    Background::run(move |stop| {
        let (mut highest, mut backwards, mut looks) = (BTreeMap::new(), Vec::new(), 0);
        while !stop.load(Ordering::Relaxed) {
            // While the coordinator moves nobody knows; the next look tells.
            let Ok(list) = client.committed_offsets(all.clone(), Duration::from_secs(2)) else {
                continue;
            };
            looks += 1;
            for entry in list.elements() {
                let Position::Offset(position) = entry.offset() else { continue };
                let place = (entry.topic().to_owned(), entry.partition());
                let before = highest.entry(place).or_insert(position);
                if position < *before {
                    let (topic, index) = (entry.topic(), entry.partition());
                    backwards.push(format!("{topic}/{index} from {before} to {position}"));
                }
                *before = position;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        (backwards, looks)
    })
}

/// Twenty merchants; each of the last four fails every event once, so the ladder is used.
fn merchants(system: &mut System, receiver: &Receiver) -> Vec<String> {
    let names: Vec<String> = (0..20).map(|n| format!("m_{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let path = format!("/{name}");
        let slow = Manner::Slow(Duration::from_millis(10));
        receiver.answer(&path, if n < 16 { slow } else { Manner::FailTimes(1, 503) });
        let policy = json!({ "intervals": ["1s", "1s", "1s", "2s"] });
        system.add_merchant(name, &receiver.url(&path), &policy);
    }
    system.write_directory();
    names
}

/// How often each event was acknowledged.
fn acknowledged(requests: &[Arc<Request>]) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for request in requests.iter().filter(|one| one.status == Some(200)) {
        *times.entry(request.header("webhook-id").unwrap()).or_default() += 1;
    }
    times
}

fn extra(receiver: &Receiver) -> usize {
    acknowledged(&receiver.requests()).values().map(|times| times - 1).sum()
}

/// Waits for so many further events to be acknowledged.
async fn progress(receiver: &Receiver, more: usize) {
    let before = acknowledged(&receiver.requests()).len();
    let enough = move |all: &[_]| all.len() > before && acknowledged(all).len() >= before + more;
    receiver.wait_until(enough, DEADLINE).await;
}

async fn await_all(system: &System, receiver: &Receiver, count: usize) {
    let enough = move |all: &[_]| all.len() >= count && acknowledged(all).len() >= count;
    receiver.wait_until(enough, DEADLINE).await;
    system.await_rest(DEADLINE);
    assert_eq!(acknowledged(&receiver.requests()).len(), count, "nothing is invented");
}

fn await_shares(workers: &[&Worker], shares: &[usize]) {
    let held = || workers.iter().map(|worker| worker.partitions()).collect::<Vec<_>>();
    assert!(poll(DEADLINE, || held() == shares), "{:?} instead of {shares:?}", held());
}

/// All partitions of completions and of three grades.
const ALL: usize = 4 * PARTITIONS as usize;

#[tokio::test(flavor = "multi_thread")]
async fn the_coordinator_dies_then_a_leader_and_every_event_is_acknowledged_and_committed() {
    let brokers = Brokers::take().await;
    let mut system = brokers.system("brokers", PARTITIONS).await;
    let receiver = Receiver::start().await;
    let names = merchants(&mut system, &receiver);
    let (first, second) = (system.worker(), system.worker());
    await_shares(&[&first, &second], &[ALL / 2, ALL / 2]);
    let (load, watch) = (load(&system, &names), watch(&system));
    progress(&receiver, 250).await;

    let killed = coordinator(&system);
    brokers.stop(killed);
    progress(&receiver, 750).await;
    println!("coordinator killed: {} extra acknowledged attempts", extra(&receiver));
    brokers.restart(killed);
    await_replicas(&system);

    brokers.stop(leader(&system, &system.topics().completions(), 0));
    progress(&receiver, 750).await;
    let count = load.stop();
    await_all(&system, &receiver, count).await;
    let (backwards, looks) = watch.stop();
    println!("and a leader: {} extra of {count} events, {looks} looks", extra(&receiver));
    assert_eq!(backwards, Vec::<String>::new());
    assert!(extra(&receiver) <= REPEATED, "{} repeated", extra(&receiver));
    for worker in [first, second] {
        let (status, log) = worker.stop();
        assert!(status.success(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_wakes_up_takes_nothing_back_and_joins_again() {
    let brokers = Brokers::take().await;
    let mut system = brokers.system("zombie", PARTITIONS).await;
    // Frozen, it exceeds both.
    system.set("kafka.properties.session_timeout_ms", "6000");
    system.set("kafka.properties.max_poll_interval_ms", "6000");
    let receiver = Receiver::start().await;
    let names = merchants(&mut system, &receiver);
    let (zombie, heir) = (system.worker(), system.worker());
    await_shares(&[&zombie, &heir], &[ALL / 2, ALL / 2]);
    let (load, watch) = (load(&system, &names), watch(&system));
    progress(&receiver, 250).await;

    zombie.signal("-STOP");
    await_shares(&[&heir], &[ALL]);
    progress(&receiver, 500).await;
    let before = extra(&receiver);
    println!("taken over: {before} extra acknowledged attempts");
    assert!(before <= REPEATED, "{before} repeated");

    zombie.signal("-CONT");
    await_shares(&[&zombie, &heir], &[ALL / 2, ALL / 2]);
    progress(&receiver, 250).await;
    let count = load.stop();
    await_all(&system, &receiver, count).await;
    let (backwards, looks) = watch.stop();
    let after = extra(&receiver) - before;
    println!("woken up: {after} more extra of {count} events, {looks} looks");
    assert_eq!(backwards, Vec::<String>::new(), "a late commit changed something");
    assert!(after <= REPEATED, "{after} repeated");
    for worker in [zombie, heir] {
        let (status, log) = worker.stop();
        assert!(status.success(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_resolved_beyond_a_hanging_request_survives_the_coordinator_and_the_worker() {
    let brokers = Brokers::take().await;
    let mut system = brokers.system("map", 1).await;
    let receiver = Receiver::start().await;
    receiver.answer("/slow", Manner::Hang);
    system.merchant("slow", &receiver.url("/slow"), &json!({ "timeout": "60s" }));
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let worker = system.worker();
    system.publish(&["slow"], ["hanging".to_owned()]);
    receiver.wait_until(|all| all.len() == 1, DEADLINE).await;
    let (topic, cluster) = (system.topics().completions(), system.cluster());
    let mapped = |end: i64| {
        let mapped = poll(DEADLINE, || {
            let map = OffsetMap::decode(&system.metadata(&topic, 0), &cluster, Offset(0));
            map.is_ok_and(|map| map.runs() == [(Offset(1), Offset(end))])
        });
        assert!(mapped, "{}", system.metadata(&topic, 0));
    };
    system.publish(&["acme"], (0..2_000).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() == 2_001, DEADLINE).await;
    mapped(2_001);

    brokers.stop(coordinator(&system));
    // As the next coordinator read it from its log, and as it takes the next commit.
    mapped(2_001);
    system.publish(&["acme"], (2_000..2_500).map(|n| format!("evt_{n}")));
    receiver.wait_until(|all| all.len() >= 2_501, DEADLINE).await;
    mapped(2_501);
    worker.kill();

    // A worker that lost its partition with the coordinator has begun the hanging request again.
    let before = receiver.requests().len();
    receiver.answer("/slow", Manner::Ok);
    let _next = system.worker();
    let requests = receiver.wait_until(|all| all.len() > before, DEADLINE).await;
    assert_eq!(requests[before].header("webhook-id"), Some("hanging"));
    system.await_rest(DEADLINE);
    let mut times = BTreeMap::<_, u32>::new();
    for request in receiver.requests() {
        *times.entry(request.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    times.remove("hanging");
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "acknowledged ones are repeated: {repeated:?}");
    assert_eq!(times.len(), 2_500);
    assert_eq!(receiver.requests().len(), before + 1, "the hanging one is repeated once more");
}
