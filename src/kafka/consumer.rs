//! Reads completions and the ladder, on a thread of its own.
//!
//! The group gives out partitions of completions; whoever holds completions *p* holds *p* of every
//! grade too. Grades are not subscribed: they are assigned and let go beside their completions.

mod context;
mod ends;
mod error;
mod input;
mod intake;
mod link;
mod lookup;
mod membership;
mod run;
mod shared;
mod start;
mod traffic;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
};
use tokio::sync::{mpsc, oneshot};

use self::{
    context::Context, ends::Ends, intake::Intake, link::Link, membership::Membership, run::Running,
    shared::Shared,
};
pub use self::{
    error::Error,
    input::{Assigned, Decode, Input, RawRecord, Read},
    traffic::Traffic,
};
use super::{ClientSettings, TopicNames, committer::Committer, open, position::FirstStart};
use crate::{
    clock::Clock,
    engine::{Commit, Epoch},
    model::{Ladder, Offset, Partition, Source},
};

/// How long the worker may take to hand over the last commits of partitions that are revoked:
/// a second of draining, and a margin.
pub const DRAIN: Duration = Duration::from_millis(1_500);

/// How long the broker may take to answer those commits: as long as the two together stay below the time
/// without a poll that the watchdog takes for a fault. What is not answered is done again.
const LAST_COMMIT: Duration = Duration::from_secs(6);

/// How long brokers may take to answer at the start.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a topic may be missing at the start before it counts as missing.
const VISIBLE: Duration = Duration::from_secs(3);

/// Inputs on their way to the worker.
const CHANNEL: usize = 4;

/// Starts consumers.
#[derive(Debug)]
pub struct Consumer;

/// A running consumer. Dropping it without [`ConsumerHandle::stop`] leaves the thread running
/// until the receiver of its inputs is dropped.
#[derive(Debug)]
pub struct ConsumerHandle {
    shared: Arc<Shared>,
    committer: Committer,
    ended: oneshot::Receiver<()>,
}

impl Consumer {
    /// Joins the group. Blocks for up to ten seconds: not for async threads.
    ///
    /// # Errors
    /// When properties are wrong, brokers do not answer, topics are missing or do not fit.
    pub fn start(
        settings: &ClientSettings,
        topics: TopicNames,
        ladder: &Ladder,
        first_start: Option<FirstStart>,
        clock: Clock,
        decode: Decode,
    ) -> Result<(ConsumerHandle, mpsc::Receiver<Input>), Error> {
        let mut config = settings.consumer()?;
        // Ends of partitions tell how far control records reach.
        config.set("enable.partition.eof", "true");
        if config.get("statistics.interval.ms").is_none() {
            config.set("statistics.interval.ms", traffic::INTERVAL_MS);
        }
        let (sender, inputs) = mpsc::channel(CHANNEL);
        let shared = Arc::new(Shared::new(topics, clock, settings.login(), sender));
        let grades = ladder.grades().to_vec();
        let group = settings.group.clone();
        let membership = Membership::new(Arc::clone(&shared), group, grades, 0, first_start);
        let consumer = create(&config, Arc::clone(&shared), membership)?;
        let count = partition_count(&consumer, &shared, ladder, settings)?;
        let intake = split_all(&consumer, Intake::new(Arc::clone(&shared), decode), ladder, count);
        consumer.context().membership().count = count;

        let link = Link { shared: Arc::clone(&shared), consumer: Arc::clone(&consumer) };
        let thread = |source| super::Error::Thread { name: "kafka-consumer", source };
        let (committer, committing) =
            Committer::start(link, Arc::clone(&shared.held)).map_err(thread)?;
        consumer.context().membership().committer = Some(committer.clone());
        let ends = Ends::follow(Arc::clone(&consumer), Arc::clone(&shared))
            .map_err(|source| super::Error::Thread { name: "kafka-ends", source })?;
        consumer.subscribe(&[&shared.topics.completions()]).map_err(Error::Client)?;

        let (end, ended) = oneshot::channel();
        let running = Running { shared: Arc::clone(&shared), consumer, intake };
        let work = move || {
            // Dropping what runs closes the consumer: the queues go first, then what other threads
            // have of it, then the client.
            let consumer = Arc::clone(&running.consumer);
            running.run();
            ends.stop();
            let _ = committing.join();
            drop(consumer);
            let _ = end.send(());
        };
        std::thread::Builder::new().name("kafka-consumer".into()).spawn(work).map_err(thread)?;
        Ok((ConsumerHandle { shared, committer, ended }, inputs))
    }
}

