//! One world: a virtual clock, and what happens in it in the order of its times.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use paynotify::{
    engine::{AttemptId, AttemptResult, Commit, Epoch, Route, RouteFailure, RouteId},
    model::{Grade, Merchant, Partition, Span, Timestamp},
};

use super::{
    broker::Broker,
    coverage::Coverage,
    dice::Dice,
    directory::{Directory, Version, entry},
    faults::Fault,
    group::Group,
    ledger::Ledger,
    merchants::{Merchants, Outcome, bad},
    plan::Plan,
    publisher::Kind,
    story::{Story, tell},
    worker::Worker,
};

/// When every world begins.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// No world needs more steps than this. Some need millions: on a grade of half a second a worker that
/// does not know yet that it is no member makes copies of copies.
const MOST_STEPS: u64 = 100_000_000;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Something that a worker's loop is told.
#[derive(Debug)]
pub enum Input {
    Records { partition: Partition, epoch: Epoch, records: Vec<usize> },
    End { partition: Partition, epoch: Epoch },
    Attempted { id: AttemptId, result: AttemptResult },
    Routed { id: RouteId, result: Result<(), RouteFailure> },
    Committed { commit: Commit, accepted: bool },
    Entry { merchant: usize, version: usize },
    Assigned { member: u32, indexes: Vec<i32> },
    Revoke { member: u32, indexes: Vec<i32>, round: u32 },
    RevokeDeadline { round: u32 },
    Lost { member: u32 },
    Signing(bool),
}

/// Something that happens.
#[derive(Debug)]
pub enum What {
    Publish,
    /// So many events of one merchant at once.
    Backlog {
        merchant: usize,
        events: usize,
    },
    Fault(usize),
    WindowEnds(Fault),
    Heal,
    Input {
        worker: usize,
        life: u32,
        input: Input,
    },
    Wake {
        worker: usize,
        life: u32,
    },
    Look {
        worker: usize,
        life: u32,
    },
    Fetch {
        worker: usize,
        life: u32,
        partition: Partition,
        epoch: Epoch,
    },
    Answer {
        worker: usize,
        life: u32,
        id: AttemptId,
        asked: Box<Asked>,
    },
    Produce {
        worker: usize,
        life: u32,
        route: Box<Route>,
        event: usize,
    },
    CommitSent {
        worker: usize,
        life: u32,
    },
    CommitAnswered {
        worker: usize,
        life: u32,
        commit: Commit,
        last: bool,
        taken: bool,
    },
    CommitArrives {
        worker: usize,
        life: u32,
        member: u32,
        generation: u32,
        commit: Commit,
        last: bool,
    },
    ReleaseDeadline {
        worker: usize,
        life: u32,
        round: u32,
    },
    Start {
        worker: usize,
    },
    Rebalance,
    SessionOver {
        member: u32,
    },
    Stop {
        worker: usize,
    },
    EntryBack {
        merchant: usize,
    },
}

/// A request on its way.
#[derive(Debug)]
pub struct Asked {
    pub event: usize,
    pub endpoint: u8,
    pub started: Timestamp,
    pub outcome: Outcome,
    /// The merchant gets it although the worker is dead by then.
    pub survives: bool,
}

