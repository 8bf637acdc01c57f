//! What a worker's loop does with what it is told, and with the engine's commands.

use std::{collections::BTreeSet, sync::Arc};

use paynotify::{
    engine::{
        Attempt, AttemptId, AttemptResult, Command, Commit, Epoch, Ignored, OffsetMap, Record,
        Report, Route, Verdict, judge,
    },
    envelope::Envelope,
    model::{Coordinates, Offset, Partition, Span},
};

use super::{
    directory::{merchant_id, number},
    faults::Fault,
    plan::CLUSTER,
    story::tell,
    worker::{Read, ReadKey, Reading, Revoking, Running},
    world::{Asked, Input, What, World},
};

/// How long a revoke may wait for what runs.
const DRAIN: Span = Span::from_secs(1);
/// How long it may wait for the last commits.
const LAST_COMMIT: Span = Span::from_secs(2);

impl World {
    /// Whether a worker's loop stands still now.
    pub fn is_stopped(&self, worker: usize) -> bool {
        self.workers[worker].busy_until > self.now
    }

    /// A process begins: it reads the directory and joins the group.
    pub fn start(&mut self, worker: usize) {
        if self.workers[worker].running {
            return;
        }
        tell!(self, "w{worker} starts");
        self.workers[worker].running = true;
        for merchant in 0..self.directory.merchants.len() {
            let version = self.directory.merchants[merchant].len() - 1;
            self.learn(worker, merchant, version);
        }
        self.join(worker);
    }

    fn learn(&mut self, worker: usize, merchant: usize, version: usize) {
        let process = &mut self.workers[worker];
        if process.entries.get(&merchant).is_some_and(|known| *known > version) {
            return;
        }
        process.entries.insert(merchant, version);
        let entry = self.directory.merchants[merchant][version].entry.clone();
        process.engine.handle_merchant(&merchant_id(merchant), entry);
    }

    /// The process ends without a word.
    pub fn kill(&mut self, worker: usize) {
        tell!(self, "w{worker} dies");
        if !self.workers[worker].fenced {
            let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
            self.excuse_repeats(worker, &held);
        }
        if let Some((member, _)) = self.workers[worker].member {
            self.schedule(self.now + self.plan.session, What::SessionOver { member });
        }
        self.workers[worker].die(&self.plan);
    }

    /// The loop is told something, at once or when it turns again.
    pub fn input(&mut self, worker: usize, life: u32, input: Input) {
        if self.workers[worker].life != life || !self.workers[worker].running {
            return;
        }
        self.workers[worker].inbox.push_back(input);
        self.read_inbox(worker, life);
    }

    /// The loop takes what it was told, in order, unless it stands still.
    pub fn read_inbox(&mut self, worker: usize, life: u32) {
        if self.workers[worker].life != life {
            return;
        }
        if self.is_stopped(worker) {
            let until = self.workers[worker].busy_until;
            if self.workers[worker].looks_at != Some(until) {
                self.workers[worker].looks_at = Some(until);
                self.schedule(until, What::Look { worker, life });
            }
            return;
        }
        while self.workers[worker].life == life
            && let Some(input) = self.workers[worker].inbox.pop_front()
        {
            self.take(worker, input);
        }
    }

    fn take(&mut self, worker: usize, input: Input) {
        let now = self.workers[worker].tell_time(self.now);
        match input {
            Input::Records { partition, epoch, records } => {
                self.take_records(worker, partition, epoch, &records);
            }
            Input::End { partition, epoch } => self.take_end(worker, partition, epoch),
            Input::Attempted { id, result } => self.take_attempted(worker, id, result),
            Input::Routed { id, result } => {
                let key = self.workers[worker].routes.remove(&id);
                if let Some(read) = key.and_then(|key| self.workers[worker].reads.get_mut(&key)) {
                    read.routing -= 1;
                    read.refused = result.err();
                } else {
                    self.coverage.saw("late answer", "route");
                }
                self.workers[worker].engine.handle_routed(now, id, result);
            }
            Input::Committed { commit, accepted } => {
                self.workers[worker].commits.remove(&(commit.partition, commit.epoch));
                if self.workers[worker].held.get(&commit.partition) != Some(&commit.epoch) {
                    self.coverage.saw("late answer", "commit");
                }
                self.workers[worker].engine.handle_committed(now, &commit, accepted);
            }
            Input::Entry { merchant, version } => self.learn(worker, merchant, version),
            Input::Assigned { member, indexes } => {
                self.finish_revoke(worker);
                if self.workers[worker].member.is_some_and(|(own, _)| own == member) {
                    self.workers[worker].waiting.extend(indexes);
                    self.begin_waiting(worker);
                }
            }
            Input::Revoke { member, indexes, round } => {
                self.begin_revoke(worker, Revoking { member, round, indexes, leaves: false });
            }
            Input::RevokeDeadline { round } => {
                if self.workers[worker].revoking.as_ref().is_some_and(|one| one.round == round) {
                    self.coverage.saw("group", "not drained");
                    self.finish_revoke(worker);
                }
            }
            Input::Lost { member } => self.lost(worker, member),
            Input::Signing(allowed) => {
                self.workers[worker].signing = allowed;
                self.workers[worker].engine.allow_attempts(allowed);
            }
        }
        self.turn(worker);
    }

