//! What goes wrong, when, and how it ends.

use paynotify::{
    engine::OffsetMap,
    model::{Offset, Partition, Span},
};

use super::{
    directory::{changed, healthy},
    faults::Fault,
    merchants::bad,
    plan::CLUSTER,
    publisher::Kind,
    story::tell,
    world::{Input, What, World},
};

/// No burst goes beyond so many events: each that waits on a short grade is a step a second.
const MOST_EVENTS: usize = 400;

impl World {
    /// A fault happens.
    pub fn inject(&mut self, number: usize) {
        if self.healed.is_some() {
            return;
        }
        let dice = &mut self.dice.faults;
        let fault = self.plan.faults[dice.index(self.plan.faults.len())];
        let worker = dice.index(self.workers.len());
        tell!(self, "FAULT {number}: {} (w{worker})", fault.word());
        if self.happens(fault, worker) {
            self.coverage.fault(fault);
        }
    }

    /// False if there was nothing that it could happen to.
    fn happens(&mut self, fault: Fault, worker: usize) -> bool {
        let running = self.workers[worker].running;
        let life = self.workers[worker].life;
        match fault {
            Fault::Crash if running => {
                self.kill(worker);
                let wait = Span::from_millis(self.dice.faults.below(20_000));
                self.schedule(self.now + wait, What::Start { worker });
            }
            Fault::Restart if running && !self.is_stopped(worker) => self.stop(worker),
            Fault::Zombie if running => {
                let more = Span::from_millis(self.dice.faults.below(40_000));
                self.freeze(worker, self.plan.session.plus(more));
            }
            Fault::SlowLoop if running => {
                let session = self.plan.session.as_millis();
                let pause = Span::from_millis(self.dice.faults.below(session.min(5_000)));
                let until = self.now + pause;
                let process = &mut self.workers[worker];
                process.busy_until = process.busy_until.max(until);
            }
            Fault::Lost if running => {
                let Some((member, _)) = self.workers[worker].member else { return false };
                self.remove_member(member);
                self.fence(worker);
                let wait = Span::from_millis(self.dice.faults.below(1_500));
                let input = Input::Lost { member };
                self.schedule(self.now + wait, What::Input { worker, life, input });
            }
            Fault::Scale => self.scale(),
            Fault::Rebalance => self.plan_rebalance(),
            Fault::Retention => return self.delete(false),
            Fault::RetentionTooShort => return self.delete(true),
            Fault::MapDropped => return self.lose_metadata(false),
            Fault::MapForeign => return self.lose_metadata(true),
            Fault::ClockBack if running => self.shift_clock(worker, false),
            Fault::ClockAhead if running => self.shift_clock(worker, true),
            Fault::ClockUnusable if running => {
                let end = self.now + self.window();
                let input = Input::Signing(false);
                self.soon(What::Input { worker, life, input });
                let input = Input::Signing(true);
                self.schedule(end, What::Input { worker, life, input });
            }
            Fault::EntryChanges => return self.change_entry(),
            Fault::MerchantGone => {
                let merchant = self.dice.faults.index(self.plan.merchants);
                self.take_away(merchant);
            }
            Fault::DirectoryGone => {
                (0..self.plan.merchants).for_each(|merchant| self.take_away(merchant));
                if self.plan.merchants > 20 {
                    self.burst(150);
                }
            }
            Fault::Merchant => {
                let merchant = self.dice.faults.index(self.plan.merchants);
                let endpoint = u8::try_from(self.dice.faults.below(3)).unwrap();
                let manner = bad(&mut self.dice.faults);
                tell!(self, "e{endpoint} of m{merchant} is {manner:?} from now on");
                self.merchants.manners.insert((merchant, endpoint), manner);
                self.coverage.saw("merchant", "misbehaves");
            }
            Fault::Poison => {
                let kind = self.dice.faults.pick(&[Kind::NoEvent, Kind::Invalid, Kind::Tombstone]);
                self.publish_one(kind);
            }
            Fault::TooLarge => self.publish_one(Kind::Large),
            Fault::Burst => {
                let count = self.dice.faults.count(5, 40);
                self.burst(count);
            }
            Fault::Crash
            | Fault::Restart
            | Fault::Zombie
            | Fault::SlowLoop
            | Fault::Lost
            | Fault::ClockBack
            | Fault::ClockAhead
            | Fault::ClockUnusable => return false,
            fault => self.open_window(fault),
        }
        true
    }

