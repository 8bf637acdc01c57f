//! A consumer that does not do its work, or failed for good, is built anew; when that does not help,
//! the worker ends, so that somebody notices (decision 21 of the design).

use std::{future::pending, io, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Error, Worker,
    stop::LEAVE,
    watchdog::{Client, Fault},
};
use crate::{
    kafka::{
        self, answers,
        consumer::{self, Consumer, ConsumerHandle, Input},
    },
    model::{Partition, Source, Timestamp},
};

/// Pauses between tries while Kafka is away; doubled up to the longest.
const AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(10);

type Joined = Result<(ConsumerHandle, mpsc::Receiver<Input>), Failed>;

/// Why there is no new consumer.
pub enum Failed {
    /// It does not start.
    Start(consumer::Error),
    /// The old one does not let go of its partitions, though Kafka answers.
    NotEnding(Fault),
}

/// Rebuilds of the consumer.
#[derive(Default)]
pub struct Rejoin {
    running: Option<JoinHandle<Joined>>,
}

impl Rejoin {
    /// Resolves when a rebuild that runs has ended; never when none runs.
    pub async fn finished(&mut self) -> Joined {
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let joined = running.await;
        self.running = None;
        joined.unwrap_or_else(|error| Err(Failed::Start(no_thread(error))))
    }
}

impl Drop for Rejoin {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl Worker {
    /// The consumer cannot go on.
    pub(super) fn consumer_failed(&mut self, error: consumer::Error) -> Result<(), Error> {
        if !error.is_curable() || self.stopping.has_begun() {
            return Err(Error::Consumer(error));
        }
        let Some(pause) = self.watch.dog.failed(Client::Consumer) else {
            return Err(Error::Consumer(error));
        };
        tracing::error!(%error, "the consumer is built anew");
        self.rebuild_consumer(&error.to_string(), pause, None);
        Ok(())
    }

    /// Forgets what the consumer held, which is read again, and builds a new one. For a fault the old
    /// one must end first: it is a living member and may keep its partitions.
    pub(super) fn rebuild_consumer(&mut self, why: &str, pause: Duration, fault: Option<Fault>) {
        self.watch.rebuilding(Client::Consumer, Some(why));
        let held = self.engine.partitions();
        self.engine.handle_lost(&held);
        self.revoking = None;
        // What the old one still says must not be taken for the new one's word, and without anybody
        // who listens it ends.
        self.inputs.consumer = mpsc::channel(1).1;
        let old = self.consumer.take();
        let (settings, topics) = (self.settings.kafka(), self.topics.clone());
        let decode = self.settings.decoder();
        let ladder = self.grades_read.clone();
        let (first, clock) = (self.settings.first_start, self.clock.clone());
        let asked = held.first().copied();
        let asked = asked.unwrap_or(Partition { source: Source::Completions, index: 0 });
        self.rejoin.running = Some(tokio::spawn(async move {
            let stopped = old.map(|old| tokio::spawn(old.stop(LEAVE)));
            // One that failed for good is no member any more.
            if let (Some(stopped), Some(fault)) = (stopped, fault)
                && !matches!(stopped.await, Ok(true))
            {
                let (settings, topics) = (settings.clone(), topics.clone());
                let ask = move || answers::to_reader(&settings, &topics, asked);
                if tokio::task::spawn_blocking(ask).await.unwrap_or(false) {
                    return Err(Failed::NotEnding(fault));
                }
            }
            tokio::time::sleep(pause).await;
            let mut away = AWAY;
            loop {
                let (settings, topics) = (settings.clone(), topics.clone());
                let (ladder, clock, decode) = (ladder.clone(), clock.clone(), Arc::clone(&decode));
                let start =
                    move || Consumer::start(&settings, topics, &ladder, first, clock, decode);
                let started = tokio::task::spawn_blocking(start).await;
                match started.unwrap_or_else(|error| Err(no_thread(error))) {
                    // Kafka being away is never a reason to give up.
                    Err(error) if error.is_away() => {
                        tracing::warn!(%error, "the consumer cannot be built yet");
                    }
                    started => return started.map_err(Failed::Start),
                }
                tokio::time::sleep(away).await;
                away = (away * 2).min(LONGEST_AWAY);
            }
        }));
    }

    /// A rebuild has ended.
    pub(super) fn rejoined(&mut self, joined: Joined) -> Result<Timestamp, Error> {
        match joined {
            Ok((consumer, _)) if self.stopping.has_begun() => {
                tokio::spawn(consumer.stop(LEAVE));
            }
            Ok((consumer, inputs)) => {
                tracing::info!("the consumer is back");
                self.consumer = Some(consumer);
                self.inputs.consumer = inputs;
                self.watch.dog.rebuilt(Client::Consumer);
                self.watch.rebuilding(Client::Consumer, None);
                self.watch.kafka(None);
            }
            Err(Failed::Start(error)) => self.consumer_failed(error)?,
            Err(Failed::NotEnding(fault)) => return Err(Error::Unhealed(fault)),
        }
        Ok(self.clock.now())
    }
}

fn no_thread(error: tokio::task::JoinError) -> consumer::Error {
    let source = io::Error::other(error);
    kafka::Error::Thread { name: "kafka-consumer", source }.into()
}