    /// A timer of the engine.
    pub fn wake(&mut self, worker: usize, life: u32) {
        let process = &mut self.workers[worker];
        if process.life != life || process.next_wake != Some(self.now) {
            return;
        }
        if process.busy_until > self.now {
            let until = process.busy_until;
            process.next_wake = Some(until);
            return self.schedule(until, What::Wake { worker, life });
        }
        process.next_wake = None;
        self.turn(worker);
    }

    /// The loop turns: timers, commands, checks.
    pub fn turn(&mut self, worker: usize) {
        if !self.workers[worker].running {
            return;
        }
        let now = self.workers[worker].tell_time(self.now);
        self.workers[worker].engine.handle_timeout(now);
        let before = self.workers[worker].engine.status(now, 0);
        self.execute_all(worker);
        let drained = self.workers[worker].revoking.as_ref().is_some_and(|revoking| {
            let partitions = self.partitions_of(&revoking.indexes);
            self.workers[worker].engine.is_drained(&partitions)
        });
        if drained {
            self.coverage.saw("group", "drained");
            self.finish_revoke(worker);
            if !self.workers[worker].running {
                return;
            }
            self.execute_all(worker);
        }
        self.check_turn(worker, &before);
        self.plan_wake(worker);
    }

    /// Arranges the next turn for the engine's timers.
    pub fn plan_wake(&mut self, worker: usize) {
        let process = &mut self.workers[worker];
        let Some(told) = process.engine.poll_timeout() else { return };
        let at = process.when(told, self.now);
        if process.next_wake.is_none_or(|planned| planned <= self.now || at < planned) {
            process.next_wake = Some(at);
            let life = process.life;
            self.schedule(at, What::Wake { worker, life });
        }
    }

    fn execute_all(&mut self, worker: usize) {
        let now = self.workers[worker].told;
        while let Some(command) = self.workers[worker].engine.poll_command(now) {
            self.execute(worker, command);
        }
    }

    fn execute(&mut self, worker: usize, command: Command) {
        match command {
            Command::Attempt(attempt) => {
                self.coverage.saw("command", "attempt");
                self.begin_attempt(worker, &attempt);
            }
            Command::Route(route) => {
                self.coverage.saw("command", "route");
                self.begin_route(worker, route);
            }
            Command::Commit(commit) => {
                self.coverage.saw("command", "commit");
                self.check_commit_command(worker, &commit, false);
                self.workers[worker].commits.insert((commit.partition, commit.epoch));
                self.send_commit(worker, commit, false);
            }
            Command::Pause(partition) => {
                self.coverage.saw("command", "pause");
                self.want(worker, partition, false);
            }
            Command::Resume(partition) => {
                self.coverage.saw("command", "resume");
                self.want(worker, partition, true);
            }
            Command::Report(report) => {
                self.coverage.saw("command", "report");
                self.take_report(worker, &report);
            }
        }
    }

    fn want(&mut self, worker: usize, partition: Partition, wanted: bool) {
        if let Some(reading) = self.workers[worker].reading.get_mut(&partition) {
            reading.wanted = wanted;
            if wanted {
                self.kick(worker, partition);
            } else if reading.next < self.broker.logs[&partition].data_end() {
                self.coverage.saw("reader", "paused with more");
            }
        }
    }