    /// Many events at once, while the world has room for them.
    fn burst(&mut self, count: usize) {
        let room = MOST_EVENTS.saturating_sub(self.ledger.events.len());
        (0..count.min(room)).for_each(|_| self.publish_one(Kind::Event));
    }

    fn window(&mut self) -> Span {
        let longest = self.plan.horizon.as_millis().clamp(2_000, 120_000);
        Span::from_millis(self.dice.faults.between(100, longest))
    }

    /// A fault that lasts.
    fn open_window(&mut self, fault: Fault) {
        if fault == Fault::GradeRefused {
            let grades = self.plan.settings.ladder.grades();
            self.refused_grade = Some(grades[self.dice.faults.index(grades.len())]);
        }
        if fault == Fault::NetworkOutage {
            self.merchants.outage = true;
        }
        let until = self.now + self.window();
        if fault == Fault::NetworkOutage && self.plan.merchants > 20 {
            // With a burst of events, or nobody would notice.
            self.burst(60);
        }
        let known = self.windows.entry(fault).or_insert(until);
        *known = until.max(*known);
        let until = *known;
        self.schedule(until, What::WindowEnds(fault));
    }

    /// A fault that lasted is over.
    pub fn window_ends(&mut self, fault: Fault) {
        if self.is_on(fault) {
            return;
        }
        tell!(self, "{} is over", fault.word());
        if fault == Fault::NetworkOutage {
            self.merchants.outage = false;
        }
    }

    fn freeze(&mut self, worker: usize, pause: Span) {
        let process = &mut self.workers[worker];
        process.busy_until = process.busy_until.max(self.now + pause);
        process.frozen = true;
        if let Some((member, _)) = process.member {
            self.schedule(self.now + self.plan.session, What::SessionOver { member });
        }
    }

    fn scale(&mut self) {
        let worker = self.workers.len();
        if worker >= 6 {
            return;
        }
        self.workers.push(super::worker::Worker::new(&self.plan));
        self.workers[worker].returns = false;
        self.start(worker);
        let end = self.now + self.window();
        self.schedule(end, What::Stop { worker });
    }

    fn shift_clock(&mut self, worker: usize, ahead: bool) {
        let most = self.dice.faults.pick(&[200, 2_000, 20_000, 120_000]);
        // The estimate is never ahead for long: every answer of the broker corrects it. By more than
        // the smallest grade it would let go at once whatever is parked.
        let smallest = self.plan.settings.ladder.smallest().delay().as_millis();
        let most = if ahead { most.min(smallest / 2) } else { most };
        let error = self.dice.faults.below(most);
        self.clock_error = self.clock_error.max(error);
        let error = i64::try_from(error).unwrap();
        self.workers[worker].clock_offset = if ahead { error } else { -error };
        self.workers[worker].next_wake = None;
        self.plan_wake(worker);
    }

    fn some_partition(&mut self) -> Partition {
        let index = self.dice.faults.below(u64::try_from(self.plan.indexes).unwrap());
        let all = self.broker.of_index(i32::try_from(index).unwrap());
        // Completions as often as all the grades.
        if self.dice.faults.one_in(2) { all[0] } else { all[self.dice.faults.index(all.len())] }
    }

    fn delete(&mut self, unread_too: bool) -> bool {
        let partition = self.some_partition();
        let log = &self.broker.logs[&partition];
        let end = if unread_too { log.end } else { log.commit };
        if end <= log.start {
            return false;
        }
        let span = u64::try_from(end.0 - log.start.0).unwrap();
        let offset =
            Offset(log.start.0 + i64::try_from(self.dice.faults.between(1, span)).unwrap());
        tell!(self, "{partition} begins at {offset} from now on");
        self.delete_below(partition, offset);
        true
    }

    fn lose_metadata(&mut self, foreign: bool) -> bool {
        let partition = self.some_partition();
        let position = self.broker.logs[&partition].commit;
        let map = OffsetMap::from_runs([(Offset(position.0 + 1), Offset(position.0 + 3))]);
        let metadata = if foreign {
            match self.dice.faults.below(5) {
                0 => "somebody else's".to_owned(),
                1 => map.encode(CLUSTER, position).replacen('1', "9", 1),
                2 => map.encode("another-cluster", position),
                3 => map.encode(CLUSTER, position.next()),
                _ => format!("{}!", map.encode(CLUSTER, position)),
            }
        } else {
            String::new()
        };
        tell!(self, "the metadata of {partition} at {position} is now {metadata:?}");
        self.overwrite_metadata(partition, metadata);
        true
    }

