//! What is wrong now, as reasons against readiness, each with its remedy.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    memory::Usage,
    watchdog::{
        Ages, Client, Deadlines, Fault, LONGEST_LOOK, Step, Watchdog, heads::Heads,
        silence::Silence,
    },
};
use crate::{
    engine::Status,
    kafka::consumer::ConsumerHandle,
    model::Partition,
    telemetry::health::{Health, STARTING},
};

/// Clock skew, in seconds, beyond which the worker is not ready.
const SKEW_WARNING: f64 = 30.0;
/// Clock skew, in seconds, beyond which merchants would refuse signatures.
const SKEW_LIMIT: f64 = 120.0;

const ATTEMPTS_BRAKED: &str = "most endpoints cannot be reached at all: attempts trickle and are \
     not counted; look at the network, DNS and proxy of this worker";
const LETTERS_BRAKED: &str = "many events were given up for unknown merchants, denied addresses or \
     faults of our own: more of them are parked; look at the directory, delivery.allow_addresses and \
     the dead letters";

/// Keeps readiness true, and asks the watchdog what is to be done.
pub struct Watch {
    health: Arc<Health>,
    held: BTreeMap<Partition, String>,
    deadlines: Deadlines,
    pub dog: Watchdog,
    pub silence: Silence,
    /// Kafka's last word on commits was that it takes none for now.
    pub kafka_takes_no_commits: bool,
    /// Since when the consumer says that Kafka does not answer.
    troubled: Option<Instant>,
    heads: Heads,
    looked: Instant,
}

/// What there is to see.
pub struct Sight<'a> {
    pub status: &'a Status,
    pub memory: &'a Usage,
    pub consumer: Option<&'a ConsumerHandle>,
    pub oldest_route: Option<Instant>,
    pub skew_seconds: f64,
}

/// What the loop must act on.
pub struct Findings {
    pub clock_unusable: bool,
    pub step: Step,
}

impl Watch {
    pub fn new(health: Arc<Health>, deadlines: Deadlines) -> Self {
        Self {
            health,
            held: BTreeMap::new(),
            deadlines,
            dog: Watchdog::new(deadlines),
            silence: Silence::default(),
            kafka_takes_no_commits: false,
            troubled: None,
            heads: Heads::default(),
            looked: Instant::now(),
        }
    }

    /// The group gave this worker its partitions, perhaps none.
    pub fn joined(&self) {
        self.health.set(STARTING, None);
    }

    pub fn stopping(&self) {
        self.health.set("stopping", Some("the worker was asked to stop".to_owned()));
    }

    pub fn kafka(&mut self, trouble: Option<String>) {
        self.troubled = trouble.is_some().then(|| self.troubled.unwrap_or_else(Instant::now));
        self.health.set("kafka", trouble);
    }

    pub fn held(&mut self, partition: Partition, why: String) {
        self.held.insert(partition, why);
        self.say_held();
    }

    pub fn released(&mut self, partition: Partition) {
        if self.held.remove(&partition).is_some() {
            self.say_held();
        }
    }

    /// These partitions went, and with one index all that cannot be read of it, which was never
    /// given to the engine.
    pub fn let_go(&mut self, partitions: &[Partition]) {
        let before = self.held.len();
        // A single partition is put aside alone; the group takes whole indexes.
        let whole = partitions.len() > 1;
        self.held.retain(|held, _| {
            !partitions.iter().any(|gone| gone == held || (whole && gone.index == held.index))
        });
        if self.held.len() != before {
            self.say_held();
        }
    }

    fn say_held(&self) {
        let reasons: Vec<_> =
            self.held.iter().map(|(partition, why)| format!("{partition}: {why}")).collect();
        self.health.set("held", (!reasons.is_empty()).then(|| reasons.join("; ")));
    }