    fn begin_attempt(&mut self, worker: usize, attempt: &Attempt) {
        let process = &self.workers[worker];
        let address = Arc::as_ptr(&attempt.content).addr();
        let Some(key) = process.by_content.get(&address).copied() else {
            return self.fail("L2", format!("an attempt of what was never read: {attempt:?}"));
        };
        let event = process.reads[&key].event;
        let endpoint = number(&attempt.endpoint.id);
        let lane = (self.ledger.events[event].merchant, endpoint);
        self.check_attempt(worker, attempt, key, lane);
        self.attempts += 1;
        if self.workers[worker].fenced {
            self.coverage.saw("zombie", "attempt");
            self.ledger.allowed += 1;
        }
        let policy = &attempt.endpoint.policy;
        let outcome = self.merchants.ask(&mut self.dice.merchants, lane, policy);
        let (id, life) = (attempt.id, self.workers[worker].life);
        let policy = policy.clone();
        let running = Running { read: key, lane, event, endpoint, number: attempt.number, policy };
        let process = &mut self.workers[worker];
        process.attempts.insert(id, running);
        process.reads.get_mut(&key).unwrap().attempting += 1;
        let started = process.told;
        tell!(self, "w{worker} attempts evt_{event} for e{endpoint}, number {}", attempt.number);
        let survives = self.dice.merchants.one_in(2);
        let at = self.now + outcome.took;
        let asked = Box::new(Asked { event, endpoint, started, outcome, survives });
        self.schedule(at, What::Answer { worker, life, id, asked });
    }

    /// A merchant answers.
    pub fn answer(&mut self, worker: usize, life: u32, id: AttemptId, asked: Asked) {
        let Asked { event, endpoint, started, outcome, survives } = asked;
        let alive = self.workers[worker].life == life;
        if outcome.acknowledged && (alive || survives) {
            self.ledger.acknowledged(self.now, event, endpoint);
            tell!(self, "e{endpoint} acknowledges evt_{event}");
        }
        if alive {
            let ended = self.workers[worker].tell_time(self.now);
            let result = AttemptResult { started, ended, answer: outcome.answer, key_id: None };
            self.input(worker, life, Input::Attempted { id, result });
        }
    }

    fn take_attempted(&mut self, worker: usize, id: AttemptId, result: AttemptResult) {
        let process = &mut self.workers[worker];
        let now = process.told;
        let Some(running) = process.attempts.remove(&id) else {
            return self.fail("engine", format!("an answer to attempt {} twice", id.0));
        };
        let verdict = judge(&running.policy.acknowledge, &result.answer);
        let acknowledged = verdict == Verdict::Delivered;
        if let Some(read) = process.reads.get_mut(&running.read) {
            read.attempting -= 1;
            read.done += u64::from(acknowledged);
        } else {
            self.coverage.saw("late answer", "attempt");
        }
        self.coverage.saw(
            "verdict",
            match verdict {
                Verdict::Delivered => "delivered",
                Verdict::Retry(word) => word,
            },
        );
        if let paynotify::engine::Answer::Failed(reason) = &result.answer {
            self.coverage.saw("fail", reason.as_str());
        }
        self.note_end(worker, &running, &result, acknowledged);
        tell!(self, "w{worker} hears e{} on evt_{}: {verdict:?}", running.endpoint, running.event);
        self.workers[worker].engine.handle_attempted(now, id, result);
    }

    fn begin_route(&mut self, worker: usize, route: Box<Route>) {
        let address = Arc::as_ptr(&route.content).addr();
        let process = &mut self.workers[worker];
        let Some(key) = process.by_content.get(&address).copied() else {
            return self.fail("L2", format!("a route of what was never read: {route:?}"));
        };
        let life = process.life;
        let read = process.reads.get_mut(&key).unwrap();
        read.routing += 1;
        let event = read.event;
        process.routes.insert(route.id, key);
        self.routes += 1;
        if self.workers[worker].fenced {
            self.coverage.saw("zombie", "route");
            self.ledger.allowed += self.width_of(event, &route);
        }
        tell!(
            self,
            "w{worker} routes evt_{event} ({}) for {:?} as route {} to {:?}, {} attempts, {} times parked",
            key.0,
            route.envelope.endpoint,
            route.id.0,
            route.to,
            route.envelope.attempts,
            route.envelope.parked
        );
        self.note_route(worker, key, &route);
        self.soon(What::Produce { worker, life, route, event });
    }

