//! What must hold whenever a worker's loop has turned, and for each thing that it does.

use std::cmp::Ordering;

use paynotify::{
    engine::{
        Answer, Attempt, AttemptResult, Commit, DeadLetter, DeadReason, Destination, OffsetMap,
        Route, RouteFailure, Status,
    },
    event::Undecodable,
    model::{Endpoint, Merchant, Offset, Partition, Rate, Source, Span, State, Timestamp},
};

use super::{
    broker::{Kept, Log},
    directory::{Owed, number, owed},
    faults::Fault,
    plan::CLUSTER,
    worker::{ReadKey, Running},
    world::{START, World},
};

/// No `Retry-After` delays longer than a day.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(86_400);
/// What a held record costs beyond its content.
const RECORD_OVERHEAD: usize = 512;

/// What was taken of a lane's rate: a token bucket of our own.
#[derive(Debug, Default)]
pub struct LaneWatch {
    rate: Option<Rate>,
    /// When the bucket is full again, in nanoseconds since the world began.
    full_at: u128,
}

impl LaneWatch {
    /// Takes a token; false if there was none.
    fn take(&mut self, now: Timestamp, rate: Option<Rate>) -> bool {
        let now = u128::from(now.since(START).as_millis()) * 1_000_000;
        if self.rate != rate {
            (self.rate, self.full_at) = (rate, 0);
        }
        let Some(rate) = rate else { return true };
        let interval = u128::from(rate.interval_nanos());
        let had = self.full_at <= now + interval * u128::from(rate.burst() - 1);
        self.full_at = self.full_at.max(now) + interval;
        had
    }
}

impl World {
    /// An attempt is to begin.
    pub fn check_attempt(
        &mut self,
        worker: usize,
        attempt: &Attempt,
        key: ReadKey,
        lane: (usize, u8),
    ) {
        let (partition, epoch, offset) = key;
        let process = &self.workers[worker];
        let now = process.told;
        let (event, endpoint) = (process.reads[&key].event, lane.1);
        let truth = &self.ledger.events[event];
        let what = format!("evt_{event} for e{endpoint}, number {}", attempt.number);
        let same = truth.event.as_ref().is_ok_and(|known| **known == *attempt.event);
        if !same || *attempt.content != *truth.content {
            self.fail("L2", format!("{what}: not what was published"));
            return;
        }
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        let versions = &self.directory.merchants[truth.merchant];
        let wanted = versions.iter().any(|version| {
            matches!(owed(version.entry.as_deref(), &attempt.event), Owed::Endpoints(all) if all.contains(&endpoint))
        });
        if !wanted {
            broken.push(("L2", "nobody asked for it".to_owned()));
        }
        if process.held.get(&partition) != Some(&epoch) {
            broken.push(("epoch", format!("{partition} is not held under epoch {}", epoch.0)));
        }
        let revoking = process.revoking.as_ref();
        if revoking.is_some_and(|revoking| revoking.indexes.contains(&partition.index)) {
            broken.push(("revoke", format!("{partition} {offset} is being given back")));
        }
        if !process.signing {
            broken.push(("clock", "the clock cannot be trusted".to_owned()));
        }
        if let Source::Grade(grade) = partition.source {
            let due = process.reads[&key].appended + grade.delay();
            if now < due {
                broken.push(("L5", format!("{} before {partition} lets it go", due.since(now))));
            }
        }
        if let Some(due) = truth.not_before.get(&(endpoint, attempt.number))
            && now < *due
        {
            broken.push(("L5", format!("{} before it is due", due.since(now))));
        }
        let longest = versions
            .iter()
            .filter_map(|version| version.entry.as_ref())
            .flat_map(|entry| entry.endpoints.iter())
            .map(|one| one.policy.intervals.len() + 1)
            .max();
        let beyond = longest.is_none_or(|longest| attempt.number as usize > longest);
        // While the brake holds, an event at the end of its schedule is tried rather than given up.
        if attempt.number == 0 || (beyond && !self.was_braked()) {
            broken.push(("schedule", "more attempts than any schedule has".to_owned()));
        }
        let policy = &attempt.endpoint.policy;
        let running = process.attempts.values().filter(|one| one.lane == lane).count();
        if running >= policy.max_in_flight as usize {
            broken.push(("cap", format!("{running} run already")));
        }
        if process.attempts.len() >= self.plan.settings.max_in_flight {
            broken.push(("slots", format!("{} run already", process.attempts.len())));
        }
        if attempt.endpoint.state != State::Active || attempt.endpoint.disabled.is_some() {
            broken.push(("directory", "the endpoint is not active".to_owned()));
        }
        if !attempt.endpoint.can_sign(now) {
            broken.push(("directory", "nothing can be signed".to_owned()));
        }
        let rate = policy.rate;
        if !self.workers[worker].lanes.entry(lane).or_default().take(now, rate) {
            broken.push(("rate", format!("more than {rate:?}")));
        }
        let truth = &mut self.ledger.events[event];
        truth.first.entry(endpoint).or_insert(now);
        truth.attempts[usize::from(endpoint)] += 1;
        *truth.numbers.entry((endpoint, attempt.number)).or_default() += 1;
        for (invariant, why) in broken {
            self.fail(invariant, format!("w{worker} attempts {what}: {why}"));
        }
    }

