//! What is wrong now, as reasons against readiness, each with its remedy.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    engine::Status,
    kafka::consumer::ConsumerHandle,
    model::Partition,
    telemetry::health::{Health, STARTING},
};

/// A consumer that has not polled for this long stands still.
const POLL_PATIENCE: Duration = Duration::from_secs(10);
/// A route that the broker has not answered for this long.
const ROUTE_PATIENCE: Duration = Duration::from_secs(15);
/// A position that is finished and not committed for this long.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// Clock skew, in seconds, beyond which the worker is not ready.
const SKEW_WARNING: f64 = 30.0;
/// Clock skew, in seconds, beyond which merchants would refuse signatures.
const SKEW_LIMIT: f64 = 120.0;

const ATTEMPTS_BRAKED: &str = "most endpoints cannot be reached at all: attempts trickle and are \
     not counted; look at the network, DNS and proxy of this worker";
const LETTERS_BRAKED: &str = "many events were given up for unknown merchants, denied addresses or \
     faults of our own: more of them are parked; look at the directory, delivery.allow_addresses and \
     the dead letters";

/// Keeps readiness true.
pub struct Watch {
    health: Arc<Health>,
    held: BTreeMap<Partition, String>,
}

/// What there is to see.
pub struct Sight<'a> {
    pub status: &'a Status,
    pub consumer: Option<&'a ConsumerHandle>,
    pub oldest_route: Option<Instant>,
    pub skew_seconds: f64,
}

/// What the loop must act on.
pub struct Findings {
    pub clock_unusable: bool,
}

impl Watch {
    pub fn new(health: Arc<Health>) -> Self {
        Self { health, held: BTreeMap::new() }
    }

    /// The group gave this worker its partitions, perhaps none.
    pub fn joined(&self) {
        self.health.set(STARTING, None);
    }

    pub fn stopping(&self) {
        self.health.set("stopping", Some("the worker was asked to stop".to_owned()));
    }

    pub fn kafka(&self, trouble: Option<String>) {
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

    pub fn look(&self, sight: &Sight<'_>) -> Findings {
        self.health.beat();
        let now = Instant::now();
        let idle = sight.consumer.map(|consumer| now.duration_since(consumer.polled_at()));
        self.health.set(
            "consumer",
            idle.filter(|idle| *idle > POLL_PATIENCE)
                .map(|idle| format!("the consumer has not polled for {} s", idle.as_secs())),
        );
        let waiting = sight.oldest_route.map(|since| now.duration_since(since));
        self.health.set(
            "producer",
            waiting.filter(|waiting| *waiting > ROUTE_PATIENCE).map(|waiting| {
                format!("the broker has not acknowledged a record for {} s", waiting.as_secs())
            }),
        );
        let braked = sight.status.braked;
        self.health
            .set("flood_brake_attempts", braked.attempts.then(|| ATTEMPTS_BRAKED.to_owned()));
        self.health.set("flood_brake_letters", braked.letters.then(|| LETTERS_BRAKED.to_owned()));
        self.health.set(
            "routes",
            (sight.status.stuck_routes > 0).then(|| {
                format!(
                    "{} records cannot be put on the ladder or the dead-letter topic; \
                     see the log, and `paynotify topics check`",
                    sight.status.stuck_routes
                )
            }),
        );
        self.look_at_commits(sight.status);
        let skew = sight.skew_seconds;
        self.health.set(
            "clock",
            (skew.abs() > SKEW_WARNING).then(|| {
                format!("this machine's clock differs from the broker's by {skew:.0} s; set it")
            }),
        );
        Findings { clock_unusable: skew.abs() > SKEW_LIMIT }
    }

    fn look_at_commits(&self, status: &Status) {
        let longest = status.uncommitted_for.map(Duration::from);
        self.health.set(
            "commits",
            longest.filter(|longest| *longest > COMMIT_PATIENCE).map(|longest| {
                format!("finished offsets are not committed for {} s", longest.as_secs())
            }),
        );
    }
}
