//! The model of a broker: logs that only grow, commits with metadata, routes that may fail, arrive, or
//! arrive without an answer.

use std::{collections::BTreeMap, sync::Arc};

use paynotify::{
    engine::{Commit, Destination, OffsetMap, Route, RouteFailure},
    envelope::{DeadLetterView, Envelope, dead_letter_headers},
    model::{Header, Offset, Partition, Source, Span, Timestamp},
};

use super::{
    directory::number,
    faults::Fault,
    ledger::Carrier,
    plan::{CLUSTER, Plan},
    story::tell,
    world::{Input, What, World},
};

/// Each lost answer leaves one more record; where all were lost they would grow without bound.
const MOST_ANSWERS_LOST: u64 = 100;

/// A record of a log.
#[derive(Debug)]
pub struct Kept {
    pub offset: Offset,
    pub appended: Timestamp,
    /// Number of the event that it carries, and which of the event's carriers it is.
    pub event: usize,
    pub carrier: usize,
    pub envelope: Option<Envelope>,
    /// Every header as it lies in the log, where records pass through them.
    pub headers: Option<Vec<Header>>,
    pub deleted: bool,
}

/// The log of a partition and what the group committed for it.
#[derive(Debug, Default)]
pub struct Log {
    pub records: Vec<Kept>,
    pub start: Offset,
    pub end: Offset,
    pub commit: Offset,
    pub metadata: String,
    /// Everything before this place is covered.
    covered_to: usize,
    /// Everything from this place on was never covered.
    covered_end: usize,
}

/// Every log.
#[derive(Debug)]
pub struct Broker {
    pub logs: BTreeMap<Partition, Log>,
    sources: Vec<Source>,
}

impl Broker {
    /// Empty logs, each with a commit at its beginning.
    pub fn new(plan: &Plan) -> Self {
        let grades = plan.settings.ladder.grades().iter().map(|grade| Source::Grade(*grade));
        let sources: Vec<_> = std::iter::once(Source::Completions).chain(grades).collect();
        let partitions = (0..plan.indexes).flat_map(|index| {
            sources.iter().map(move |source| Partition { source: *source, index })
        });
        let logs = partitions.map(|partition| (partition, Log::default())).collect();
        Self { logs, sources }
    }

    /// Completions and every grade of an index.
    pub fn of_index(&self, index: i32) -> Vec<Partition> {
        self.sources.iter().map(|source| Partition { source: *source, index }).collect()
    }

    /// The log of a partition.
    pub fn log(&mut self, partition: Partition) -> &mut Log {
        self.logs.get_mut(&partition).unwrap()
    }
}

impl Log {
    /// The place of the first record at or after an offset.
    pub fn place(&self, offset: Offset) -> usize {
        self.records.partition_point(|kept| kept.offset < offset)
    }

    /// One past the last record that is data.
    pub fn data_end(&self) -> Offset {
        self.records.last().map_or(Offset(0), |last| last.offset.next())
    }
}

impl World {
    /// Appends a record and tells whoever reads there.
    pub fn append(
        &mut self,
        partition: Partition,
        event: usize,
        envelope: Option<Envelope>,
        headers: Option<Vec<Header>>,
    ) -> Offset {
        let gap = self.plan.control_records && self.dice.broker.one_in(5);
        let trailing = self.plan.control_records && self.dice.broker.one_in(5);
        let appended = self.now;
        let endpoint = envelope.as_ref().and_then(|one| one.endpoint.as_ref()).map(number);
        let log = self.broker.log(partition);
        let offset = Offset(log.end.0 + i64::from(gap));
        let truth = &mut self.ledger.events[event];
        let carrier = truth.carriers.len();
        truth.carriers.push(Carrier { partition, offset, endpoint, covered: false });
        self.ledger.open += usize::from(!truth.lost);
        log.records.push(Kept {
            offset,
            appended,
            event,
            carrier,
            envelope,
            headers,
            deleted: false,
        });
        log.end = Offset(offset.0 + 1 + i64::from(trailing));
        self.kick_readers(partition);
        offset
    }

