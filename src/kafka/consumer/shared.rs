//! What the consumer's thread, its callbacks, the committer and the handle have in common.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{Input, traffic::Meter};
use crate::{
    clock::Clock,
    kafka::{TopicNames, committer::Held, login::Login},
    model::{Offset, Partition, Source},
};

/// A commit that takes longer is a sign of trouble; one takes milliseconds.
const LATE: Duration = Duration::from_secs(5);

/// Shared by everything that belongs to one consumer.
#[derive(Debug)]
pub struct Shared {
    pub topics: TopicNames,
    pub clock: Clock,
    /// What the client hears about its tokens, for what is said of trouble.
    pub login: Login,
    pub held: Held,
    /// Ends of the logs of what was held when they were last asked for.
    pub ends: Mutex<BTreeMap<Partition, Offset>>,
    pub flags: RwLock<BTreeMap<Partition, Arc<Flags>>>,
    pub traffic: Meter,
    pub inputs: mpsc::Sender<Input>,
    pub stopping: AtomicBool,
    /// Whether the worker has been told that Kafka does not answer.
    pub troubled: AtomicBool,
    /// Since when the broker owes an answer to a commit.
    pub committing: Mutex<Option<Instant>>,
    polled: Mutex<Instant>,
    thread: OnceLock<Thread>,
}

/// What may be set from other threads about one partition's queue.
#[derive(Debug, Default)]
pub struct Flags {
    /// The worker takes records of it.
    pub wanted: AtomicBool,
    /// librdkafka put something in.
    pub ready: AtomicBool,
}

impl Shared {
    pub fn new(
        topics: TopicNames,
        clock: Clock,
        login: Login,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            topics,
            login,
            polled: Mutex::new(clock.instant()),
            clock,
            held: Held::default(),
            ends: Mutex::default(),
            flags: RwLock::default(),
            traffic: Meter::default(),
            inputs,
            stopping: AtomicBool::new(false),
            troubled: AtomicBool::new(false),
            committing: Mutex::new(None),
            thread: OnceLock::new(),
        }
    }

    /// Full name of the partition's topic.
    pub fn topic(&self, source: Source) -> Arc<str> {
        self.topics.of(source)
    }

    /// Makes the calling thread the one that [`Shared::wake`] wakes.
    pub fn adopt_thread(&self) {
        let _ = self.thread.set(std::thread::current());
    }

    /// Ends the rest of the consumer's thread.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub fn flags(&self, partition: Partition) -> Arc<Flags> {
        let mut flags = self.flags.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flags.entry(partition).or_default())
    }

    pub fn want(&self, partition: Partition, wanted: bool) {
        let flags = self.flags.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(flags) = flags.get(&partition) {
            flags.wanted.store(wanted, Ordering::Release);
            flags.ready.store(true, Ordering::Release);
        }
        drop(flags);
        self.wake();
    }

    pub fn polled_at(&self) -> Instant {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn polled(&self) {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.instant();
    }

    /// Hands one thing to the worker, waiting at most `patience` for room. Gives it back when
    /// there is none.
    pub fn send(&self, input: Input, patience: Duration) -> Option<Input> {
        let deadline = self.clock.instant() + patience;
        let mut input = input;
        loop {
            input = match self.inputs.try_send(input) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return None,
                Err(mpsc::error::TrySendError::Full(input)) => input,
            };
            if self.clock.instant() >= deadline {
                return Some(input);
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Tells the worker that Kafka does not answer, each time: the reason may have changed.
    pub fn trouble(&self, why: impl Into<String>) {
        let mut why = why.into();
        // Without a token no broker answers, so that is what has to be mended.
        if let Some(failure) = self.login.failure().map(|failure| failure.to_string())
            && !why.contains(&failure)
        {
            why = format!("{failure} ({why})");
        }
        tracing::warn!(%why, "trouble with Kafka");
        let known = self.troubled.swap(true, Ordering::AcqRel);
        let untold = self.send(Input::Trouble(why), Duration::ZERO).is_some();
        if untold && !known {
            self.troubled.store(false, Ordering::Release);
        }
    }

    /// Notices a commit that is not answered: its thread cannot say so, for it waits.
    pub fn watch_commit(&self, now: Instant) {
        let since = *self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let late = since.is_some_and(|since| now.saturating_duration_since(since) > LATE);
        if late && !self.troubled.load(Ordering::Acquire) {
            self.trouble(format!("a commit is not answered for {} s", LATE.as_secs()));
        }
    }

    /// Tells the worker that Kafka answers again, if it was told otherwise.
    pub fn healthy(&self) {
        self.login.forget();
        if self.troubled.swap(false, Ordering::AcqRel)
            && self.send(Input::Healthy, Duration::ZERO).is_some()
        {
            self.troubled.store(true, Ordering::Release);
        }
    }
}