    /// Whether the flood brake held in this world for some time.
    fn was_braked(&self) -> bool {
        ["attempts", "letters", "both"].iter().any(|name| self.coverage.count("braked", name) > 0)
    }

    /// An attempt ended: when the next one may begin.
    pub fn note_end(
        &mut self,
        worker: usize,
        running: &Running,
        result: &AttemptResult,
        acknowledged: bool,
    ) {
        if acknowledged {
            return;
        }
        let Running { read, event, endpoint, number, policy, .. } = running;
        if let Some(read) = self.workers[worker].reads.get_mut(read) {
            read.ended.retain(|(one, _)| one != endpoint);
            read.ended.push((*endpoint, *number));
        }
        let Some(interval) = policy.intervals.get(*number as usize - 1) else { return };
        let asked = match &result.answer {
            Answer::Response { retry_after, .. } => retry_after.unwrap_or(Span::ZERO),
            Answer::Failed(_) => Span::ZERO,
        };
        let due = result.ended + (*interval).max(asked.min(LONGEST_RETRY_AFTER));
        let braked = self.was_braked();
        let truth = &mut self.ledger.events[*event];
        let first = truth.first.get(endpoint).copied().unwrap_or(result.started);
        // Jitter may double the interval.
        if braked && due + *interval > first + policy.max_age {
            truth.not_before.remove(&(*endpoint, number + 1));
            return;
        }
        let not_before = &mut truth.not_before;
        let at = not_before.entry((*endpoint, number + 1)).or_insert(due);
        *at = due.min(*at);
    }

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

    /// A worker's loop has turned.
    pub fn check_turn(&mut self, worker: usize, before: &Status) {
        let process = &self.workers[worker];
        let now = process.told;
        let status = process.engine.status(now, usize::MAX);
        let settings = &self.plan.settings;
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        if status.in_flight != process.attempts.len() {
            let running = process.attempts.len();
            broken.push(("slots", format!("{} counted, {running} run", status.in_flight)));
        }
        let most = settings.hold.records + self.plan.batch - 1;
        for one in &status.partitions {
            if one.unresolved > most {
                broken.push(("memory", format!("{} holds {}", one.partition, one.unresolved)));
            }
            if one.startable {
                broken.push(("turns", format!("the head of {} is left standing", one.partition)));
            }
            let reading = process.reading.get(&one.partition);
            let draining = process.revoking.as_ref();
            let draining = draining.is_some_and(|all| all.indexes.contains(&one.partition.index));
            if one.unresolved == 0 && !one.taking && !draining {
                broken.push(("pause", format!("{} is empty and not read", one.partition)));
            }
            if reading.is_some_and(|reading| reading.wanted != one.taking) && !draining {
                broken.push(("pause", format!("{}: taking is {}", one.partition, one.taking)));
            }
        }
        let largest = self.largest + RECORD_OVERHEAD;
        let bytes = settings.hold.bytes + status.partitions.len() * self.plan.batch * largest;
        if status.held_bytes > bytes {
            broken.push(("memory", format!("{} bytes are held", status.held_bytes)));
        }
        for lane in &status.lanes {
            if lane.waiting > settings.lane_records {
                broken.push(("memory", format!("{} wait for {:?}", lane.waiting, lane.key)));
            }
        }
        if status.suspects > before.suspects && status.suspects > settings.max_suspects {
            broken.push(("suspects", format!("{} suspects run", status.suspects)));
        }
        for (class, was) in status.classes.iter().zip(&before.classes) {
            if class.in_flight > was.in_flight && class.in_flight > class.most {
                broken.push(("class", format!("{} of {} run", class.in_flight, class.name)));
            }
        }
        let waiting: usize = status.classes.iter().map(|class| class.waiting).sum();
        let may = settings.classes.iter().any(|class| class.most > 0);
        if status.in_flight == 0 && waiting > 0 && process.signing && may {
            broken.push(("turns", format!("{waiting} could start and none runs")));
        }
        if process.engine.poll_timeout().is_some_and(|at| at <= now) {
            broken.push(("timer", "a timer was left behind".to_owned()));
        }
        if status.partitions.iter().any(|one| !process.held.contains_key(&one.partition)) {
            broken.push(("epoch", "something is held that is not ours".to_owned()));
        }
        self.count_status(worker, &status);
        for (invariant, why) in broken {
            self.fail(invariant, format!("w{worker}: {why}"));
        }
    }

