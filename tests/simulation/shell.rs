//! What a worker's loop does with what it is told, and with the engine's commands.

use std::sync::Arc;

use paynotify::{
    engine::{Attempt, AttemptId, AttemptResult, Command, Commit, Report, Route, Verdict, judge},
    model::Partition,
};

use super::{
    directory::{merchant_id, number},
    story::tell,
    worker::{Revoking, Running},
    world::{Asked, Input, What, World},
};

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

    pub fn learn(&mut self, worker: usize, merchant: usize, version: usize) {
        let process = &mut self.workers[worker];
        if process.entries.get(&merchant).is_some_and(|known| *known > version) {
            return;
        }
        process.entries.insert(merchant, version);
        let entry = self.directory.merchants[merchant][version].entry.clone();
        process.engine.handle_merchant(process.told, &merchant_id(merchant), entry);
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

    pub fn execute_all(&mut self, worker: usize) {
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
            self.ledger.excuse(1);
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
            self.ledger.acknowledged(event, endpoint);
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
            self.ledger.excuse_copy(event, route.envelope.endpoint.as_ref().map(number));
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
    pub fn note_appended(&mut self, worker: usize, route: &Route) {
        let process = &mut self.workers[worker];
        if let Some(key) = process.routes.get(&route.id)
            && let Some(read) = process.reads.get_mut(key)
        {
            match route.envelope.endpoint {
                Some(_) => read.done += 1,
                None => read.copies += 1,
            }
        }
    }

    pub fn send_commit(&mut self, worker: usize, commit: Commit, last: bool) {
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
}