impl ConsumerHandle {
    /// Whether to take records of this partition. A partition that becomes ours is wanted; say
    /// again what is meant when `Assigned` arrives.
    pub fn want(&self, partition: Partition, wanted: bool) {
        self.shared.want(partition, wanted);
    }

    /// Commits these positions soon; each is answered by [`Input::Committed`]. Never blocks.
    ///
    /// # Errors
    /// Gives them back when too many wait already.
    pub fn commit(&self, commits: Vec<Commit>) -> Result<(), Vec<Commit>> {
        self.committer.commit(commits)
    }

    /// When the consumer last polled, for the watchdog.
    pub fn polled_at(&self) -> Instant {
        self.shared.polled_at()
    }

    /// What is held now.
    pub fn assignment(&self) -> BTreeMap<Partition, Epoch> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the logs of the held partitions end, some seconds ago.
    pub fn ends(&self) -> BTreeMap<Partition, Offset> {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was fetched and taken since this was last asked, some seconds ago.
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic.take()
    }

    /// Leaves the group and closes the consumer. The inputs must be served meanwhile: a last
    /// `Revoking` asks for the last commits. Returns whether it ended within the deadline; if
    /// not, its thread is left behind.
    pub async fn stop(self, deadline: Duration) -> bool {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake();
        tokio::time::timeout(deadline, self.ended).await.is_ok()
    }
}

fn create(
    config: &ClientConfig,
    shared: Arc<Shared>,
    membership: Membership,
) -> Result<Arc<BaseConsumer<Context>>, Error> {
    let waker = Arc::clone(&shared);
    let context = Context { shared, membership: Mutex::new(membership) };
    let mut consumer: BaseConsumer<Context> = open::client("consumer", config, context)?;
    consumer.set_nonempty_callback(move || waker.wake());
    Ok(Arc::new(consumer))
}

/// Partition count of completions; every grade must have the same.
fn partition_count(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    ladder: &Ladder,
    settings: &ClientSettings,
) -> Result<i32, Error> {
    // A topic that was just created has no leader for a moment, or is not known everywhere yet.
    let patience = Instant::now() + VISIBLE;
    let look = |topic: &str| {
        let metadata = consumer.fetch_metadata(Some(topic), CONNECT).map_err(|source| {
            super::Error::Unreachable { servers: settings.bootstrap_servers.clone(), source }
        })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let missing = || Error::from(super::Error::MissingTopic { topic: topic.to_owned() });
        let found = found.ok_or_else(missing)?;
        match found.error().map(RDKafkaErrorCode::from) {
            None if !found.partitions().is_empty() => Ok(found.partitions().len()),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Err(Error::Forbidden(topic.to_owned()))
            }
            _ => Err(missing()),
        }
    };
    let count = |topic: &str| loop {
        match look(topic) {
            Err(Error::Kafka(super::Error::MissingTopic { .. })) if Instant::now() < patience => {
                // Serves the client's events, and waits no longer than this.
                let _ = consumer.poll(Duration::from_millis(100));
            }
            answer => return answer,
        }
    };
    let completions = shared.topics.completions();
    let expected = count(&completions)?;
    for grade in ladder.grades() {
        let topic = shared.topic(Source::Grade(*grade));
        let found = count(&topic)?;
        if found != expected {
            let completions = completions.clone();
            return Err(Error::Partitions {
                topic: topic.to_string(),
                found,
                completions,
                expected,
            });
        }
    }
    i32::try_from(expected)
        .map_err(|_| Error::from(super::Error::MissingTopic { topic: completions }))
}

/// Splits every queue before anything can be assigned.
fn split_all(
    consumer: &Arc<BaseConsumer<Context>>,
    mut intake: Intake,
    ladder: &Ladder,
    count: i32,
) -> Intake {
    for index in 0..count {
        intake.split(consumer, Partition { source: Source::Completions, index });
        for grade in ladder.grades() {
            intake.split(consumer, Partition { source: Source::Grade(*grade), index });
        }
    }
    intake
}
