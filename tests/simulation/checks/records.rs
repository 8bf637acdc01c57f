//! What must hold for each commit, and for each record that goes to another topic.

use paynotify::{
    engine::{Commit, DeadLetter, DeadReason, Destination, OffsetMap, Route, RouteFailure},
    event::Undecodable,
    model::{Endpoint, Merchant, Offset, Span, State},
};

use crate::{
    directory::{Owed, number, owed},
    faults::Fault,
    plan::CLUSTER,
    worker::ReadKey,
    world::World,
};

impl World {
    /// A commit is asked for.
    pub fn check_commit_command(&mut self, worker: usize, commit: &Commit, last: bool) {
        let process = &self.workers[worker];
        let Commit { partition, epoch, position, metadata } = commit;
        if process.held.get(partition) != Some(epoch) {
            let detail = format!("w{worker} commits {partition}, which it does not hold");
            return self.fail("epoch", detail);
        }
        if !last && process.commits.contains(&(*partition, *epoch)) {
            return self.fail("commit", format!("two commits of {partition} at a time"));
        }
        let Ok(map) = OffsetMap::decode(metadata, CLUSTER, *position) else {
            return self.fail("map", format!("{metadata:?} cannot be read"));
        };
        if map.encode(CLUSTER, *position) != *metadata {
            return self.fail("map", format!("{metadata:?} is written otherwise"));
        }
        let end = map.runs().last().map_or(*position, |(_, end)| *end);
        let from = (*partition, *epoch, Offset(0));
        let reads = process.reads.range(from..(*partition, *epoch, end));
        for ((_, _, offset), read) in reads {
            let covered = offset < position || map.contains(*offset);
            if covered && read.attempting + read.routing > 0 {
                let detail = format!(
                    "w{worker} commits {partition} at {position}, but {offset} is still worked on"
                );
                return self.fail("L3", detail);
            }
        }
    }

    /// A record goes to another topic.
    pub fn note_route(&mut self, worker: usize, key: ReadKey, route: &Route) {
        let now = self.workers[worker].told;
        let read = &self.workers[worker].reads[&key];
        let envelope = &route.envelope;
        let endpoint = envelope.endpoint.as_ref().map(number);
        let ended = read.ended.iter().find(|(one, _)| Some(*one) == endpoint);
        let least = match ended {
            // The flood brake does not count.
            Some((_, number)) if self.plan.settings.flood_brake => number - 1,
            Some((_, number)) => *number,
            None => read.attempts,
        };
        let most = ended.map_or(read.attempts, |(_, number)| *number);
        if !(least..=most).contains(&envelope.attempts) {
            let detail = format!("{} attempts are told of {most}", envelope.attempts);
            self.fail("schedule", detail);
        }
        let read = &self.workers[worker].reads[&key];
        let kind = match (&route.to, read.refused) {
            (Destination::DeadLetter(dead), _) if dead.truncated => "truncated",
            (_, Some(RouteFailure::Passing)) => "again",
            (_, Some(_)) => "detour",
            (Destination::DeadLetter(_), _) => "dead letter",
            (Destination::Grade(grade), _) => {
                let back = now + grade.delay() + Span::from_secs(1);
                if envelope.due.is_some_and(|due| due > back) { "hop" } else { "grade" }
            }
        };
        self.coverage.saw("route", kind);
    }

    /// A record arrives on another topic.
    pub fn check_route(&mut self, route: &Route, event: usize) {
        let truth = &self.ledger.events[event];
        let (envelope, origin) = (&route.envelope, &route.envelope.origin);
        let what = format!("the route of evt_{event} to {:?}", route.to);
        if *route.content != *truth.content {
            return self.fail("L2", format!("{what} has another content"));
        }
        let place = (origin.partition, origin.offset) == (truth.partition.index, truth.offset);
        if route.index != truth.partition.index || !place || envelope.accepted != truth.accepted {
            return self.fail("L6", format!("{what} has other coordinates: {envelope:?}"));
        }
        if let Some(endpoint) = envelope.endpoint.as_ref().map(number)
            && envelope.attempts > truth.attempts[usize::from(endpoint)]
        {
            let made = truth.attempts[usize::from(endpoint)];
            let detail = format!("{what} tells of {} attempts of {made}", envelope.attempts);
            self.fail("schedule", detail);
        }
    }

    /// A delivery is given up for a reason that is true.
    pub fn check_dead_letter(&mut self, route: &Route, dead: &DeadLetter, event: usize) {
        let truth = &self.ledger.events[event];
        let envelope = &route.envelope;
        let endpoint = envelope.endpoint.as_ref().map(number);
        let versions = &self.directory.merchants[truth.merchant];
        let endpoints = || {
            let entries = versions.iter().filter_map(|version| version.entry.as_deref());
            entries.flat_map(|entry| entry.endpoints.iter().map(move |one| (entry, one)))
        };
        let own = || endpoints().filter(|(_, one)| Some(number(&one.id)) == endpoint);
        let is_notify = truth.event.as_ref().is_ok_and(|event| event.notify_url.is_some());
        let disabled = |entry: &Merchant, one: &Endpoint| {
            entry.state == State::Disabled || one.state == State::Disabled || one.disabled.is_some()
        };
        let happened = |fault| self.coverage.faults.contains(&fault);
        // With a clock that runs ahead, its own time counts.
        let waited = (self.now + Span::from_millis(self.clock_error)).since(truth.accepted);
        let good = match dead.reason {
            DeadReason::Undecodable => matches!(truth.event, Err(Undecodable::NoEvent(_))),
            DeadReason::Invalid => {
                matches!(truth.event, Err(Undecodable::Invalid(_)))
                    || (is_notify
                        && truth.event.as_ref().is_ok_and(|event| {
                            versions.iter().any(|version| {
                                owed(version.entry.as_deref(), event) == Owed::NotAllowed
                            })
                        }))
            }
            DeadReason::UnknownMerchant => {
                waited >= self.plan.settings.unknown_merchant_grace
                    && versions.iter().any(|version| version.entry.is_none())
            }
            DeadReason::EndpointRemoved => versions.iter().any(|version| {
                version.entry.as_deref().is_some_and(|entry| {
                    !entry.endpoints.iter().any(|one| Some(number(&one.id)) == endpoint)
                }) && !is_notify
                    || version.entry.as_deref().is_some_and(|entry| entry.endpoints.is_empty())
            }),
            DeadReason::Disabled => {
                own().any(|(entry, one)| disabled(entry, one))
                    || (is_notify && endpoints().any(|(entry, one)| disabled(entry, one)))
            }
            DeadReason::Exhausted => {
                let least = if is_notify {
                    endpoints().map(|(_, one)| one.policy.intervals.len()).min()
                } else {
                    own().map(|(_, one)| one.policy.intervals.len()).min()
                };
                least.is_some_and(|least| envelope.attempts as usize > least)
            }
            DeadReason::Expired => envelope.attempts > 0 && envelope.first_attempt.is_some(),
            DeadReason::AddressDenied => {
                envelope.last_reason.as_deref() == Some("address_denied") && envelope.attempts > 0
            }
            DeadReason::TooLarge => truth.large,
            DeadReason::System => happened(Fault::GradeRefused) || happened(Fault::LadderRefused),
            DeadReason::Refused => false,
        };
        if !good || (dead.truncated && !truth.large) {
            let detail = format!(
                "evt_{event} for {endpoint:?} is given up as {:?}: {}; {envelope:?}",
                dead.reason, dead.message
            );
            self.fail("L6", detail);
        }
    }
}
