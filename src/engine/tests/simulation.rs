//! Seeded random worlds: a broker that keeps what was acknowledged, merchants that answer as they
//! like, partitions that come and go. What the engine may assume of them is all that they keep to.

mod broker;
mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::broker::{all_owed, owed};
use super::scenario::*;
use crate::{engine::*, envelope::Envelope, model::*};

const SEEDS: u64 = 300;
const STEPS: u32 = 500;
const INDEXES: [i32; 2] = [0, 1];
const MERCHANTS: i32 = 4;

/// Xorshift: the same seed, the same world.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len as u64)).unwrap()
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.roll(count) == 0
    }
}

/// One record of a log of the model.
struct Kept {
    offset: Offset,
    appended: Timestamp,
    event: Arc<Event>,
    envelope: Envelope,
    /// A reader that begins at the commit does not work on it again.
    covered: bool,
}

type Owed = (String, String);

struct World {
    dice: Dice,
    bounds: Settings,
    engine: Engine,
    now: Timestamp,
    published: u64,
    logs: BTreeMap<Partition, Vec<Kept>>,
    commits: BTreeMap<Partition, (Offset, String)>,
    /// Held partitions: epoch, next offset to read, whether records are wanted.
    reading: BTreeMap<Partition, (Epoch, Offset, bool)>,
    epoch: u64,
    attempts: Vec<Attempt>,
    routes: Vec<Route>,
    asked: Vec<Commit>,
    /// Who has it, or where it was given up.
    done: BTreeSet<Owed>,
    /// When the attempt of a number first ended.
    ended: BTreeMap<(Owed, u32), Timestamp>,
    healed: bool,
    /// Whether reading ever stopped because enough waited for slots.
    sated: bool,
}

fn id_of(merchant: i32) -> String {
    format!("m{merchant}")
}