struct Scheduled {
    at: Timestamp,
    number: u64,
    what: What,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Dice by subject.
pub struct AllDice {
    pub faults: Dice,
    pub events: Dice,
    pub merchants: Dice,
    pub directory: Dice,
    pub network: Dice,
    pub broker: Dice,
}

/// Everything there is.
pub struct World {
    pub plan: Plan,
    pub now: Timestamp,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub steps: u64,
    pub dice: AllDice,
    pub broker: Broker,
    pub group: Group,
    pub workers: Vec<Worker>,
    pub directory: Directory,
    pub merchants: Merchants,
    pub ledger: Ledger,
    pub coverage: Coverage,
    pub story: Story,
    pub violation: Option<Violation>,
    /// Until when each fault lasts.
    pub windows: BTreeMap<Fault, Timestamp>,
    pub refused_grade: Option<Grade>,
    /// The furthest that any clock was off, in milliseconds.
    pub clock_error: u64,
    pub healed: Option<Timestamp>,
    pub rested: Option<Timestamp>,
    pub deadline: Timestamp,
    /// Records that were open at once since the faults ended.
    most_open: usize,
    pub attempts: u64,
    pub routes: u64,
    pub answers_lost: u64,
    /// Bytes of the largest content.
    pub largest: usize,
}

impl World {
    /// The world of a plan, at its beginning.
    pub fn new(plan: Plan) -> Self {
        let dice = |subject| Dice::new(plan.seed, subject);
        let mut world = Self {
            now: START,
            queue: BinaryHeap::new(),
            scheduled: 0,
            steps: 0,
            dice: AllDice {
                faults: dice("when faults happen"),
                events: dice("events"),
                merchants: dice("merchants"),
                directory: dice("directory"),
                network: dice("network"),
                broker: dice("broker"),
            },
            broker: Broker::new(&plan),
            group: Group::new(plan.indexes),
            workers: Vec::new(),
            directory: Directory::default(),
            merchants: Merchants::of(&plan.settings.ladder),
            ledger: Ledger::default(),
            coverage: Coverage::default(),
            story: Story::default(),
            violation: None,
            windows: BTreeMap::new(),
            refused_grade: None,
            clock_error: 0,
            healed: None,
            rested: None,
            deadline: START,
            most_open: 0,
            attempts: 0,
            routes: 0,
            answers_lost: 0,
            largest: 0,
            plan,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        let classes = self.plan.settings.classes.len();
        for merchant in 0..self.plan.merchants {
            let entry = entry(&mut self.dice.directory, merchant, classes);
            for number in 0..u8::try_from(entry.endpoints.len()).unwrap() {
                if self.dice.merchants.percent(self.plan.bad_endpoints) {
                    let manner = bad(&mut self.dice.merchants);
                    self.merchants.manners.insert((merchant, number), manner);
                }
            }
            let first = Version { from: START, entry: Some(Arc::new(entry)) };
            self.directory.merchants.push(vec![first]);
        }
        for worker in 0..self.plan.workers {
            self.workers.push(Worker::new(&self.plan));
            let at = self.now + Span::from_millis(self.dice.network.below(3_000));
            self.schedule(at, What::Start { worker });
        }
        let horizon = self.plan.horizon.as_millis();
        for _ in 0..self.plan.events {
            let at = START + Span::from_millis(self.dice.events.below(horizon));
            self.schedule(at, What::Publish);
        }
        let mut dice = Dice::new(self.plan.seed, "times of faults");
        for number in 0..self.plan.fault_count {
            let at = START + Span::from_millis(dice.below(horizon));
            self.schedule(at, What::Fault(number));
        }
        self.schedule(START + self.plan.horizon, What::Heal);
    }

    /// Arranges that something happens.
    pub fn schedule(&mut self, at: Timestamp, what: What) {
        let number = self.scheduled;
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at, number, what }));
    }

    /// Arranges that something happens after the way of a message.
    pub fn soon(&mut self, what: What) {
        let way = self.way();
        self.schedule(self.now + way, what);
    }

    /// How long a message takes now.
    pub fn way(&mut self) -> Span {
        Span::from_millis(self.dice.network.between(0, self.plan.latency))
    }

    /// Whether a fault that lasts is on.
    pub fn is_on(&self, fault: Fault) -> bool {
        self.windows.get(&fault).is_some_and(|until| *until > self.now)
    }

    /// A promise was broken; the first one counts.
    pub fn fail(&mut self, invariant: &'static str, detail: String) {
        tell!(self, "BROKEN {invariant}: {detail}");
        self.violation.get_or_insert(Violation { invariant, detail });
    }

    /// An entry of the directory changes, and the workers hear of it sooner or later.
    pub fn set_entry(&mut self, merchant: usize, entry: Option<Merchant>) {
        let versions = &mut self.directory.merchants[merchant];
        versions.push(Version { from: self.now, entry: entry.map(Arc::new) });
        let version = versions.len() - 1;
        for worker in 0..self.workers.len() {
            let life = self.workers[worker].life;
            let lag = if self.dice.directory.one_in(8) { 5_000 } else { 100 };
            let lag = Span::from_millis(self.dice.directory.below(lag));
            let input = Input::Entry { merchant, version };
            self.schedule(self.now + lag, What::Input { worker, life, input });
        }
    }

    /// Lets the world run until it rests or breaks a promise.
    pub fn run(&mut self) {
        while self.violation.is_none() {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            if self.healed.is_some() && self.look_for_rest(next.at) {
                return;
            }
            self.now = self.now.max(next.at);
            self.steps += 1;
            if self.steps > MOST_STEPS {
                self.fail("L8", format!("the world does not rest after {MOST_STEPS} steps"));
            }
            self.happen(next.what);
        }
        if self.violation.is_none() && self.rested.is_none() {
            self.check_rest();
        }
    }

    /// Whether the world has come to rest, before what happens next.
    fn look_for_rest(&mut self, next: Timestamp) -> bool {
        let stopped = self.workers.iter().any(|worker| worker.busy_until > next);
        if self.healed.is_some() && self.ledger.open > self.most_open {
            // Who does not know yet that it lost its partitions goes on making copies.
            self.most_open = self.ledger.open;
            self.deadline = self.now + self.patience();
        }
        if self.ledger.open > 0 || stopped {
            self.rested = None;
        } else if self.rested.is_none() {
            self.rested = Some(self.now);
            tell!(self, "everything is resolved");
        }
        match self.rested {
            // What is on its way may arrive, so that what should not come has its chance.
            Some(rested) if next > rested + Span::from_secs(30) => {
                self.check_rest();
                true
            }
            None if next > self.deadline => {
                let open = self.describe_open();
                let healed = self.healed.unwrap_or(self.now);
                let detail =
                    format!("not at rest {} after healing: {open}", self.now.since(healed));
                self.fail("L8", detail);
                true
            }
            _ => false,
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Publish => self.publish_one(Kind::Event),
            What::Backlog { merchant, events } => {
                (0..events).for_each(|_| self.publish_of(merchant, Kind::Event));
            }
            What::Fault(number) => self.inject(number),
            What::WindowEnds(fault) => self.window_ends(fault),
            What::Heal => self.heal(),
            What::Input { worker, life, input } => self.input(worker, life, input),
            What::Wake { worker, life } => self.wake(worker, life),
            What::Look { worker, life } => self.read_inbox(worker, life),
            What::Fetch { worker, life, partition, epoch } => {
                self.fetch(worker, life, partition, epoch);
            }
            What::Answer { worker, life, id, asked } => self.answer(worker, life, id, *asked),
            What::Produce { worker, life, route, event } => {
                self.produce(worker, life, route, event);
            }
            What::CommitSent { worker, life } => self.commit_sent(worker, life),
            What::CommitAnswered { worker, life, commit, last, taken } => {
                self.commit_answered(worker, life, commit, last, taken);
            }
            What::CommitArrives { worker, life, member, generation, commit, last } => {
                self.commit_arrives(worker, life, (member, generation), commit, last);
            }
            What::ReleaseDeadline { worker, life, round } => {
                self.release_deadline(worker, life, round);
            }
            What::Start { worker } => self.start(worker),
            What::Rebalance => self.rebalance(),
            What::SessionOver { member } => self.session_over(member),
            What::Stop { worker } => self.stop(worker),
            What::EntryBack { merchant } => self.entry_back(merchant),
        }
    }
}