    fn count_status(&mut self, worker: usize, status: &Status) {
        let process = &mut self.workers[worker];
        let was = std::mem::replace(&mut process.open_breakers, status.breakers_open);
        match status.breakers_open.cmp(&was) {
            Ordering::Greater => self.coverage.saw("breaker", "opened"),
            Ordering::Less => self.coverage.saw("breaker", "closed"),
            Ordering::Equal => {}
        }
        if status.suspects >= self.plan.settings.max_suspects {
            self.coverage.saw("slots", "suspects at their limit");
        }
        if status.in_flight >= self.plan.settings.max_in_flight {
            self.coverage.saw("slots", "all taken");
        }
        let at_most = |class: &paynotify::engine::ClassStatus| class.in_flight >= class.most;
        if status.classes.len() > 1 && status.classes.iter().any(at_most) {
            self.coverage.saw("slots", "class at its most");
        }
        match (status.braked.attempts, status.braked.letters) {
            (true, true) => self.coverage.saw("braked", "both"),
            (true, false) => self.coverage.saw("braked", "attempts"),
            (false, true) => self.coverage.saw("braked", "letters"),
            (false, false) => {}
        }
    }

    /// The world is at rest.
    pub fn check_rest(&mut self) {
        if self.ledger.open > 0 {
            let open = self.describe_open();
            return self.fail("L1", format!("nothing happens any more, but {open}"));
        }
        for (partition, log) in &self.broker.logs {
            let (commit, end) = (log.commit, self.end_of_duty(*partition, log));
            if commit < end && log.data_end() > log.start {
                let detail = format!("{partition} is committed at {commit}, its end is {end}");
                return self.fail("L1", detail);
            }
        }
        for (event, truth) in self.ledger.events.iter().enumerate() {
            let versions = &self.directory.merchants[truth.merchant];
            let [only] = versions.as_slice() else { continue };
            let missing = match &truth.event {
                _ if truth.lost => None,
                Err(_) => (!truth.dead.contains(&None)).then_some(0),
                Ok(known) => match owed(only.entry.as_deref(), known) {
                    Owed::Endpoints(all) => all.into_iter().find(|one| !truth.is_done(*one)),
                    Owed::Unknown | Owed::NotAllowed => (!truth.dead.contains(&None)).then_some(0),
                },
            };
            if let Some(endpoint) = missing {
                return self.fail("L1", format!("evt_{event} is lost for e{endpoint}"));
            }
        }
        let (extra, allowed) = (self.ledger.extra, self.ledger.allowed(&self.directory));
        if extra > allowed {
            let detail = format!("{extra} deliveries were repeated, {allowed} may have been");
            return self.fail("L4", detail);
        }
        let numbers = self.ledger.events.iter().flat_map(|truth| truth.numbers.values());
        let twice: u64 = numbers.map(|count| u64::from(count - 1)).sum();
        let excused = allowed + self.ledger.forgotten > 0 || self.plan.settings.flood_brake;
        // The brake makes attempts that do not count.
        if twice > 0 && !excused {
            self.fail("L4", format!("{twice} attempts were made twice without a fault"));
        }
    }

    /// One past the last record before anything that nobody waits for any more.
    fn end_of_duty(&self, partition: Partition, log: &Log) -> Offset {
        let waits = |kept: &&Kept| {
            let truth = &self.ledger.events[kept.event];
            let there = !kept.deleted || self.is_held(partition, kept.offset);
            truth.lost && there && !truth.carriers[kept.carrier].covered
        };
        let end = log.records.iter().position(|kept| waits(&kept)).unwrap_or(log.records.len());
        end.checked_sub(1).map_or(Offset(0), |last| log.records[last].offset.next())
    }

    /// Whether a worker read this record and has not resolved it, whatever the broker still has.
    fn is_held(&self, partition: Partition, offset: Offset) -> bool {
        self.workers.iter().any(|worker| {
            let epoch = worker.held.get(&partition);
            epoch.is_some_and(|epoch| worker.reads.contains_key(&(partition, *epoch, offset)))
        })
    }

    /// What is not resolved, for people.
    pub fn describe_open(&self) -> String {
        let mut open = Vec::new();
        for (event, truth) in self.ledger.events.iter().enumerate() {
            for carrier in truth.carriers.iter().filter(|one| !one.covered && !truth.lost) {
                let Offset(offset) = carrier.offset;
                open.push(format!("evt_{event} at {} {offset}", carrier.partition));
            }
        }
        let count = open.len();
        open.truncate(5);
        format!("{count} records are open: {}", open.join(", "))
    }
}