    /// The broker has a route's record.
    pub fn note_appended(&mut self, worker: usize, route: &Route, event: usize) {
        let width = self.width_of(event, route);
        let process = &mut self.workers[worker];
        if let Some(key) = process.routes.get(&route.id)
            && let Some(read) = process.reads.get_mut(key)
        {
            read.done += width;
        }
    }

    fn send_commit(&mut self, worker: usize, commit: Commit, last: bool) {
        let process = &mut self.workers[worker];
        process.commit_queue.push_back((commit, last));
        if !process.committing {
            process.committing = true;
            let life = process.life;
            self.soon(What::CommitSent { worker, life });
        }
    }

    fn take_report(&mut self, worker: usize, report: &Report) {
        use paynotify::engine::{DeliveryOutcome, EventOutcome};
        match report {
            Report::EventResolved { outcome } => self.coverage.saw(
                "event",
                match outcome {
                    EventOutcome::Delivered => "delivered",
                    EventOutcome::Filtered => "filtered",
                    EventOutcome::Dead => "dead",
                    EventOutcome::FannedOut => "fanned out",
                },
            ),
            Report::Delivery(report) => {
                let outcome = match report.outcome {
                    DeliveryOutcome::Delivered => "delivered",
                    DeliveryOutcome::Retry => "retry",
                    DeliveryOutcome::Refused => "refused",
                    DeliveryOutcome::Parked => "parked",
                    DeliveryOutcome::Filtered => "filtered",
                    DeliveryOutcome::Dead => "dead",
                };
                self.coverage.saw("outcome", outcome);
                if report.outcome == DeliveryOutcome::Parked
                    && let Some(reason) = report.reason
                {
                    self.coverage.saw("park", reason);
                    tell!(self, "w{worker} parks for {reason}");
                }
                if report.answer.as_ref().is_some_and(|answer| !answer.counts) {
                    self.coverage.saw("braked", "uncounted attempt");
                }
            }
        }
    }

    /// Everything of these indexes.
    pub fn partitions_of(&self, indexes: &[i32]) -> Vec<Partition> {
        indexes.iter().flat_map(|index| self.broker.of_index(*index)).collect()
    }

    /// Reads the positions of indexes that the group gave, and begins to read.
    pub fn begin_waiting(&mut self, worker: usize) {
        if self.workers[worker].waiting.is_empty() {
            return;
        }
        let life = self.workers[worker].life;
        if self.is_on(Fault::BrokerDown) {
            let Some((member, _)) = self.workers[worker].member else { return };
            let at = self.now + Span::from_secs(1);
            let input = Input::Assigned { member, indexes: Vec::new() };
            return self.schedule(at, What::Input { worker, life, input });
        }
        let indexes: Vec<i32> =
            std::mem::take(&mut self.workers[worker].waiting).into_iter().collect();
        self.workers[worker].epoch += 1;
        let epoch = Epoch(self.workers[worker].epoch);
        let now = self.workers[worker].told;
        for partition in self.partitions_of(&indexes) {
            let log = &self.broker.logs[&partition];
            let gone = log.commit < log.start;
            let position = log.commit.max(log.start);
            let metadata = (!gone).then(|| log.metadata.clone());
            if gone {
                // What the map covered beyond the gap is read again.
                self.coverage.saw("reader", "gap");
                self.overwrite_metadata(partition, String::new());
            }
            let metadata = metadata.as_deref().filter(|text| !text.is_empty());
            self.note_map(metadata, position);
            let process = &mut self.workers[worker];
            let used = process.engine.handle_assigned(now, partition, epoch, position, metadata);
            process.held.insert(partition, epoch);
            let reading = Reading { epoch, next: position, wanted: true, fetching: false };
            process.reading.insert(partition, reading);
            let expected = metadata
                .map_or(Ok(()), |text| OffsetMap::decode(text, CLUSTER, position).map(|_| ()));
            if used != expected {
                self.fail("map", format!("{partition}: {used:?} instead of {expected:?}"));
            }
            self.kick(worker, partition);
        }
        tell!(self, "w{worker} holds {indexes:?} under epoch {}", epoch.0);
    }

