//! Asks where partitions begin, on a thread of its own: those that stay are read meanwhile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use rdkafka::{consumer::BaseConsumer, error::KafkaError};

use super::{
    Error,
    context::Context,
    shared::Shared,
    start::{self, Committed},
};
use crate::{
    fail_point::{self, Point},
    kafka::{
        self,
        position::{FirstStart, History, Log},
    },
    model::{Offset, Partition},
};

/// Partitions that are to begin, and what a group without a commit is asked for.
#[derive(Debug)]
pub struct Question {
    pub beginning: Vec<Partition>,
    /// Every partition that there is.
    pub all: Vec<Partition>,
    pub first_start: Option<FirstStart>,
}

/// What the start positions are decided from.
#[derive(Debug)]
pub struct Found {
    pub commits: BTreeMap<Partition, Committed>,
    pub logs: BTreeMap<Partition, Log>,
    /// What the group did before …
    pub history: History,
    /// … and where a new one begins, on every partition. Not yet committed: only who still holds
    /// partitions when the answer is there may do that.
    pub first: BTreeMap<Partition, Offset>,
}

/// A question that is on its way to the brokers.
#[derive(Debug)]
pub struct Lookup {
    answer: Receiver<Result<Found, KafkaError>>,
    thread: JoinHandle<()>,
    /// The group has given or taken partitions since: what was committed may have changed.
    pub outdated: bool,
}

impl Lookup {
    /// Asks; the consumer's thread is woken when there is an answer.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn begin(
        question: Question,
        consumer: &Arc<BaseConsumer<Context>>,
        shared: &Arc<Shared>,
    ) -> Result<Self, Error> {
        let (consumer, shared) = (Arc::clone(consumer), Arc::clone(shared));
        let (sender, answer) = sync_channel(1);
        let work = move || {
            let found = ask(&question, &consumer, &shared);
            // The client is let go before anybody can know that this is done.
            drop(consumer);
            let _ = sender.try_send(found);
            shared.wake();
        };
        let name = "kafka-positions";
        let thread = Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(|source| kafka::Error::Thread { name, source })?;
        Ok(Self { answer, thread, outdated: false })
    }

    /// The answer, once there is one.
    pub fn answer(&self) -> Option<Result<Found, KafkaError>> {
        match self.answer.try_recv() {
            Ok(found) => Some(found),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(KafkaError::Canceled)),
        }
    }

    /// Waits until nothing is asked any more.
    pub fn end(self) {
        let _ = self.thread.join();
    }
}

fn ask(
    question: &Question,
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
) -> Result<Found, KafkaError> {
    let Question { beginning, all, first_start } = question;
    fail_point::reach(Point::Assigned);
    let commits = start::committed(consumer, shared, beginning)?;
    fail_point::reach(Point::Positioned);
    let logs = start::logs(consumer, shared, beginning)?;
    let complete = beginning.iter().all(|partition| commits.contains_key(partition));
    let (history, first) = if complete {
        (History::Commits, BTreeMap::new())
    } else {
        history(consumer, shared, all, *first_start)?
    };
    Ok(Found { commits, logs, history, first })
}

/// What the group did before, and where a new group begins.
fn history(
    consumer: &BaseConsumer<Context>,
    shared: &Shared,
    all: &[Partition],
    first_start: Option<FirstStart>,
) -> Result<(History, BTreeMap<Partition, Offset>), KafkaError> {
    if !start::committed(consumer, shared, all)?.is_empty() {
        return Ok((History::Commits, BTreeMap::new()));
    }
    let logs = start::logs(consumer, shared, all)?;
    let nothing = logs.values().all(|log| log.start == log.end);
    let (history, first) = match (nothing, first_start) {
        (true, _) => (History::NothingYet, FirstStart::Earliest),
        (false, Some(first)) => (History::Unknown, first),
        (false, None) => return Ok((History::Unknown, BTreeMap::new())),
    };
    Ok((history, start::first_offsets(consumer, shared, &logs, first)?))
}
