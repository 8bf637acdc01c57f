//! Twenty thousand events, and at the end every one of them is accounted for.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use paynotify::model::Timestamp;
use serde_json::{Value, json};
use support::{
    kafka::{broker, java},
    receiver::{Manner, Receiver, Request},
    system::{System, Worker, event, poll},
};

const EVENTS: usize = 20_000;
const MERCHANTS: usize = 500;
const DEADLINE: Duration = Duration::from_secs(180);

struct Run {
    system: System,
    receiver: Receiver,
    names: Vec<String>,
    workers: Vec<Worker>,
}

/// 5 % of the merchants fail twice and 1 % for ever.
fn fails_twice(merchant: usize) -> bool {
    merchant % 100 >= 95
}

fn fails_for_ever(merchant: usize) -> bool {
    merchant % 100 == 50
}

impl Run {
    async fn start(name: &str, partitions: i32, workers: usize) -> Self {
        let broker = broker();
        let mut system = System::new(broker.bootstrap(), broker.prefix(name), partitions).await;
        let receiver = Receiver::start().await;
        let names: Vec<String> = (0..MERCHANTS).map(|n| format!("m_{n}")).collect();
        let policy = json!({ "intervals": ["1s", "2s"] });
        for (n, name) in names.iter().enumerate() {
            let path = format!("/{name}");
            if fails_twice(n) {
                receiver.answer(&path, Manner::FailTimes(2, 503));
            } else if fails_for_ever(n) {
                receiver.answer(&path, Manner::Status(500));
            }
            system.add_merchant(name, &receiver.url(&path), &policy);
        }
        system.write_directory();
        let workers: Vec<Worker> = (0..workers).map(|_| system.worker()).collect();
        let share = usize::try_from(partitions).unwrap() * 4 / workers.len();
        let settled = poll(DEADLINE, || workers.iter().all(|one| one.partitions() == share));
        assert!(settled, "{:?}", workers.iter().map(Worker::partitions).collect::<Vec<_>>());
        Self { system, receiver, names, workers }
    }

    fn merchant_of(&self, event: usize) -> &str {
        &self.names[event % MERCHANTS]
    }

    /// Ids and bodies as they are published.
    fn events(&self) -> BTreeMap<String, String> {
        let of = |n: usize| {
            let id = format!("evt_{n}");
            let body = event(&id, self.merchant_of(n));
            (id, body)
        };
        (0..EVENTS).map(of).collect()
    }

    async fn await_all(&self) {
        let forever = (0..MERCHANTS).filter(|n| fails_for_ever(*n)).count();
        let delivered = EVENTS - forever * (EVENTS / MERCHANTS);
        let enough = move |all: &[Arc<Request>]| {
            all.len() >= delivered
                && all.iter().filter(|one| one.status == Some(200)).count() >= delivered
        };
        self.receiver.wait_until(enough, DEADLINE).await;
        self.system.await_rest(DEADLINE);
    }

    /// Nothing lost, nothing invented, nothing altered, nothing twice, dead letters exact.
    fn account(&self) {
        let events = self.events();
        let mut acknowledged = BTreeMap::<&str, usize>::new();
        let requests = self.receiver.requests();
        for request in &requests {
            let id = request.header("webhook-id").unwrap();
            let body = events.get(id).unwrap_or_else(|| panic!("{id} was never published"));
            assert_eq!(request.body, body.as_bytes(), "{id} is altered");
            if request.status == Some(200) {
                *acknowledged.entry(id).or_default() += 1;
            }
        }
        let twice: Vec<_> = acknowledged.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "acknowledged more than once without a fault: {twice:?}");