/// Merchant `n` has one to three endpoints; its schedule tells how it waits.
fn entry(merchant: i32, state: State) -> Merchant {
    let schedules: [&[u64]; 4] = [&[1, 5], &[2, 2, 7], &[5, 15, 30], &[]];
    let endpoints = (0..=merchant % 3).map(|number| {
        let schedule = schedules[usize::try_from(merchant + number).unwrap() % 4];
        let mut one = endpoint(&format!("e{number}"), policy(schedule));
        one.policy.max_in_flight = 1 + u32::try_from(number).unwrap() % 2;
        one.state = state;
        one
    });
    super::scenario::merchant(&id_of(merchant), endpoints.collect())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut bounds = settings();
        bounds.ladder = Ladder::new([5, 15, 30].map(Span::from_secs).to_vec()).unwrap();
        bounds.max_in_flight = 1 + dice.index(4);
        bounds.lane_records = 1 + dice.index(3);
        bounds.hold.records = 1 + dice.index(5);
        bounds.hold.bytes = if dice.one_in(3) { 2_000 } else { 1 << 20 };
        bounds.unknown_merchant_grace = seconds(40);
        let mut world = Self {
            engine: Engine::new(bounds.clone()),
            dice,
            bounds,
            now: START,
            published: 0,
            logs: BTreeMap::new(),
            commits: BTreeMap::new(),
            reading: BTreeMap::new(),
            epoch: 0,
            attempts: Vec::new(),
            routes: Vec::new(),
            asked: Vec::new(),
            done: BTreeSet::new(),
            ended: BTreeMap::new(),
            healed: false,
            sated: false,
        };
        for index in INDEXES {
            for partition in world.of_index(index) {
                world.logs.insert(partition, Vec::new());
                world.commits.insert(partition, (Offset(0), String::new()));
            }
        }
        for merchant in 0..MERCHANTS {
            world.know(merchant, State::Active);
        }
        world
    }

    fn of_index(&self, index: i32) -> Vec<Partition> {
        let grades = self.bounds.ladder.grades().iter().map(|grade| Source::Grade(*grade));
        let sources = std::iter::once(Source::Completions).chain(grades);
        sources.map(|source| Partition { source, index }).collect()
    }

    fn know(&mut self, merchant: i32, state: State) {
        let entry = entry(merchant, state);
        let id = entry.id.clone();
        self.engine.handle_merchant(self.now, &id, Some(Arc::new(entry)));
    }

    fn assign(&mut self, index: i32) {
        self.epoch += 1;
        for partition in self.of_index(index) {
            let (position, metadata) = self.commits[&partition].clone();
            let epoch = Epoch(self.epoch);
            self.reading.insert(partition, (epoch, position, false));
            let used =
                self.engine.handle_assigned(self.now, partition, epoch, position, Some(&metadata));
            used.unwrap();
        }
    }

    fn deliver(&mut self, partition: Partition) {
        let Some((epoch, next, true)) = self.reading.get(&partition).copied() else { return };
        let batch = 1 + self.dice.index(3);
        let log = &self.logs[&partition];
        let from = log.partition_point(|kept| kept.offset < next);
        for kept in log.iter().skip(from).take(batch) {
            let record = Record {
                partition,
                offset: kept.offset,
                appended: kept.appended,
                content: Arc::new(Content {
                    key: Some(bytes::Bytes::copy_from_slice(
                        kept.event.merchant.as_str().as_bytes(),
                    )),
                    value: Some(bytes::Bytes::from_static(b"{}")),
                    headers: Vec::new(),
                }),
                envelope: kept.envelope.clone(),
                event: Ok(Arc::clone(&kept.event)),
            };
            self.reading.get_mut(&partition).unwrap().1 = kept.offset.next();
            self.engine.handle_record(self.now, epoch, record);
        }
    }

    fn answer(&mut self) {
        if self.attempts.is_empty() {
            return;
        }
        let which = self.dice.index(self.attempts.len());
        let attempt = self.attempts.swap_remove(which);
        let well = self.healed || self.dice.one_in(2);
        let owed = owed(&attempt.event, &attempt.endpoint.id);
        if well {
            self.done.insert(owed.clone());
        }
        self.ended.entry((owed, attempt.number)).or_insert(self.now);
        let status = if well { 200 } else { 500 };
        let answer = Answer::of_status(status);
        let result = AttemptResult { started: self.now, ended: self.now, answer, key_id: None };
        self.engine.handle_attempted(self.now, attempt.id, result);
    }

    fn revoke(&mut self, index: i32) {
        let partitions = self.of_index(index);
        self.engine.begin_revoke(&partitions);
        self.settle();
        for _ in 0..self.dice.roll(12) {
            self.step_of_world();
        }
        if self.dice.one_in(3) {
            self.engine.handle_lost(&partitions);
        } else {
            let last = self.engine.finish_revoke(&partitions);
            // What waits is committed first; the last ones follow.
            while !self.asked.is_empty() {
                self.answer_commit();
            }
            for commit in last {
                if !self.dice.one_in(5) {
                    self.accept(&commit);
                }
            }
        }
        self.reading.retain(|partition, _| partition.index != index);
    }

    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        let next = self.engine.poll_timeout().filter(|_| self.dice.one_in(2));
        self.now = next.map_or(end, |at| at.min(end)).max(self.now);
        self.engine.handle_timeout(self.now);
    }

    /// Something that needs no rebalance.
    fn step_of_world(&mut self) {
        match self.dice.roll(12) {
            0 if !self.healed => self.publish(),
            1..=3 => {
                let partitions: Vec<_> = self.reading.keys().copied().collect();
                if !partitions.is_empty() {
                    let which = self.dice.index(partitions.len());
                    self.deliver(partitions[which]);
                }
            }
            4..=5 => self.answer(),
            6..=7 => self.answer_route(),
            8 => self.answer_commit(),
            9 => {
                let span = Span::from_millis(self.dice.roll(2_000));
                self.pass(span);
            }
            10 if !self.healed => self.change_directory(),
            _ => self.pass(Span::from_millis(50)),
        }
        self.settle();
    }

    fn change_directory(&mut self) {
        let merchant = i32::try_from(self.dice.roll(4)).unwrap();
        match self.dice.roll(12) {
            0 => {
                let id = MerchantId::parse(&id_of(merchant)).unwrap();
                self.engine.handle_merchant(self.now, &id, None);
            }
            1 => self.know(merchant, State::Paused),
            2 => self.know(merchant, State::Disabled),
            _ => self.know(merchant, State::Active),
        }
    }

    fn settle(&mut self) {
        let mut commands = 0..10_000;
        while let Some(command) = self.engine.poll_command(self.now) {
            commands.next().expect("commands end");
            match command {
                Command::Attempt(attempt) => self.begin(attempt),
                Command::Route(route) => self.routes.push(*route),
                Command::Commit(commit) => {
                    let twice = self.asked.iter().any(|other| {
                        (other.partition, other.epoch) == (commit.partition, commit.epoch)
                    });
                    assert!(!twice, "two commits of {} at a time", commit.partition);
                    self.asked.push(commit);
                }
                Command::Pause(partition) => self.want(partition, false),
                Command::Resume(partition) => self.want(partition, true),
                Command::Report(_) => {}
            }
        }
        self.check();
    }

    fn want(&mut self, partition: Partition, wanted: bool) {
        if let Some(reading) = self.reading.get_mut(&partition) {
            reading.2 = wanted;
        }
    }

    fn begin(&mut self, attempt: Attempt) {
        let owed = owed(&attempt.event, &attempt.endpoint.id);
        let policy = &attempt.endpoint.policy;
        if let Some(before) = attempt.number.checked_sub(2) {
            let interval = policy.intervals[usize::try_from(before).unwrap()];
            let ended = self.ended[&(owed, attempt.number - 1)];
            assert!(self.now >= ended + interval, "attempt {} is early", attempt.number);
        }
        self.attempts.push(attempt);
        assert!(self.attempts.len() <= self.bounds.max_in_flight, "too many slots");
        let last = self.attempts.last().unwrap();
        let same = self.attempts.iter().filter(|other| {
            other.endpoint.id == last.endpoint.id && other.event.merchant == last.event.merchant
        });
        assert!(same.count() <= last.endpoint.policy.max_in_flight as usize, "over the cap");
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            let index = INDEXES[self.dice.index(2)];
            let held = self.reading.keys().any(|partition| partition.index == index);
            match self.dice.roll(40) {
                0 if held => self.revoke(index),
                1..=8 if !held => self.assign(index),
                _ => {}
            }
            self.step_of_world();
        }
        self.heal();
    }

    fn heal(&mut self) {
        self.healed = true;
        for merchant in 0..MERCHANTS {
            self.know(merchant, State::Active);
        }
        for index in INDEXES {
            if self.reading.keys().all(|partition| partition.index != index) {
                self.assign(index);
            }
        }
        self.settle();
        for _ in 0..40_000 {
            if self.is_at_rest() {
                break;
            }
            self.step_of_world();
        }
        for (partition, log) in &self.logs {
            let open: Vec<_> = log.iter().filter(|kept| !kept.covered).map(|k| k.offset).collect();
            assert!(open.is_empty(), "{partition} does not come to rest: {open:?}");
        }
        for event in 1..=self.published {
            let kept = self.logs.values().flatten();
            let name = format!("evt_{event}");
            let event =
                &kept.into_iter().find(|kept| kept.event.id.as_str() == name).unwrap().event;
            for owed in all_owed(event) {
                assert!(self.done.contains(&owed), "{owed:?} was neither delivered nor given up");
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.logs.values().flatten().all(|kept| kept.covered)
    }
}

/// Little room for attempts and much for records, so that reading stops for want of slots.
fn world_of_few_slots(seed: u64) -> World {
    let mut world = World::new(seed);
    world.bounds.max_in_flight = 1;
    world.bounds.lane_records = 8;
    world.bounds.hold.records = 12;
    world.engine = Engine::new(world.bounds.clone());
    for merchant in 0..MERCHANTS {
        world.know(merchant, State::Active);
    }
    world
}

#[test]
fn reading_goes_on_in_every_world_where_it_stopped_for_want_of_slots() {
    let mut sated = 0;
    for seed in 1..=SEEDS {
        let run = std::panic::catch_unwind(|| {
            let mut world = world_of_few_slots(seed);
            world.run();
            world.sated
        });
        sated += u64::from(run.unwrap_or_else(|_| panic!("the world of seed {seed} went wrong")));
    }
    assert!(sated > SEEDS / 2, "only {sated} worlds had enough waiting");
}

#[test]
fn nothing_is_lost_early_or_over_a_bound_in_any_world() {
    for seed in 1..=SEEDS {
        let world = std::panic::catch_unwind(|| World::new(seed).run());
        assert!(world.is_ok(), "the world of seed {seed} went wrong, see above");
    }
}
