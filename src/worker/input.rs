//! What the world reports, told to the engine.

use std::{sync::Arc, time::Instant};

use super::{BATCH, Error, Revoking, Worker, attempts::Attempted};
use crate::{
    engine::{Answer, Content, Destination, Record},
    envelope::Envelope,
    event,
    fail_point::{self, Point},
    kafka::{
        committer,
        consumer::{Input, RawRecord},
        producer::{Delivered, SendError},
    },
    merchant::directory::Update,
    model::{Coordinates, Source, Timestamp},
};

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
            next = (taken < 4).then(|| self.inputs.consumer.try_recv().ok()).flatten();
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
                for record in records {
                    self.take_record(now, record);
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

    fn take_record(&mut self, now: Timestamp, raw: RawRecord) {
        let epoch = raw.epoch;
        let record = self.decode(raw);
        self.engine.handle_record(now, epoch, record);
    }

    /// Reads our headers where we wrote them, and only there: whoever may publish must not steer.
    fn decode(&self, raw: RawRecord) -> Record {
        let origin = || Coordinates {
            topic: self.topics.of(raw.partition.source),
            partition: raw.partition.index,
            offset: raw.offset,
        };
        let (envelope, headers, broken) = match raw.partition.source {
            Source::Completions => {
                (Envelope::fresh(raw.appended, origin()), event::strip_ours(raw.headers), None)
            }
            Source::Grade(_) => match Envelope::read(raw.headers) {
                Ok((envelope, headers)) => (envelope, headers, None),
                Err(error) => (Envelope::fresh(raw.appended, origin()), Vec::new(), Some(error)),
            },
        };
        let event = match broken {
            Some(error) => Err(event::Undecodable::NoEvent(error.to_string())),
            None => event::decode_within(
                self.settings.config.events.max_bytes.as_usize(),
                raw.key.as_deref(),
                raw.value.as_ref(),
                &headers,
                raw.appended,
            )
            .map(Arc::new),
        };
        let content = Arc::new(Content { key: raw.key, value: raw.value, headers });
        Record {
            partition: raw.partition,
            offset: raw.offset,
            appended: raw.appended,
            content,
            envelope,
            event,
        }
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
