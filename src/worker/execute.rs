//! The engine's commands, carried out. Nothing here waits.

use std::time::Instant;

use bytes::Bytes;

use super::{Outstanding, Worker, attempts::MakeAttempt};
use crate::{
    clock::Clock,
    engine::{
        Attempt, AttemptResult, Command, Commit, DeliveryOutcome, Destination, Report, Route,
    },
    envelope,
    fail_point::{self, Point},
    kafka::producer::Outgoing,
    merchant::client::{Client, Deadline},
    model::Timestamp,
};

/// Attempts over HTTP, one after the other.
pub struct Http {
    client: Client,
    clock: Clock,
    deadline: Deadline,
}

impl Http {
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, deadline: Deadline::default() }
    }
}

impl Clone for Http {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.clock.clone())
    }
}

impl MakeAttempt for Http {
    async fn attempt(&mut self, attempt: &Attempt) -> AttemptResult {
        let Attempt { endpoint, event, number, content, .. } = attempt;
        let Self { client, clock, deadline } = self;
        let now = || clock.now();
        client.attempt_within(deadline, endpoint, event, *number, &content.headers, now).await
    }
}

impl Worker {
    /// Does everything that the engine wants now.
    pub(super) fn execute_commands(&mut self) {
        let now = self.clock.now();
        let mut commits = Vec::new();
        let mut parked = false;
        while let Some(command) = self.engine.poll_command(now) {
            match command {
                Command::Attempt(attempt) => self.attempts.start(attempt),
                Command::Route(route) => self.route(now, *route, std::mem::take(&mut parked)),
                Command::Commit(commit) => commits.push(commit),
                Command::Pause(partition) => self.want(partition, false),
                Command::Resume(partition) => self.want(partition, true),
                Command::Report(report) => {
                    // A parking is reported just before its route.
                    parked = matches!(&report, Report::Delivery(one) if one.outcome == DeliveryOutcome::Parked);
                    if let Report::Delivery(report) = &report {
                        self.note_health(report, now);
                    }
                    self.observer.report(report);
                }
            }
        }
        self.commit(now, commits);
    }

    fn want(&self, partition: crate::model::Partition, wanted: bool) {
        if let Some(consumer) = &self.consumer {
            consumer.want(partition, wanted);
        }
    }

    fn route(&mut self, now: Timestamp, route: Route, parked: bool) {
        let (topic, headers, value) = self.written(&route);
        let outgoing = Outgoing {
            token: route.id.0,
            topic: &topic,
            partition: Some(route.index),
            key: route.content.key.as_deref(),
            value: value.as_deref(),
            headers,
        };
        match self.producer.send(&outgoing) {
            Ok(()) => {
                let since = Instant::now();
                self.watch.silence.sent(since);
                self.routes.insert(route.id, Outstanding { to: route.to, parked, since });
                fail_point::reach(Point::RouteSent);
            }
            Err(error) => {
                tracing::warn!(topic, %error, "a record cannot be sent now; it is tried again");
                self.engine.handle_routed(now, route.id, Err(error.failure()));
            }
        }
    }

    fn written(&self, route: &Route) -> (String, Vec<(String, Bytes)>, Option<Bytes>) {
        let mut headers = route.content.headers.clone();
        let value = route.content.value.clone();
        match &route.to {
            Destination::Grade(grade) => {
                headers.extend(route.envelope.write());
                (self.topics.grade(*grade), headers, value)
            }
            Destination::DeadLetter(dead) => {
                let group = &self.settings.config.kafka.group;
                headers.extend(envelope::dead_letter_headers(&route.envelope, dead, group));
                (self.topics.dead_letters(), headers, value.filter(|_| !dead.truncated))
            }
        }
    }

    fn commit(&mut self, now: Timestamp, commits: Vec<Commit>) {
        if commits.is_empty() {
            return;
        }
        let refused = match &self.consumer {
            Some(consumer) => consumer.commit(commits).err().unwrap_or_default(),
            None => commits,
        };
        for commit in refused {
            self.engine.handle_committed(now, &commit, false);
        }
    }
}