    /// A route arrives at the broker.
    pub fn produce(&mut self, worker: usize, life: u32, route: Box<Route>, event: usize) {
        let dead = self.workers[worker].life != life;
        if !dead && self.is_stopped(worker) && self.dice.broker.one_in(2) {
            // It was still in the client's buffer.
            let until = self.workers[worker].busy_until;
            return self.schedule(until, What::Produce { worker, life, route, event });
        }
        if dead && self.dice.broker.one_in(2) {
            tell!(self, "route {} of w{worker} dies with it", route.id.0);
            return;
        }
        let (arrives, result) = self.fate(&route, event);
        if arrives {
            self.keep(worker, &route, event);
            if result.is_err() {
                self.coverage.saw("route failure", "answer lost");
                self.ledger.excuse_copy(event, route.envelope.endpoint.as_ref().map(number));
            }
        }
        if dead {
            return;
        }
        if let Err(failure) = result {
            self.coverage.saw(
                "route failure",
                match failure {
                    RouteFailure::Passing => "passing",
                    RouteFailure::Refused => "refused",
                    RouteFailure::TooLarge => "too large",
                },
            );
        }
        let id = route.id;
        tell!(self, "route {} of w{worker}: {result:?}, arrived: {arrives}", id.0);
        let way = self.way();
        let wait = if result == Err(RouteFailure::Passing) { 1_000 } else { 0 };
        let input = Input::Routed { id, result };
        let at = self.now + way + Span::from_millis(wait) + self.broker_delay();
        self.schedule(at, What::Input { worker, life, input });
    }

    fn broker_delay(&mut self) -> Span {
        if self.is_on(Fault::BrokerSlow) {
            Span::from_millis(self.dice.broker.below(4_000))
        } else {
            Span::ZERO
        }
    }

    /// Whether the record arrives, and what the producer is told.
    fn fate(&mut self, route: &Route, event: usize) -> (bool, Result<(), RouteFailure>) {
        let large = self.ledger.events[event].large;
        let refused = match &route.to {
            Destination::Grade(grade) => {
                self.is_on(Fault::LadderRefused)
                    || (self.is_on(Fault::GradeRefused) && self.refused_grade == Some(*grade))
            }
            Destination::DeadLetter(_) => self.is_on(Fault::DeadLettersRefused),
        };
        let too_large = match &route.to {
            Destination::Grade(_) => large,
            Destination::DeadLetter(dead) => large && !dead.truncated,
        };
        if self.is_on(Fault::BrokerDown) {
            return (self.dice.broker.one_in(4), Err(RouteFailure::Passing));
        }
        if self.is_on(Fault::ProduceFails) && self.dice.broker.percent(70) {
            return (false, Err(RouteFailure::Passing));
        }
        if refused {
            return (false, Err(RouteFailure::Refused));
        }
        if too_large {
            return (false, Err(RouteFailure::TooLarge));
        }
        let lost = self.is_on(Fault::AnswerLost)
            && self.answers_lost < MOST_ANSWERS_LOST
            && self.dice.broker.percent(50);
        self.answers_lost += u64::from(lost);
        (true, if lost { Err(RouteFailure::Passing) } else { Ok(()) })
    }

    /// The broker has the record.
    fn keep(&mut self, worker: usize, route: &Route, event: usize) {
        self.check_route(route, event);
        self.note_appended(worker, route);
        match &route.to {
            Destination::Grade(grade) => {
                let partition = Partition { source: Source::Grade(*grade), index: route.index };
                let headers = self.plan.wire.then(|| {
                    let mut headers = route.content.headers.clone();
                    headers.extend(route.envelope.write());
                    headers
                });
                self.append(partition, event, Some(route.envelope.clone()), headers);
            }
            Destination::DeadLetter(dead) => {
                if self.plan.wire {
                    let mut headers = route.content.headers.clone();
                    headers.extend(dead_letter_headers(&route.envelope, dead, "group"));
                    self.check_dead_letter_headers(route, headers);
                }
                let endpoint = route.envelope.endpoint.as_ref().map(number);
                self.coverage.saw("dead", dead.reason.as_str());
                self.check_dead_letter(route, dead, event);
                tell!(self, "evt_{event} {endpoint:?} is a dead letter: {}", dead.reason.as_str());
                self.ledger.events[event].dead.push(endpoint);
            }
        }
    }

