//! The model of a worker: what surrounds the engine in a real one, with the network in between.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use paynotify::{
    engine::{AttemptId, Commit, Engine, Epoch, RouteFailure, RouteId},
    model::{Offset, Partition, Span, Timestamp},
};

use super::{checks::LaneWatch, plan::Plan, world::Input};

/// A worker's process and its place in the group.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Worker {
    /// Counts its processes; what belongs to an older one is void.
    pub life: u32,
    /// Whether a process runs.
    pub running: bool,
    /// It comes back by itself.
    pub returns: bool,
    pub engine: Engine,
    /// How far its clock is ahead of the broker's, in milliseconds.
    pub clock_offset: i64,
    /// The latest broker time that it told.
    pub told: Timestamp,
    /// The loop stands still until then.
    pub busy_until: Timestamp,
    /// What the loop was told and has not taken, and when it looks again if it stands still.
    pub inbox: VecDeque<Input>,
    pub looks_at: Option<Timestamp>,
    /// Whole process stands still, not the loop alone.
    pub frozen: bool,
    /// Its member id and the generation that it knows.
    pub member: Option<(u32, u32)>,
    pub epoch: u64,
    /// Indexes that the group gave it and whose positions are not known yet.
    pub waiting: BTreeSet<i32>,
    /// What it may commit: the only proof of ownership.
    pub held: BTreeMap<Partition, Epoch>,
    pub reading: BTreeMap<Partition, Reading>,
    pub revoking: Option<Revoking>,
    /// The committer makes one request at a time, in order; true for those of a revoke.
    pub commit_queue: VecDeque<(Commit, bool)>,
    pub committing: bool,
    /// What is let go when the last commits are answered.
    pub releasing: Option<Revoking>,
    /// Messages of the group come in order.
    pub group_at: Timestamp,
    pub next_wake: Option<Timestamp>,
    pub attempts: BTreeMap<AttemptId, Running>,
    pub routes: BTreeMap<RouteId, ReadKey>,
    pub commits: BTreeSet<(Partition, Epoch)>,
    pub reads: BTreeMap<ReadKey, Read>,
    /// By the address of the content that was handed to the engine.
    pub by_content: HashMap<usize, ReadKey>,
    pub lanes: BTreeMap<(usize, u8), LaneWatch>,
    /// The version of each entry that it knows.
    pub entries: BTreeMap<usize, usize>,
    pub signing: bool,
    /// Whether it still works on what the group gave to others.
    pub fenced: bool,
    pub open_breakers: usize,
    /// What records might have when they last fitted.
    pub held_most: usize,
}

/// Where a record was read and under which assignment.
pub type ReadKey = (Partition, Epoch, Offset);

/// The reader of one partition.
#[derive(Debug)]
pub struct Reading {
    pub epoch: Epoch,
    pub next: Offset,
    pub wanted: bool,
    /// A batch is on its way.
    pub fetching: bool,
}

/// A record that was handed to the engine.
#[derive(Debug)]
pub struct Read {
    pub event: usize,
    /// Its place among the event's carriers.
    pub carrier: usize,
    pub appended: Timestamp,
    /// Deliveries acknowledged, and deliveries that the broker has elsewhere.
    pub done: u64,
    /// Records for all endpoints that the broker has elsewhere.
    pub copies: usize,
    /// Attempts that run.
    pub attempting: u64,
    /// Routes without an answer.
    pub routing: u64,
    /// Attempts made before it was read.
    pub attempts: u32,
    /// Attempts of this reading that failed: endpoint and number.
    pub ended: Vec<(u8, u32)>,
    /// Why its last route did not arrive.
    pub refused: Option<RouteFailure>,
    /// Keeps its address from being given to another.
    pub content: std::sync::Arc<paynotify::engine::Content>,
}

/// An attempt that runs.
#[derive(Debug)]
pub struct Running {
    pub read: ReadKey,
    pub lane: (usize, u8),
    pub event: usize,
    pub endpoint: u8,
    pub number: u32,
    pub policy: paynotify::model::Policy,
}

/// Indexes that the group asked back.
#[derive(Debug)]
pub struct Revoking {
    pub member: u32,
    pub round: u32,
    pub indexes: Vec<i32>,
    /// The worker leaves the group after this.
    pub leaves: bool,
}

impl Worker {
    /// A worker without a process yet.
    pub fn new(plan: &Plan) -> Self {
        let never = super::world::START;
        Self {
            life: 0,
            running: false,
            returns: true,
            engine: Engine::new(plan.settings.clone()),
            clock_offset: 0,
            told: never,
            busy_until: never,
            inbox: VecDeque::new(),
            looks_at: None,
            frozen: false,
            member: None,
            epoch: 0,
            waiting: BTreeSet::new(),
            held: BTreeMap::new(),
            reading: BTreeMap::new(),
            revoking: None,
            commit_queue: VecDeque::new(),
            committing: false,
            releasing: None,
            group_at: never,
            next_wake: None,
            attempts: BTreeMap::new(),
            routes: BTreeMap::new(),
            commits: BTreeSet::new(),
            reads: BTreeMap::new(),
            by_content: HashMap::new(),
            lanes: BTreeMap::new(),
            entries: BTreeMap::new(),
            signing: true,
            fenced: false,
            open_breakers: 0,
            held_most: 0,
        }
    }

    /// The process is gone, and all that it knew.
    pub fn die(&mut self, plan: &Plan) {
        let fresh = Self::new(plan);
        // A restarted process reads its clock anew.
        let (life, returns) = (self.life + 1, self.returns);
        *self = Self { life, returns, ..fresh };
    }

    /// Broker time as this worker tells it: never going back.
    pub fn tell_time(&mut self, now: Timestamp) -> Timestamp {
        self.told = self.told.max(shifted(now, self.clock_offset));
        self.told
    }

    /// When its clock will tell this time.
    pub fn when(&self, told: Timestamp, now: Timestamp) -> Timestamp {
        shifted(told, -self.clock_offset).max(now)
    }
}

/// A time moved by so many milliseconds.
pub fn shifted(at: Timestamp, millis: i64) -> Timestamp {
    let span = Span::from_millis(millis.unsigned_abs());
    if millis < 0 { at - span } else { at + span }
}