    fn note_map(&mut self, metadata: Option<&str>, position: Offset) {
        let Some(text) = metadata else { return };
        let seen = match OffsetMap::decode(text, CLUSTER, position) {
            Ok(map) if map.runs().is_empty() => return,
            Ok(_) => "used",
            Err(Ignored::Foreign) => "foreign",
            Err(Ignored::Format(_)) => "format",
            Err(Ignored::Cluster(_)) => "cluster",
            Err(Ignored::Watermark { .. }) => "watermark",
            Err(Ignored::Damaged) => "damaged",
        };
        self.coverage.saw("map", seen);
    }

    fn begin_revoke(&mut self, worker: usize, revoking: Revoking) {
        self.finish_revoke(worker);
        if let Some(before) = self.workers[worker].releasing.take() {
            self.released(worker, before);
        }
        let own = self.workers[worker].member.is_some_and(|(own, _)| own == revoking.member);
        if !own {
            return;
        }
        let partitions = self.partitions_of(&revoking.indexes);
        let process = &mut self.workers[worker];
        process.waiting.retain(|index| !revoking.indexes.contains(index));
        process.engine.begin_revoke(&partitions);
        let (life, round) = (process.life, revoking.round);
        process.revoking = Some(revoking);
        let input = Input::RevokeDeadline { round };
        self.schedule(self.now + DRAIN, What::Input { worker, life, input });
    }

    /// Gives back what was asked back, however much of it runs.
    pub fn finish_revoke(&mut self, worker: usize) {
        let Some(Revoking { member, round, indexes, leaves }) =
            self.workers[worker].revoking.take()
        else {
            return;
        };
        let partitions = self.partitions_of(&indexes);
        let process = &mut self.workers[worker];
        let commits = process.engine.finish_revoke(&partitions);
        process.reading.retain(|partition, _| !partitions.contains(partition));
        tell!(self, "w{worker} gives back {indexes:?}");
        let releasing = Revoking { member, round, indexes, leaves };
        if commits.is_empty() {
            return self.released(worker, releasing);
        }
        for commit in commits {
            self.check_commit_command(worker, &commit, true);
            self.send_commit(worker, commit, true);
        }
        let process = &mut self.workers[worker];
        let (life, before) = (process.life, process.releasing.replace(releasing));
        if let Some(before) = before {
            self.released(worker, before);
        }
        self.schedule(self.now + LAST_COMMIT, What::ReleaseDeadline { worker, life, round });
    }

    /// Nobody waits for the last commits any longer.
    pub fn release_deadline(&mut self, worker: usize, life: u32, round: u32) {
        if self.workers[worker].life != life {
            return;
        }
        if self.is_stopped(worker) && self.workers[worker].frozen {
            self.coverage.saw("group", "revoke while stopped");
            let at = self.workers[worker].busy_until;
            return self.schedule(at, What::ReleaseDeadline { worker, life, round });
        }
        let late = self.workers[worker].releasing.take_if(|releasing| releasing.round == round);
        if let Some(releasing) = late {
            self.coverage.saw("group", "last commits late");
            self.released(worker, releasing);
        }
    }

    /// The last commits are answered, or nobody waits for them any longer.
    pub fn released(&mut self, worker: usize, releasing: Revoking) {
        let Revoking { member, round, indexes, leaves } = releasing;
        let partitions = self.partitions_of(&indexes);
        if self.workers[worker].member.is_some_and(|(own, _)| own == member) {
            self.let_go(worker, &partitions);
        }
        if leaves { self.leave(worker) } else { self.gave_back(member, round) }
    }

    /// These partitions are not held any more.
    pub fn let_go(&mut self, worker: usize, partitions: &[Partition]) {
        if !self.workers[worker].fenced {
            self.excuse_repeats(worker, partitions);
        }
        let process = &mut self.workers[worker];
        process.held.retain(|partition, _| !partitions.contains(partition));
        process.reading.retain(|partition, _| !partitions.contains(partition));
        let gone: BTreeSet<ReadKey> =
            process.reads.keys().filter(|key| partitions.contains(&key.0)).copied().collect();
        for key in gone {
            process.reads.remove(&key);
        }
    }