        let expected: BTreeSet<String> = (0..EVENTS)
            .filter(|n| fails_for_ever(n % MERCHANTS))
            .map(|n| format!("evt_{n}"))
            .collect();
        let mut dead = BTreeSet::new();
        for letter in self.system.records(&self.system.topics().dead_letters()) {
            let header = |name: &str| {
                let (_, value) = letter.headers.iter().find(|(found, _)| found == name).unwrap();
                String::from_utf8(value.to_vec()).unwrap()
            };
            let value: Value = serde_json::from_slice(letter.value.as_ref().unwrap()).unwrap();
            let id = value["id"].as_str().unwrap().to_owned();
            assert_eq!(letter.value.as_deref(), Some(events[&id].as_bytes()));
            assert_eq!(header("paynotify-reason"), "exhausted");
            assert_eq!(header("paynotify-attempts"), "3");
            assert!(dead.insert(id.clone()), "{id} is dead twice");
        }
        let missing: Vec<_> = expected.difference(&dead).collect();
        let told = || missing.iter().map(|id| self.log().remove(*id)).collect::<Vec<_>>();
        assert!(
            missing.is_empty(),
            "no dead letters: {missing:?}, of which the log says {:?}",
            told()
        );
        let more: Vec<_> = dead.difference(&expected).collect();
        assert!(more.is_empty(), "dead letters that nobody expects: {more:?}");
        for id in events.keys() {
            assert!(dead.contains(id) || acknowledged.contains_key(id.as_str()), "{id} is lost");
        }
    }

    /// The delivery log: attempts by event, in order, each with its worker.
    fn log(&self) -> BTreeMap<String, Vec<Value>> {
        let mut lines = BTreeMap::<String, Vec<Value>>::new();
        for record in self.system.records(&self.system.topics().attempts()) {
            let line: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            if !line["attempt"].is_null() {
                let id = line["event_id"].as_str().unwrap().to_owned();
                lines.entry(id).or_default().push(line);
            }
        }
        for attempts in lines.values_mut() {
            attempts.sort_by_key(|line| line["attempt"].as_u64());
        }
        lines
    }

    /// No attempt before it is due, in broker time; how late they are is printed.
    fn lateness(&self) {
        let time = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
        let mut late = Vec::new();
        for (id, attempts) in self.log() {
            for pair in attempts.windows(2) {
                let (due, started) = (time(&pair[0]["due_at"]), time(&pair[1]["started_at"]));
                assert!(started >= due, "{id}: started {started}, due {due}");
                late.push(started.since(due).as_millis());
            }
        }
        late.sort_unstable();
        assert!(late.len() > 2_000, "{} retries", late.len());
        let at = |share: usize| late[(late.len() - 1) * share / 100];
        println!("retries {}, lateness p50 {} ms, p99 {} ms", late.len(), at(50), at(99));
    }

    /// Every endpoint's attempts come from one worker.
    fn one_worker_per_endpoint(&self) {
        let mut workers = BTreeMap::<String, BTreeSet<String>>::new();
        for line in self.log().into_values().flatten() {
            let merchant = line["merchant_id"].as_str().unwrap().to_owned();
            let worker = line["worker"].as_str().unwrap().to_owned();
            workers.entry(merchant).or_default().insert(worker);
        }
        assert_eq!(workers.len(), MERCHANTS);
        let split: Vec<_> = workers.iter().filter(|(_, workers)| workers.len() > 1).collect();
        assert!(split.is_empty(), "{split:?}");
        let all: BTreeSet<_> = workers.values().flatten().collect();
        assert_eq!(all.len(), self.workers.len(), "every worker had something to do");
    }

    fn stop(self) {
        for worker in self.workers {
            let (status, log) = worker.stop();
            assert!(status.success(), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_events_of_five_hundred_merchants_are_all_accounted_for() {
    let run = Run::start("account", 8, 1).await;
    let merchants: Vec<&str> = run.names.iter().map(String::as_str).collect();
    run.system.publish(&merchants, (0..EVENTS).map(|n| format!("evt_{n}")));
    run.await_all().await;
    run.account();
    run.lateness();
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_from_a_transactional_java_producer_over_twelve_partitions_and_three_workers() {
    let run = Run::start("java", 12, 3).await;
    let lines: Vec<String> = run
        .events()
        .into_values()
        .map(|body| {
            let event: Value = serde_json::from_str(&body).unwrap();
            format!("{}\t{body}", event["merchant_id"].as_str().unwrap())
        })
        .collect();
    let program =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/java/TransactionalPublisher.java");
    let topic = run.system.topics().completions();
    java(&[program, &run.system.bootstrap, &topic], &lines.join("\n"));
    run.await_all().await;
    run.account();
    run.lateness();
    run.one_worker_per_endpoint();
    run.stop();
}
