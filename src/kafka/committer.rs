//! Commits on a thread of their own: synchronously, because the failures of asynchronous commits
//! are invisible, and one list at a time, so that an older position never follows a newer one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::error::is_kafkas_own;
use crate::{
    engine::{Commit, Epoch},
    model::Partition,
};

/// Lists that may wait. The engine has at most one commit per partition on the way, so a full
/// queue means that the broker does not answer.
const QUEUE: usize = 1_024;

/// A failed list says not which partition failed: what may be refused for its size goes alone.
const LARGE_METADATA: usize = 1_024;

/// After so long without a commit the broker is asked whether it is there.
const PROBE_AFTER: Duration = Duration::from_secs(5);

/// The same, while it is not.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a commit did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The partition is not held now, or under another assignment.
    #[error("the partition is no longer held under that assignment")]
    NotHeld,
    /// The broker takes at most `offset.metadata.max.bytes` of metadata.
    #[error("the commit's metadata is larger than the broker takes")]
    TooLong,
    /// This member was put out of the group.
    #[error("this worker is no longer a member of the group: {0}")]
    Fenced(KafkaError),
    /// It may work later.
    #[error("the broker did not take the commit: {0}")]
    Passing(KafkaError),
}

impl Error {
    /// Whether Kafka said that it takes no commits for now, from nobody.
    pub fn is_kafkas_own(&self) -> bool {
        matches!(self, Self::Passing(error) if is_kafkas_own(error))
    }
}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OffsetMetadataTooLarge) => Self::TooLong,
            Some(RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::FencedInstanceId) => {
                Self::Fenced(error)
            }
            _ => Self::Passing(error),
        }
    }
}

/// The partitions held now; the only proof of ownership.
pub type Held = Arc<Mutex<BTreeMap<Partition, Epoch>>>;

/// What the committer needs of the world.
pub trait Broker: Send + 'static {
    /// Commits synchronously.
    fn commit(&self, positions: &TopicPartitionList) -> Result<(), KafkaError>;
    /// Full name of the partition's topic.
    fn topic(&self, partition: Partition) -> Arc<str>;
    /// Tells what became of a commit; may block for as long as the worker is busy.
    fn committed(&self, commit: Commit, result: Result<(), Error>);
    /// Whether the broker answered the last commit or probe. Asks it when `ask` is set.
    fn health(&self, ask: bool, last: Option<&Error>) -> bool;
}

/// A running committer.
#[derive(Debug, Clone)]
pub struct Committer {
    jobs: SyncSender<Job>,
}

#[derive(Debug)]
enum Job {
    Commit(Vec<Commit>),
    Last(Vec<Commit>, SyncSender<()>),
    Stop,
}

impl Committer {
    /// Starts the thread.
    pub fn start(broker: impl Broker, held: Held) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queue) = sync_channel(QUEUE);
        let work = move || run(&broker, &held, &queue);
        let thread = Builder::new().name("kafka-committer".into()).spawn(work)?;
        Ok((Self { jobs }, thread))
    }

    /// Commits these positions soon; each is answered by `Input::Committed`. Never blocks: gives
    /// them back when too many wait.
    pub fn commit(&self, commits: Vec<Commit>) -> Result<(), Vec<Commit>> {
        match self.jobs.try_send(Job::Commit(commits)) {
            Err(
                TrySendError::Full(Job::Commit(commits))
                | TrySendError::Disconnected(Job::Commit(commits)),
            ) => Err(commits),
            _ => Ok(()),
        }
    }

    /// Commits these positions after all that wait, and returns when the broker has answered or
    /// the deadline has passed. Returns whether it answered.
    pub fn commit_last(&self, commits: Vec<Commit>, deadline: Duration) -> bool {
        if commits.is_empty() {
            return true;
        }
        let (done, wait) = sync_channel(1);
        self.jobs.try_send(Job::Last(commits, done)).is_ok() && wait.recv_timeout(deadline).is_ok()
    }

    /// Ends the thread after what waits.
    pub fn stop(&self) {
        // A full queue ends when the handles are dropped.
        let _ = self.jobs.try_send(Job::Stop);
    }
}

fn run(broker: &impl Broker, held: &Held, queue: &Receiver<Job>) {
    let mut healthy = true;
    // Met behind commits that went together.
    let mut next = None;
    loop {
        let wait = if healthy { PROBE_AFTER } else { PROBE_AGAIN_AFTER };
        let job = next.take().map_or_else(|| queue.recv_timeout(wait), Ok);
        match job {
            Ok(Job::Commit(mut commits)) => {
                next = gather(queue, &mut commits);
                let results = commit_all(broker, held, commits);
                healthy = report(broker, results);
            }
            Ok(Job::Last(commits, done)) => {
                let results = commit_all(broker, held, commits);
                // Nobody waits any more when the deadline has passed.
                let _ = done.try_send(());
                healthy = report(broker, results);
            }
            Err(RecvTimeoutError::Timeout) => healthy = broker.health(true, None),
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Adds the commits that wait behind these; gives the first job that is none. Each request may take a
/// slow broker a second, and a last commit waits for all of them.
fn gather(queue: &Receiver<Job>, commits: &mut Vec<Commit>) -> Option<Job> {
    loop {
        match queue.try_recv() {
            Ok(Job::Commit(more)) => commits.extend(more),
            other => return other.ok(),
        }
    }
}

type Answer = (Commit, Result<(), Error>);

fn report(broker: &impl Broker, results: Vec<Answer>) -> bool {
    let passing = results.iter().filter_map(|(_, result)| result.as_ref().err());
    let trouble = passing.clone().find(|error| matches!(error, Error::Passing(_)));
    let healthy = broker.health(trouble.is_some(), trouble);
    for (commit, result) in results {
        broker.committed(commit, result);
    }
    healthy
}

fn commit_all(broker: &impl Broker, held: &Held, commits: Vec<Commit>) -> Vec<Answer> {
    let mut results = Vec::with_capacity(commits.len());
    let (large, small): (Vec<_>, Vec<_>) =
        commits.into_iter().partition(|commit| commit.metadata.len() > LARGE_METADATA);
    if !small.is_empty() {
        commit_list(broker, held, small, &mut results);
    }
    for commit in large {
        commit_list(broker, held, vec![commit], &mut results);
    }
    results
}

/// Commits what is held of one list. A list that fails because of one entry is tried one by one.
fn commit_list(broker: &impl Broker, held: &Held, list: Vec<Commit>, results: &mut Vec<Answer>) {
    let (ours, gone): (Vec<_>, Vec<_>) = {
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        list.into_iter().partition(|commit| held.get(&commit.partition) == Some(&commit.epoch))
    };
    results.extend(gone.into_iter().map(|commit| (commit, Err(Error::NotHeld))));
    if ours.is_empty() {
        return;
    }
    let result = positions(broker, &ours).and_then(|list| broker.commit(&list));
    match result.map_err(Error::from) {
        Err(Error::TooLong) if ours.len() > 1 => {
            for commit in ours {
                commit_list(broker, held, vec![commit], results);
            }
        }
        result => results.extend(ours.into_iter().map(|commit| (commit, result.clone()))),
    }
}

fn positions(broker: &impl Broker, commits: &[Commit]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for commit in commits {
        let topic = broker.topic(commit.partition);
        let mut entry = list.add_partition(&topic, commit.partition.index);
        entry.set_offset(Offset::Offset(commit.position.0))?;
        entry.set_metadata(&commit.metadata);
    }
    Ok(list)
}

#[cfg(test)]
mod tests;