    fn check_dead_letter_headers(&mut self, route: &Route, headers: Vec<Header>) {
        match DeadLetterView::read(headers) {
            Ok(view) => {
                if view.envelope != route.envelope || view.headers != route.content.headers {
                    self.fail("L6", format!("headers read back as {view:?}"));
                }
            }
            Err(error) => self.fail("L6", format!("headers of a dead letter: {error}")),
        }
    }

    /// The committer takes a commit from its queue.
    pub fn commit_sent(&mut self, worker: usize, life: u32) {
        if self.workers[worker].life != life {
            return;
        }
        if self.is_stopped(worker) && self.workers[worker].frozen {
            let until = self.workers[worker].busy_until;
            return self.schedule(until, What::CommitSent { worker, life });
        }
        let process = &mut self.workers[worker];
        let Some((commit, last)) = process.commit_queue.pop_front() else {
            process.committing = false;
            return;
        };
        let held = process.held.get(&commit.partition) == Some(&commit.epoch);
        let Some((member, generation)) = process.member.filter(|_| held) else {
            self.coverage.saw("commit", "not held");
            return self.commit_answered(worker, life, commit, last, false);
        };
        let at = self.now + self.way() + self.broker_delay();
        self.schedule(at, What::CommitArrives { worker, life, member, generation, commit, last });
    }

    /// The broker gets a commit.
    pub fn commit_arrives(
        &mut self,
        worker: usize,
        life: u32,
        (member, generation): (u32, u32),
        commit: Commit,
        last: bool,
    ) {
        let fenced = !self.group.is_current(member, generation);
        if !self.group.members.contains_key(&member) {
            self.coverage.saw("zombie", "commit");
        }
        let down = self.is_on(Fault::BrokerDown);
        let refuses = down || (self.is_on(Fault::CommitRefused) && self.dice.broker.percent(60));
        if fenced {
            self.coverage.saw("commit", "fenced");
            tell!(self, "commit of w{worker} is fenced: {} {}", commit.partition, commit.position);
        } else if refuses {
            self.coverage.saw("commit", "refused");
        } else {
            self.accept(worker, &commit, last);
        }
        let unheard = self.is_on(Fault::CommitAnswerLost) && self.dice.broker.percent(50);
        self.answer_commit(worker, life, commit, last, !fenced && !refuses && !unheard);
    }

    fn answer_commit(&mut self, worker: usize, life: u32, commit: Commit, last: bool, taken: bool) {
        self.soon(What::CommitAnswered { worker, life, commit, last, taken });
    }

    /// The committer has its answer and goes on.
    pub fn commit_answered(
        &mut self,
        worker: usize,
        life: u32,
        commit: Commit,
        last: bool,
        taken: bool,
    ) {
        if self.workers[worker].life != life {
            return;
        }
        if self.is_stopped(worker) && self.workers[worker].frozen {
            let until = self.workers[worker].busy_until;
            let what = What::CommitAnswered { worker, life, commit, last, taken };
            return self.schedule(until, what);
        }
        self.soon(What::CommitSent { worker, life });
        if !last {
            let input = Input::Committed { commit, accepted: taken };
            return self.input(worker, life, input);
        }
        let waits = self.workers[worker].commit_queue.iter().any(|(_, last)| *last);
        if !waits && let Some(releasing) = self.workers[worker].releasing.take() {
            self.released(worker, releasing);
        }
    }