    /// A client is built anew.
    pub fn rebuilding(&self, client: Client, why: Option<&str>) {
        let (key, name) = match client {
            Client::Consumer => ("consumer_rebuilt", "consumer"),
            Client::Producer => ("producer_rebuilt", "producer"),
        };
        self.health.set(key, why.map(|why| format!("the {name} is built anew: {why}")));
    }

    /// The partition that a fault of the consumer is seen in.
    pub fn stands_still(&self) -> Option<Partition> {
        self.heads.longest().map(|(partition, _)| partition)
    }

    pub fn look(&mut self, sight: &Sight<'_>) -> Findings {
        self.health.beat();
        let status = sight.status;
        let braked = status.braked;
        self.health
            .set("flood_brake_attempts", braked.attempts.then(|| ATTEMPTS_BRAKED.to_owned()));
        self.health.set("flood_brake_letters", braked.letters.then(|| LETTERS_BRAKED.to_owned()));
        self.health.set(
            "routes",
            (status.stuck_routes > 0).then(|| {
                format!(
                    "{} records cannot be put on the ladder or the dead-letter topic; \
                     see the log, and `paynotify topics check`",
                    status.stuck_routes
                )
            }),
        );
        self.health.set("memory", sight.memory.trouble());
        let skew = sight.skew_seconds;
        self.health.set(
            "clock",
            (skew.abs() > SKEW_WARNING).then(|| {
                format!("this machine's clock differs from the broker's by {skew:.0} s; set it")
            }),
        );
        Findings { clock_unusable: skew.abs() > SKEW_LIMIT, step: self.watch_clients(sight) }
    }

    fn watch_clients(&mut self, sight: &Sight<'_>) -> Step {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        let ends = sight.consumer.map(ConsumerHandle::ends).unwrap_or_default();
        self.heads.look(passed.min(LONGEST_LOOK), &sight.status.partitions, &ends);
        let idle = sight.consumer.map(|one| now.saturating_duration_since(one.polled_at()));
        let ages = Ages {
            head: self.heads.longest().map(|(_, age)| age),
            commit: sight.status.uncommitted_for.map(Into::into),
            poll: idle,
            connection: self.troubled.map(|since| now.saturating_duration_since(since)),
            acknowledgement: self.silence.lasts(now),
            kafka_takes_no_commits: self.kafka_takes_no_commits,
        };
        let step = self.dog.look(passed, &ages);
        for fault in [Fault::Head, Fault::Commit, Fault::Poll, Fault::Connection] {
            let age = ages.of(fault).filter(|_| self.dog.stands(fault));
            self.health.set(key_of(fault), age.map(|age| self.describe(fault, age.as_secs())));
        }
        // One topic that takes nothing is told, though it is no fault of the producer.
        let route = sight.oldest_route.map(|since| now.saturating_duration_since(since));
        let silent = route.max(ages.acknowledgement);
        let silent = silent.filter(|age| *age > self.deadlines.acknowledgement);
        self.health.set(
            key_of(Fault::Acknowledgement),
            silent.map(|age| self.describe(Fault::Acknowledgement, age.as_secs())),
        );
        step
    }

    fn describe(&self, fault: Fault, seconds: u64) -> String {
        match (fault, self.stands_still()) {
            (Fault::Head, Some(partition)) => {
                format!("nothing moves in {partition} for {seconds} s, though something could")
            }
            (Fault::Head, None) => format!("a head is overdue by {seconds} s"),
            (Fault::Commit, _) => format!("finished offsets are not committed for {seconds} s"),
            (Fault::Poll, _) => format!("the consumer has not polled for {seconds} s"),
            (Fault::Connection, _) => format!("no broker answers the consumer for {seconds} s"),
            (Fault::Acknowledgement, _) => {
                format!("the broker has not acknowledged a record for {seconds} s")
            }
        }
    }
}

const fn key_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Head => "heads",
        Fault::Commit => "commits",
        Fault::Poll => "consumer",
        Fault::Connection => "connection",
        Fault::Acknowledgement => "producer",
    }
}
