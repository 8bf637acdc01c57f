//! Writes records for short commands: waits while too many are on their way, and tells what became
//! of each.

use tokio::sync::mpsc;

use crate::{
    config::Config,
    kafka::{
        Error,
        producer::{Appended, Delivered, Outgoing, Producer, SendError},
    },
};

/// Records on their way at a time: each may be as large as an event.
const IN_FLIGHT: usize = 500;

/// A producer for one command.
pub(super) struct Writer<T: Send + Sync + 'static> {
    producer: Producer<T>,
    answers: mpsc::Receiver<Delivered<T>>,
    in_flight: usize,
    outcomes: Vec<Outcome<T>>,
}

/// What became of the record with this token.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub(super) token: T,
    pub(super) result: Result<Appended, SendError>,
}

impl<T: Clone + Send + Sync + 'static> Writer<T> {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let (producer, answers) = Producer::new(&config.kafka.client_settings())?;
        Ok(Self { producer, answers, in_flight: 0, outcomes: Vec::new() })
    }

    /// Hands a record over; it will have an outcome.
    pub(super) fn send(&mut self, outgoing: &Outgoing<'_, T>) {
        self.wait_below(IN_FLIGHT);
        match self.producer.send(outgoing) {
            Ok(()) => self.in_flight += 1,
            Err(error) => {
                self.outcomes.push(Outcome { token: outgoing.token.clone(), result: Err(error) });
            }
        }
    }

    /// Waits until every record has its outcome.
    pub(super) fn finish(&mut self) {
        self.wait_below(1);
    }

    /// The outcomes since the last call.
    pub(super) fn take(&mut self) -> Vec<Outcome<T>> {
        while let Ok(answer) = self.answers.try_recv() {
            self.answered(answer);
        }
        std::mem::take(&mut self.outcomes)
    }

    /// The client answers every record within `message.timeout.ms`, so this ends.
    fn wait_below(&mut self, limit: usize) {
        while self.in_flight >= limit {
            let Some(answer) = self.answers.blocking_recv() else { return };
            self.answered(answer);
        }
    }

    fn answered(&mut self, Delivered { token, result, .. }: Delivered<T>) {
        self.in_flight -= 1;
        self.outcomes.push(Outcome { token, result });
    }
}