    /// The broker keeps a commit; then everything that it covers must be safe elsewhere.
    fn accept(&mut self, worker: usize, commit: &Commit, last: bool) {
        let Commit { partition, position, metadata, .. } = commit;
        let log = self.broker.log(*partition);
        let (before, old) = (log.commit, std::mem::replace(&mut log.metadata, metadata.clone()));
        log.commit = *position;
        let end = log.end;
        self.coverage.saw("commit", if last { "last" } else { "accepted" });
        if (before, &old) == (*position, metadata) {
            self.coverage.saw("commit", "repeated");
        }
        tell!(
            self,
            "w{worker} commits {partition} at {position} {}",
            &metadata[2 + CLUSTER.len()..]
        );
        if before > *position {
            self.fail("L3", format!("{partition} went back from {before} to {position}"));
        }
        if *position > end {
            self.fail(
                "L3",
                format!("{partition} is committed at {position}, beyond its end {end}"),
            );
        }
        if metadata.encode_utf16().count() > paynotify::engine::METADATA_LIMIT {
            self.fail("memory", format!("the metadata of {partition} is {}", metadata.len()));
        }
        let map = match OffsetMap::decode(metadata, CLUSTER, *position) {
            Ok(map) => map,
            Err(error) => return self.fail("map", format!("{metadata:?}: {error}")),
        };
        self.coverage.saw(
            "map",
            match metadata.rsplit(':').next().and_then(|body| body.chars().next()) {
                None => "empty",
                Some('r') => "runs",
                Some(_) => "bits",
            },
        );
        self.forget_reads(worker, commit);
        self.cover(*partition, *position, &map);
    }

    /// Marks what nobody works on again.
    fn cover(&mut self, partition: Partition, position: Offset, map: &OffsetMap) {
        let log = self.broker.logs.get_mut(&partition).unwrap();
        let last = map.runs().last().map_or(position, |(_, end)| *end).max(position);
        let end = log.place(last);
        let mut news = Vec::new();
        let mut forgotten = None;
        for kept in &log.records[log.covered_to..end.max(log.covered_end)] {
            let covered = kept.offset < position || map.contains(kept.offset);
            let truth = &mut self.ledger.events[kept.event];
            let carrier = &mut truth.carriers[kept.carrier];
            if covered && !carrier.covered {
                carrier.covered = true;
                self.ledger.open -= usize::from(!truth.lost);
                news.push((kept.event, kept.carrier));
            } else if carrier.covered && !covered && !kept.deleted {
                forgotten = Some(kept.offset);
            }
        }
        log.covered_to = log.place(position);
        log.covered_end = log.covered_end.max(end);
        if let Some(offset) = forgotten {
            self.fail("map", format!("the commit at {position} forgets {partition} {offset}"));
        }
        for (event, carrier) in news {
            if let Some(missing) = self.ledger.events[event].missing_after(carrier, &self.directory)
            {
                let detail = format!(
                    "the commit of {partition} at {position} covers evt_{event}, which is lost for {missing}"
                );
                self.fail("L3", detail);
            }
        }
    }

    /// A person or a tool overwrites the metadata of a commit; what it covered is read again.
    pub fn overwrite_metadata(&mut self, partition: Partition, metadata: String) {
        let log = self.broker.logs.get_mut(&partition).unwrap();
        log.metadata = metadata;
        let mut copies = Vec::new();
        for kept in &log.records[log.covered_to..log.covered_end] {
            let truth = &mut self.ledger.events[kept.event];
            let carrier = &mut truth.carriers[kept.carrier];
            if carrier.covered && !kept.deleted {
                carrier.covered = false;
                self.ledger.open += usize::from(!truth.lost);
                copies.push((kept.event, carrier.endpoint));
            }
        }
        log.covered_end = log.covered_to;
        for (event, endpoint) in copies {
            self.ledger.excuse_copy(event, endpoint);
        }
    }

    /// The broker deletes the oldest records of a partition.
    pub fn delete_below(&mut self, partition: Partition, offset: Offset) {
        let log = self.broker.logs.get_mut(&partition).unwrap();
        log.start = log.start.max(offset);
        let end = log.place(offset);
        for kept in &mut log.records[..end] {
            if kept.deleted {
                continue;
            }
            kept.deleted = true;
            let truth = &mut self.ledger.events[kept.event];
            let carrier = &mut truth.carriers[kept.carrier];
            if !carrier.covered && !truth.lost {
                // Every other record of it is nobody's duty any more.
                truth.lost = true;
                self.ledger.open -= truth.carriers.iter().filter(|one| !one.covered).count();
            }
        }
        self.kick_readers(partition);
    }

    /// The content of an event as a reader finds it.
    pub fn content_of(&self, event: usize) -> Arc<paynotify::engine::Content> {
        let content = &self.ledger.events[event].content;
        Arc::new(paynotify::engine::Content::clone(content))
    }
}
