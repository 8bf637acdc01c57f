//! The broker of a simulated world: it keeps what it acknowledged, and what it lets go is safe.

use std::sync::Arc;

use super::{super::scenario::*, Kept, Owed, World, entry, id_of};
use crate::{engine::*, envelope::Envelope, model::*};

impl World {
    pub fn publish(&mut self) {
        let merchant = i32::try_from(self.dice.roll(4)).unwrap();
        let partition = completions(merchant % 2);
        let offset = self.end_of(partition);
        self.published += 1;
        let event = Event {
            id: EventId::parse(&format!("evt_{}", self.published)).unwrap(),
            kind: EventType::parse("payment.completed").unwrap(),
            happened: self.now,
            merchant: MerchantId::parse(&id_of(merchant)).unwrap(),
            resource: None,
            notify_url: None,
            body: bytes::Bytes::from_static(b"{}"),
        };
        let envelope = fresh_envelope(self.now, partition, offset);
        self.append(partition, Arc::new(event), envelope);
    }

    pub fn append(&mut self, partition: Partition, event: Arc<Event>, envelope: Envelope) {
        // Control records take offsets too.
        let gap = i64::from(self.dice.one_in(5));
        let offset = Offset(self.end_of(partition).0 + gap);
        let appended = self.now;
        let kept = Kept { offset, appended, event, envelope, covered: false };
        self.logs.get_mut(&partition).unwrap().push(kept);
    }

    pub fn end_of(&self, partition: Partition) -> Offset {
        self.logs[&partition].last().map_or(Offset(0), |last| last.offset.next())
    }

    pub fn keep(&mut self, route: &Route) {
        let (partition, offset) = (route.envelope.origin.partition, route.envelope.origin.offset);
        let origin = &self.logs[&completions(partition)];
        let at = origin.iter().position(|kept| kept.envelope.origin.offset == offset).unwrap();
        let event = Arc::clone(&origin[at].event);
        assert_eq!(partition, route.index, "a route keeps its partition number");
        match &route.to {
            Destination::Grade(grade) => {
                let partition = Partition { source: Source::Grade(*grade), index: route.index };
                self.append(partition, event, route.envelope.clone());
            }
            Destination::DeadLetter(_) => self.done.extend(match &route.envelope.endpoint {
                Some(endpoint) => vec![owed(&event, endpoint)],
                None => all_owed(&event),
            }),
        }
    }

    /// The broker takes a commit; then everything below it must be safe elsewhere.
    pub fn accept(&mut self, commit: &Commit) {
        let Commit { partition, position, metadata, .. } = commit;
        let before = self.commits.insert(*partition, (*position, metadata.clone())).unwrap();
        assert!(before.0 <= *position, "{partition} went back from {} to {position}", before.0);
        let map = OffsetMap::decode(metadata, "test-cluster", *position).unwrap();
        let mut news = Vec::new();
        for kept in self.logs.get_mut(partition).unwrap() {
            let covered = kept.offset < *position || map.contains(kept.offset);
            if covered && !kept.covered {
                news.extend(match &kept.envelope.endpoint {
                    Some(endpoint) => vec![owed(&kept.event, endpoint)],
                    None => all_owed(&kept.event),
                });
            }
            assert!(covered || !kept.covered, "the map forgot {partition} {}", kept.offset);
            kept.covered = covered;
        }
        for owed in news {
            assert!(self.is_safe(&owed), "{owed:?} is lost by the commit {commit:?}");
        }
    }

    pub fn is_safe(&self, owed: &Owed) -> bool {
        self.done.contains(owed)
            || self.logs.values().flatten().any(|kept| {
                let endpoint = kept.envelope.endpoint.as_ref();
                !kept.covered
                    && kept.event.id.as_str() == owed.0
                    && endpoint.is_none_or(|endpoint| endpoint.as_str() == owed.1)
            })
    }

    pub fn answer_commit(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let commit = self.asked.remove(0);
        let held = self.reading.get(&commit.partition).map(|reading| reading.0);
        let accepted = held == Some(commit.epoch) && (self.healed || !self.dice.one_in(5));
        if accepted {
            self.accept(&commit);
        }
        self.engine.handle_committed(self.now, &commit, accepted);
    }

    pub fn answer_route(&mut self) {
        if self.routes.is_empty() {
            return;
        }
        let route = self.routes.remove(0);
        let failure = match self.dice.roll(if self.healed { 1 } else { 30 }) {
            1 => Some(RouteFailure::TooLarge),
            2 => Some(RouteFailure::Refused),
            3..6 => Some(RouteFailure::Passing),
            _ => None,
        };
        // An answer may get lost on the way: the record is there all the same.
        if failure.is_none() || failure == Some(RouteFailure::Passing) && self.dice.one_in(3) {
            self.keep(&route);
        }
        self.engine.handle_routed(self.now, route.id, failure.map_or(Ok(()), Err));
    }
}

pub fn owed(event: &Event, endpoint: &EndpointId) -> Owed {
    (event.id.as_str().to_owned(), endpoint.as_str().to_owned())
}

pub fn all_owed(event: &Event) -> Vec<Owed> {
    let merchant = event.merchant.as_str()[1..].parse().unwrap();
    entry(merchant, State::Active).endpoints.iter().map(|one| owed(event, &one.id)).collect()
}