    fn change_entry(&mut self) -> bool {
        let merchant = self.dice.faults.index(self.plan.merchants);
        let Some(before) = self.directory.newest(merchant).cloned() else { return false };
        let classes = self.plan.settings.classes.len();
        let dice = &mut self.dice.faults;
        let (entry, what) = changed(dice, self.now, merchant, &before, classes);
        tell!(self, "m{merchant} changes: {what}");
        self.coverage.saw("entry", what);
        self.set_entry(merchant, Some(entry));
        true
    }

    fn take_away(&mut self, merchant: usize) {
        if self.directory.newest(merchant).is_none() {
            return;
        }
        tell!(self, "m{merchant} leaves the directory");
        self.set_entry(merchant, None);
        let end = self.now + self.window();
        self.schedule(end, What::EntryBack { merchant });
    }

    /// A merchant comes back into the directory.
    pub fn entry_back(&mut self, merchant: usize) {
        if self.directory.newest(merchant).is_none()
            && let Some(entry) = self.directory.last_entry(merchant).cloned()
        {
            tell!(self, "m{merchant} is back in the directory");
            self.set_entry(merchant, Some(entry.as_ref().clone()));
        }
    }

    /// Every fault ends; from now on everything has to come to rest.
    pub fn heal(&mut self) {
        tell!(self, "HEALED");
        self.healed = Some(self.now);
        self.windows.values_mut().for_each(|until| *until = self.now);
        self.merchants.healed = true;
        for merchant in 0..self.plan.merchants {
            self.entry_back(merchant);
            let newest = self.directory.newest(merchant).unwrap();
            let well = healthy(newest);
            let same = newest.state == well.state
                && newest.endpoints.iter().zip(&well.endpoints).all(|(one, other)| {
                    one.state == other.state
                        && one.disabled == other.disabled
                        && one.policy.dialect == other.policy.dialect
                });
            if !same {
                self.set_entry(merchant, Some(well));
            }
        }
        for worker in 0..self.workers.len() {
            let life = self.workers[worker].life;
            self.soon(What::Input { worker, life, input: Input::Signing(true) });
            self.workers[worker].clock_offset = 0;
            self.workers[worker].next_wake = None;
            self.plan_wake(worker);
            if !self.workers[worker].running && self.workers[worker].returns {
                self.soon(What::Start { worker });
            }
        }
        self.deadline = self.now + self.patience();
    }

    /// How long everything may take to come to rest after the faults have ended, at most.
    pub fn patience(&self) -> Span {
        let settings = &self.plan.settings;
        let mut longest = settings.ladder.largest().delay().max(settings.unknown_merchant_grace);
        let mut slowest = Span::from_secs(1);
        let endpoints = self.directory.merchants.iter().flatten();
        let endpoints = endpoints.filter_map(|version| version.entry.as_ref());
        for endpoint in endpoints.flat_map(|entry| entry.endpoints.iter()) {
            let policy = &endpoint.policy;
            let interval = policy.intervals.iter().copied().max().unwrap_or_default();
            // Jitter may double it; and one more attempt may fail that began before.
            let again = interval.plus(interval).plus(policy.timeout);
            longest = longest.max(again).max(self.merchants.longest_asked.min(policy.max_age));
            if let Some(rate) = policy.rate {
                slowest = slowest.max(Span::from_millis(rate.interval_nanos() / 1_000_000));
            }
        }
        let clocks = Span::from_millis(self.clock_error);
        let group = self.plan.session.plus(self.plan.session).plus(Span::from_secs(120));
        let brake = if settings.flood_brake { Span::from_secs(600) } else { Span::ZERO };
        let open = self.ledger.open as u64 * 4 + 20;
        let work = Span::from_millis(slowest.as_millis().max(2_000) * open);
        let waits = Span::from_millis(longest.as_millis() * 4);
        waits.plus(clocks).plus(group).plus(brake).plus(work)
    }
}
