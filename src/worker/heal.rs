//! Carries out what the watchdog decides: asks Kafka, builds clients anew, or ends the worker
//! (decision 21 of the design).

use std::{
    future::pending,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Error, Worker,
    stop::LEAVE,
    watchdog::{Client, Fault, Step},
};
use crate::{
    engine::{RouteFailure, RouteId},
    kafka::{answers, producer::Producer},
    model::{Partition, Source, Timestamp},
};

/// A question to Kafka that takes longer is not answered.
const QUESTION: Duration = Duration::from_secs(30);

/// Kafka's answers to questions, at most one for each client, and a producer that waits to be built
/// anew.
pub struct Heal {
    say: mpsc::Sender<(Client, bool)>,
    said: mpsc::Receiver<(Client, bool)>,
    producer_at: Option<Instant>,
}

impl Default for Heal {
    fn default() -> Self {
        let (say, said) = mpsc::channel(2);
        Self { say, said, producer_at: None }
    }
}

impl Heal {
    /// Resolves when Kafka answered, or did not; never when nobody asked.
    pub async fn heard(&mut self) -> (Client, bool) {
        match self.said.recv().await {
            Some(heard) => heard,
            None => pending().await,
        }
    }
}

impl Worker {
    /// Does what the watchdog says, and looks after a producer that failed for good.
    pub(super) fn heal(&mut self, now: Timestamp, step: Step) -> Result<(), Error> {
        if self.stopping.has_begun() {
            return Ok(());
        }
        match step {
            Step::Nothing => {}
            Step::Ask(fault) => self.ask(fault),
            Step::Rebuild(fault) => {
                tracing::error!(%fault, "Kafka answers, so the client is built anew");
                match fault.client() {
                    Client::Consumer => {
                        self.rebuild_consumer(&fault.to_string(), Duration::ZERO, Some(fault));
                    }
                    Client::Producer => self.rebuild_producer(now),
                }
            }
            Step::Exit(fault) => return Err(Error::Unhealed(fault)),
        }
        self.look_after_producer(now)
    }

    pub(super) fn heard(&mut self, client: Client, answers: bool) -> Timestamp {
        self.watch.dog.heard(client, answers);
        self.clock.now()
    }

    /// Lets go of clients that may hang, giving the group a moment to hear of it. Nothing is
    /// committed: what is not yet, is read again.
    pub(super) async fn leave_behind(self) {
        let Self { producer, consumer, inputs, observer, .. } = self;
        drop(inputs);
        producer.leave_behind();
        observer.leave_behind();
        if let Some(consumer) = consumer
            && !consumer.stop(LEAVE / 2).await
        {
            tracing::warn!("the consumer did not leave the group; its session will end");
        }
    }

    fn ask(&mut self, fault: Fault) {
        let (settings, topics) = (self.settings.kafka(), self.topics.clone());
        let first = Partition { source: Source::Completions, index: 0 };
        let partition =
            self.watch.stands_still().or_else(|| self.engine.partitions().first().copied());
        let (answer, heard) = oneshot::channel();
        let client = fault.client();
        let work = move || {
            let answers = match client {
                Client::Consumer => {
                    answers::to_reader(&settings, &topics, partition.unwrap_or(first))
                }
                Client::Producer => answers::to_writer(&settings, &topics),
            };
            let _ = answer.send(answers);
        };
        // A thread of its own: one that hangs keeps nothing from ending. None at all is no answer.
        let _ = std::thread::Builder::new().name("kafka-question".into()).spawn(work);
        let say = self.heal.say.clone();
        tokio::spawn(async move {
            let answers = tokio::time::timeout(QUESTION, heard).await;
            // Nobody listens when the worker has ended.
            let _ = say.send((client, matches!(answers, Ok(Ok(true))))).await;
        });
    }

    fn look_after_producer(&mut self, now: Timestamp) -> Result<(), Error> {
        if let Some(at) = self.heal.producer_at {
            if Instant::now() >= at {
                self.heal.producer_at = None;
                self.rebuild_producer(now);
            }
        } else if self.producer.is_fatal() {
            let Some(pause) = self.watch.dog.failed(Client::Producer) else {
                return Err(Error::Producer);
            };
            tracing::error!("the producer met a fatal error and is built anew");
            self.watch.rebuilding(Client::Producer, Some("it met a fatal error"));
            self.heal.producer_at = Some(Instant::now() + pause);
        }
        Ok(())
    }

    /// A producer that cannot go on is replaced; what it had is sent again.
    fn rebuild_producer(&mut self, now: Timestamp) {
        match Producer::new(&self.settings.kafka()) {
            Ok((producer, delivered)) => {
                std::mem::replace(&mut self.producer, producer).leave_behind();
                self.inputs.delivered = delivered;
                self.endpoints.producer_lost(now);
                self.watch.silence = super::watchdog::silence::Silence::default();
                self.watch.rebuilding(Client::Producer, None);
                for id in self.routes.drain().map(|(id, _)| id).collect::<Vec<RouteId>>() {
                    self.engine.handle_routed(now, id, Err(RouteFailure::Passing));
                }
                self.probe_clock();
            }
            Err(error) => tracing::error!(%error, "the producer cannot be built; trying again"),
        }
        self.watch.dog.rebuilt(Client::Producer);
    }
}
