//! What the world reports, told to the engine.

use std::time::Instant;

use super::{BATCH, Error, Revoking, Worker, attempts::Attempted};
use crate::{
    engine::{Answer, Destination},
    fail_point::{self, Point},
    kafka::{
        committer,
        consumer::{Input, Read},
        producer::{Delivered, SendError},
    },
    merchant::directory::Update,
    model::Timestamp,
};

/// Inputs of the consumer in a turn: what is fresh, and what comes back.
const INPUTS: usize = 2;

/// How long a rebalance may wait for what runs.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(1);

impl Worker {
    /// Takes what the consumer has ready.
    pub(super) fn take_consumer(&mut self, first: Input) -> Result<Timestamp, Error> {
        let now = self.clock.now();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(input) = next {
            self.take_input(now, input)?;
            taken += 1;
            next = (taken < INPUTS).then(|| self.inputs.consumer.try_recv().ok()).flatten();
        }
        Ok(now)
    }

    fn take_input(&mut self, now: Timestamp, input: Input) -> Result<(), Error> {
        // The group has gone on without an answer to a revoke: what it gives now must not be taken
        // for what it took then.
        if matches!(input, Input::Assigned(_) | Input::Revoking { .. } | Input::Lost(_)) {
            self.finish_revoke();
        }
        match input {
            Input::Assigned(assigned) => {
                self.watch.joined();
                self.observer.assigned(&assigned);
                for one in assigned {
                    let metadata = one.metadata.as_deref();
                    let used = self.engine.handle_assigned(
                        now,
                        one.partition,
                        one.epoch,
                        one.start,
                        metadata,
                    );
                    if let Err(ignored) = used {
                        tracing::warn!(partition = %one.partition, %ignored, "a resolved-offset map is not used; its records are read again");
                    }
                    self.watch.released(one.partition);
                    if self.stopping.has_begun() {
                        // A worker that stops takes nothing up; it only gives this back.
                        self.engine.begin_revoke(&[one.partition]);
                    }
                }
            }
            Input::Records(records) => {
                for Read { epoch, record } in records {
                    self.engine.handle_record(now, epoch, record);
                }
            }
            Input::End { partition, epoch, position } => {
                self.engine.handle_position(now, partition, epoch, position);
            }
            Input::Gap { partition, lost } => self.observer.lost(partition, lost),
            Input::Revoking { partitions, reply } => {
                self.engine.begin_revoke(&partitions);
                self.watch.let_go(&partitions);
                let deadline = Instant::now() + DRAIN;
                self.revoking = Some(Revoking { partitions, reply, deadline });
            }
            Input::Lost(partitions) => {
                tracing::warn!(count = partitions.len(), "partitions were lost without a revoke");
                self.engine.handle_lost(&partitions);
                self.watch.let_go(&partitions);
                self.observer.revoked(&partitions);
            }
            Input::Committed { commit, result } => {
                let (position, epoch) = (commit.position.0, commit.epoch.0);
                tracing::debug!(partition = %commit.partition, position, epoch, taken = result.is_ok(), "a commit is answered");
                if let Err(error) = &result {
                    tracing::warn!(partition = %commit.partition, %error, "a commit was refused; it is tried again");
                }
                self.observer.committed(&result);
                let refusal = result.as_ref().err();
                self.watch.kafka_takes_no_commits =
                    refusal.is_some_and(committer::Error::is_kafkas_own);
                self.engine.handle_committed(now, &commit, result.is_ok());
            }
            Input::Held { partition, why } => {
                tracing::error!(%partition, why, "a partition is held");
                self.watch.held(partition, why);
            }
            Input::Trouble(why) => self.watch.kafka(Some(why)),
            Input::Healthy => self.watch.kafka(None),
            Input::Fatal(error) => self.consumer_failed(error)?,
        }
        Ok(())
    }

    /// Takes the broker's answers to routes.
    pub(super) fn take_delivered(&mut self, first: Delivered) -> Timestamp {
        let now = self.clock.now();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(delivered) = next {
            self.take_one_delivered(now, &delivered);
            taken += 1;
            next = (taken < BATCH).then(|| self.inputs.delivered.try_recv().ok()).flatten();
        }
        now
    }

    fn take_one_delivered(&mut self, now: Timestamp, delivered: &Delivered) {
        if let Ok(appended) = &delivered.result {
            self.clock.observe_acknowledged(appended.timestamp, delivered.sent, delivered.received);
        }
        self.endpoints.written(now, delivered);
        let id = crate::engine::RouteId(delivered.token);
        let route = self.routes.remove(&id);
        if delivered.result.as_ref().map_or_else(SendError::is_answer, |_| true) {
            self.watch.silence.answered(delivered.received, !self.routes.is_empty());
        }
        let Some(route) = route else {
            return;
        };
        match &delivered.result {
            Ok(_) => {
                fail_point::reach(Point::RouteAnswered);
                self.observer.routed(&route.to, route.parked);
            }
            Err(failure) => {
                let to = match &route.to {
                    Destination::Grade(grade) => self.topics.grade(*grade),
                    Destination::DeadLetter(_) => self.topics.dead_letters(),
                };
                tracing::warn!(to, ?failure, "the broker did not take a record");
            }
        }
        self.engine.handle_routed(
            now,
            id,
            delivered.result.as_ref().map(drop).map_err(SendError::failure),
        );
    }

    /// Takes the answers of merchants.
    pub(super) fn take_attempted(&mut self, first: Attempted) -> Timestamp {
        let now = self.clock.now();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(attempted) = next {
            self.attempts.release(&attempted);
            if let Answer::Response { status: 200..=299, .. } = attempted.result.answer {
                fail_point::reach(Point::Acknowledged);
            }
            self.engine.handle_attempted(now, attempted.id, attempted.result);
            taken += 1;
            next = (taken < BATCH).then(|| self.inputs.attempted.try_recv().ok()).flatten();
        }
        now
    }

    /// Takes changes of the directory.
    pub(super) fn take_directory(&mut self, first: Update) -> Timestamp {
        let now = self.clock.now();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(update) = next {
            self.endpoints.apply(&mut self.engine, update, now);
            taken += 1;
            next = (taken < BATCH).then(|| self.inputs.directory.try_recv().ok()).flatten();
        }
        self.observer.merchants(self.engine.merchants());
        now
    }
}