    /// What lies below a commit is never worked on again.
    pub fn forget_reads(&mut self, worker: usize, commit: &Commit) {
        let Commit { partition, epoch, position, .. } = commit;
        let first = (*partition, *epoch, Offset(0));
        let gone: Vec<ReadKey> = self.workers[worker]
            .reads
            .range(first..(*partition, *epoch, *position))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let read = self.workers[worker].reads.remove(&key).unwrap();
            self.workers[worker].by_content.remove(&Arc::as_ptr(&read.content).addr());
            if read.attempting + read.routing > 0 {
                let detail = format!("{partition} {} is worked on below the commit", key.2);
                return self.fail("L3", detail);
            }
        }
    }

    /// The group gives to others what a worker works on, and the worker does not know yet: whatever it
    /// still begins may be done twice.
    pub fn fence(&mut self, worker: usize) {
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.excuse_repeats(worker, &held);
        self.workers[worker].fenced = true;
    }

    /// What the next owner may repeat: what ran, and what was done and is not covered.
    fn excuse_repeats(&mut self, worker: usize, partitions: &[Partition]) {
        let (mut allowed, mut forgotten) = (0, 0);
        for ((partition, ..), read) in &self.workers[worker].reads {
            let truth = &self.ledger.events[read.event];
            if partitions.contains(partition) && !truth.carriers[read.carrier].covered {
                let routing = if read.routing > 0 { truth.width(&self.directory) } else { 0 };
                allowed += read.done + read.attempting + routing.max(read.routing);
                forgotten += read.ended.len() as u64;
            }
        }
        self.ledger.allowed += allowed;
        self.ledger.forgotten += forgotten;
        if allowed > 0 {
            tell!(self, "w{worker} leaves {allowed} deliveries that may be repeated");
        }
    }

    /// The group has put this worker out.
    fn lost(&mut self, worker: usize, member: u32) {
        if self.workers[worker].member.is_none_or(|(own, _)| own != member) {
            return;
        }
        tell!(self, "w{worker} learns that it is no member");
        self.workers[worker].revoking = None;
        self.workers[worker].releasing = None;
        self.workers[worker].waiting.clear();
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.workers[worker].engine.handle_lost(&held);
        self.let_go(worker, &held);
        self.workers[worker].fenced = false;
        self.remove_member(member);
        self.join(worker);
    }

    /// A worker that stops has given everything back.
    fn leave(&mut self, worker: usize) {
        tell!(self, "w{worker} leaves");
        self.coverage.saw("group", "left");
        let held: Vec<Partition> = self.workers[worker].held.keys().copied().collect();
        self.let_go(worker, &held);
        let member = self.workers[worker].member;
        self.workers[worker].die(&self.plan);
        if let Some((member, _)) = member {
            self.remove_member(member);
        }
        if self.workers[worker].returns {
            let wait = Span::from_millis(self.dice.faults.below(5_000));
            self.schedule(self.now + wait, What::Start { worker });
        }
    }

    /// A worker is told to stop: it drains, commits and leaves.
    pub fn stop(&mut self, worker: usize) {
        self.finish_revoke(worker);
        let Some((member, _)) = self.workers[worker].member else { return };
        let held: BTreeSet<i32> =
            self.workers[worker].held.keys().map(|partition| partition.index).collect();
        let indexes: Vec<i32> = held.into_iter().collect();
        self.begin_revoke(worker, Revoking { member, round: 0, indexes, leaves: true });
        self.turn(worker);
    }

    /// Tells every reader of a partition that there may be more.
    pub fn kick_readers(&mut self, partition: Partition) {
        for worker in 0..self.workers.len() {
            self.kick(worker, partition);
        }
    }

    /// Arranges the next fetch, if there is anything to fetch.
    pub fn kick(&mut self, worker: usize, partition: Partition) {
        let log = &self.broker.logs[&partition];
        let (start, end) = (log.start, log.end);
        let process = &mut self.workers[worker];
        let life = process.life;
        let Some(reading) = process.reading.get_mut(&partition) else { return };
        if reading.wanted && !reading.fetching && (reading.next < end || reading.next < start) {
            reading.fetching = true;
            let epoch = reading.epoch;
            self.soon(What::Fetch { worker, life, partition, epoch });
        }
    }

    /// The reader fetches.
    pub fn fetch(&mut self, worker: usize, life: u32, partition: Partition, epoch: Epoch) {
        if self.workers[worker].life != life {
            return;
        }
        let down = self.is_on(Fault::BrokerDown).then(|| self.windows[&Fault::BrokerDown]);
        let frozen = self.workers[worker].frozen && self.is_stopped(worker);
        let frozen = frozen.then(|| self.workers[worker].busy_until);
        if let Some(until) = down.max(frozen) {
            return self.schedule(until, What::Fetch { worker, life, partition, epoch });
        }
        let delay = if self.is_on(Fault::BrokerSlow) { 2_000 } else { 0 };
        let delay = Span::from_millis(self.dice.network.between(0, delay));
        let batch = self.dice.network.count(1, self.plan.batch);
        let log = &self.broker.logs[&partition];
        let process = &mut self.workers[worker];
        let Some(reading) = process.reading.get_mut(&partition).filter(|one| one.epoch == epoch)
        else {
            return;
        };
        if !reading.wanted {
            reading.fetching = false;
            return;
        }
        if reading.next < log.start {
            self.coverage.saw("reader", "gap");
            reading.next = log.start;
        }
        let from = log.place(reading.next);
        let records: Vec<usize> = (from..log.records.len()).take(batch).collect();
        let input = if let Some(last) = records.last() {
            reading.next = log.records[*last].offset.next();
            self.coverage.saw("reader", "records");
            Input::Records { partition, epoch, records }
        } else {
            reading.next = log.end;
            self.coverage.saw("reader", "end");
            Input::End { partition, epoch }
        };
        self.schedule(self.now + delay, What::Input { worker, life, input });
    }

    fn take_end(&mut self, worker: usize, partition: Partition, epoch: Epoch) {
        let process = &mut self.workers[worker];
        let now = process.told;
        let Some(reading) = process.reading.get_mut(&partition).filter(|one| one.epoch == epoch)
        else {
            return;
        };
        reading.fetching = false;
        let position = reading.next;
        process.engine.handle_position(now, partition, epoch, position);
        self.kick(worker, partition);
    }

    fn take_records(
        &mut self,
        worker: usize,
        partition: Partition,
        epoch: Epoch,
        records: &[usize],
    ) {
        for at in records {
            self.take_record(worker, partition, epoch, *at);
        }
        let process = &mut self.workers[worker];
        if let Some(reading) = process.reading.get_mut(&partition)
            && reading.epoch == epoch
        {
            reading.fetching = false;
            self.kick(worker, partition);
        } else {
            self.coverage.saw("late answer", "records");
        }
    }

    fn take_record(&mut self, worker: usize, partition: Partition, epoch: Epoch, at: usize) {
        let kept = &self.broker.logs[&partition].records[at];
        let (offset, appended, event, carrier) =
            (kept.offset, kept.appended, kept.event, kept.carrier);
        let envelope = kept.envelope.clone().unwrap_or_else(|| {
            let topic = "payments.completions".into();
            Envelope::fresh(appended, Coordinates { topic, partition: partition.index, offset })
        });
        if let Some(headers) = kept.headers.clone() {
            let most = 12 + self.ledger.events[event].content.headers.len();
            if headers.len() > most {
                return self.fail("L6", format!("{} headers at {partition}", headers.len()));
            }
            match Envelope::read(headers) {
                Ok((read, _)) if read == envelope => {}
                other => return self.fail("L6", format!("{envelope:?} is read as {other:?}")),
            }
        }
        let content = self.content_of(event);
        let truth = &self.ledger.events[event];
        let key = (partition, epoch, offset);
        let attempts = envelope.attempts;
        let record = Record {
            partition,
            offset,
            appended,
            content: Arc::clone(&content),
            envelope,
            event: truth.event.clone(),
        };
        let known = truth.carriers[carrier].covered;
        let process = &mut self.workers[worker];
        let now = process.told;
        let current = process.held.get(&partition) == Some(&epoch);
        if current {
            process.by_content.insert(Arc::as_ptr(&content).addr(), key);
            let read = Read {
                event,
                carrier,
                appended,
                done: 0,
                attempting: 0,
                routing: 0,
                attempts,
                ended: Vec::new(),
                refused: None,
                content,
            };
            process.reads.insert(key, read);
        }
        let before = known.then(|| self.unresolved_of(worker, partition));
        self.workers[worker].engine.handle_record(now, epoch, record);
        if current && before.is_some_and(|before| before == self.unresolved_of(worker, partition)) {
            self.coverage.saw("map", "skipped a record");
        }
        tell!(self, "w{worker} reads {partition} {offset}: evt_{event}");
    }

    fn unresolved_of(&self, worker: usize, partition: Partition) -> usize {
        let status = self.workers[worker].engine.status(self.now, 0);
        let found = status.partitions.iter().find(|one| one.partition == partition);
        found.map_or(0, |one| one.unresolved)
    }
}
