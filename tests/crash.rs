//! One of two workers is killed under load, ten times.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use paynotify::{engine::OffsetMap, model::Offset};
use serde_json::{Value, json};
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{System, Worker, event},
};

const KILLS: usize = 10;
const EVENTS_PER_KILL: usize = 2_000;
const PARTITIONS: i32 = 6;
const IN_FLIGHT: usize = 64;
const DEADLINE: Duration = Duration::from_secs(60);

/// Small, seeded, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What one partition's commit says is resolved.
struct Committed {
    position: i64,
    beyond: OffsetMap,
}

impl Committed {
    fn of(system: &System, cluster: &str, index: i32) -> Self {
        let topic = system.topics().completions();
        let position = system.positions(&topic)[usize::try_from(index).unwrap()].0.unwrap_or(0);
        let metadata = system.metadata(&topic, index);
        let beyond = OffsetMap::decode(&metadata, cluster, Offset(position)).unwrap_or_default();
        Self { position, beyond }
    }

    fn covers(&self, offset: Offset) -> bool {
        offset.0 < self.position || self.beyond.contains(offset)
    }
}

/// Partitions of completions that a worker holds.
fn indexes(worker: &Worker) -> BTreeSet<i32> {
    let status = worker.status();
    let held = status["partitions"].as_array().unwrap().iter();
    held.filter_map(|one| one["partition"].as_str()?.strip_prefix("completions/")?.parse().ok())
        .collect()
}

/// Where each event is on completions.
fn places(system: &System) -> BTreeMap<String, (i32, Offset)> {
    let records = system.records(&system.topics().completions()).into_iter();
    records
        .map(|record| {
            let value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            let id = value["id"].as_str().unwrap().to_owned();
            (id, (record.coordinates.partition, record.coordinates.offset))
        })
        .collect()
}

fn acknowledged(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for request in receiver.requests().iter().filter(|one| one.status == Some(200)) {
        *times.entry(request.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_and_repeats_only_what_was_in_flight_or_not_yet_committed() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("crash"), PARTITIONS).await;
    system.set("delivery.max_in_flight", &IN_FLIGHT.to_string());
    let receiver = Receiver::start().await;
    let names: Vec<String> = (0..60).map(|n| format!("m_{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let path = format!("/{name}");
        receiver.answer(&path, Manner::Slow(Duration::from_millis(20 + 2 * n as u64)));
        system.add_merchant(name, &receiver.url(&path), &json!({}));
    }
    system.write_directory();
    let merchants: Vec<&str> = names.iter().map(String::as_str).collect();
    let cluster = system.cluster();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42);
    let mut dice = Dice(seed);
    let mut workers = vec![system.worker(), system.worker()];
    let mut published = Vec::new();
    let mut extra_before = 0;
    for kill in 0..KILLS {
        let ids = (0..EVENTS_PER_KILL).map(|n| format!("evt_{kill}_{n}"));
        published.extend(system.publish(&merchants, ids));
        let done = kill * EVENTS_PER_KILL + 600 + usize::try_from(dice.below(1_000)).unwrap();
        let enough = move |all: &[_]| all.len() >= done + extra_before;
        receiver.wait_until(enough, DEADLINE).await;
        let victim = workers.remove(usize::try_from(dice.below(2)).unwrap());
        let held = indexes(&victim);
        victim.kill();
        // What merchants acknowledged and no commit covers may be repeated, and what was running.
        let before = acknowledged(&receiver);
        let commits: BTreeMap<i32, Committed> =
            held.iter().map(|index| (*index, Committed::of(&system, &cluster, *index))).collect();
        let places = places(&system);
        let uncommitted = before
            .keys()
            .filter(|id| {
                let (index, offset) = places[*id];
                commits.get(&index).is_some_and(|commit| !commit.covers(offset))
            })
            .count();
        workers.push(system.worker());
        let all = published.len();
        receiver
            .wait_until(
                move |requests| {
                    let ids: BTreeSet<_> = requests
                        .iter()
                        .filter(|one| one.status == Some(200))
                        .map(|one| one.header("webhook-id").unwrap())
                        .collect();
                    ids.len() == all
                },
                DEADLINE,
            )
            .await;
        system.await_rest(DEADLINE);
        let extra: usize = acknowledged(&receiver).values().map(|times| times - 1).sum();
        let allowed = uncommitted + IN_FLIGHT;
        println!(
            "kill {kill}: {} extra acknowledged attempts, {uncommitted} finished and uncommitted, \
             at most {IN_FLIGHT} in flight",
            extra - extra_before
        );
        assert!(extra - extra_before <= allowed, "seed {seed}, kill {kill}");
        extra_before = extra;
    }
    for (id, body) in &published {
        let merchant = serde_json::from_str::<Value>(body).unwrap()["merchant_id"].clone();
        assert_eq!(*body, event(id, merchant.as_str().unwrap()));
    }
    let times = acknowledged(&receiver);
    assert_eq!(times.len(), published.len(), "nothing is lost");
    let bodies: BTreeMap<_, _> = published.into_iter().collect();
    for request in receiver.requests() {
        assert_eq!(request.body, bodies[request.header("webhook-id").unwrap()].as_bytes());
    }
}
