//! The model of a consumer group: members, generations, sessions, and rebalances that take back what
//! moves (cooperative) or everything (eager).

use std::collections::{BTreeMap, BTreeSet};

use paynotify::model::Span;

use super::{
    story::tell,
    world::{Input, What, World},
};

/// A member as the coordinator knows it.
#[derive(Debug, Clone)]
pub struct Member {
    pub worker: usize,
    pub life: u32,
}

/// What the coordinator knows.
#[derive(Debug)]
pub struct Group {
    pub generation: u32,
    pub members: BTreeMap<u32, Member>,
    /// Who has each index.
    pub owners: Vec<Option<u32>>,
    next_member: u32,
    running: Option<Running>,
    round: u32,
    /// Somebody came or went since the last rebalance began.
    dirty: bool,
    planned: bool,
}

/// A rebalance that waits for members to give back.
#[derive(Debug)]
struct Running {
    round: u32,
    waiting: BTreeSet<u32>,
    target: Vec<Option<u32>>,
    eager: bool,
}

impl Group {
    /// Nobody has anything.
    pub fn new(indexes: i32) -> Self {
        Self {
            generation: 0,
            members: BTreeMap::new(),
            owners: vec![None; usize::try_from(indexes).unwrap()],
            next_member: 1,
            running: None,
            round: 0,
            dirty: false,
            planned: false,
        }
    }

    /// Whether requests of this member are taken.
    pub fn is_current(&self, member: u32, generation: u32) -> bool {
        generation == self.generation && self.members.contains_key(&member)
    }

    /// The indexes of a member.
    pub fn indexes_of(&self, member: u32) -> Vec<i32> {
        let owned = (0..).zip(&self.owners).filter(|(_, owner)| **owner == Some(member));
        owned.map(|(index, _)| index).collect()
    }

    /// Who shall have what: as before where that is even.
    fn target(&self) -> Vec<Option<u32>> {
        let members: Vec<u32> = self.members.keys().copied().collect();
        if members.is_empty() {
            return vec![None; self.owners.len()];
        }
        let most = self.owners.len().div_ceil(members.len());
        let mut load: BTreeMap<u32, usize> = members.iter().map(|member| (*member, 0)).collect();
        let mut target = vec![None; self.owners.len()];
        for (at, owner) in self.owners.iter().enumerate() {
            if let Some(count) = owner.and_then(|owner| load.get_mut(&owner))
                && *count < most
            {
                *count += 1;
                target[at] = *owner;
            }
        }
        for place in target.iter_mut().filter(|place| place.is_none()) {
            let least = load.iter().min_by_key(|(member, count)| (**count, **member));
            let least = *least.unwrap().0;
            *load.get_mut(&least).unwrap() += 1;
            *place = Some(least);
        }
        target
    }
}

impl World {
    /// A worker enters the group.
    pub fn join(&mut self, worker: usize) {
        let life = self.workers[worker].life;
        let member = self.group.next_member;
        self.group.next_member += 1;
        self.group.members.insert(member, Member { worker, life });
        self.workers[worker].member = Some((member, 0));
        tell!(self, "w{worker} joins as member {member}");
        self.plan_rebalance();
    }

    /// Somebody came or went: a rebalance begins soon.
    pub fn plan_rebalance(&mut self) {
        self.group.dirty = true;
        if !self.group.planned && self.group.running.is_none() {
            self.group.planned = true;
            let wait = Span::from_millis(self.dice.network.below(1_000));
            self.schedule(self.now + wait, What::Rebalance);
        }
    }

    /// A rebalance begins.
    pub fn rebalance(&mut self) {
        self.group.planned = false;
        self.group.dirty = false;
        self.group.round += 1;
        let (round, target) = (self.group.round, self.group.target());
        let eager = self.plan.eager;
        self.coverage.saw("group", if eager { "eager" } else { "cooperative" });
        if !eager {
            self.next_generation();
        }
        let mut waiting = BTreeSet::new();
        let members: Vec<(u32, Member)> =
            self.group.members.iter().map(|(id, member)| (*id, member.clone())).collect();
        for (member, Member { worker, life }) in members {
            let mut indexes = self.group.indexes_of(member);
            if !eager {
                indexes.retain(|index| target[usize::try_from(*index).unwrap()] != Some(member));
            }
            if indexes.is_empty() {
                continue;
            }
            tell!(self, "round {round}: w{worker} (member {member}) is to give back {indexes:?}");
            waiting.insert(member);
            let input = Input::Revoke { member, indexes, round };
            self.group_says(worker, life, input);
        }
        self.group.running = Some(Running { round, waiting, target, eager });
        self.finish_rebalance();
    }

    /// A member gave back what it was to give back.
    pub fn gave_back(&mut self, member: u32, round: u32) {
        if let Some(running) = &mut self.group.running
            && running.round == round
        {
            running.waiting.remove(&member);
            self.finish_rebalance();
        }
    }

    fn finish_rebalance(&mut self) {
        let Some(running) = self.group.running.take_if(|running| running.waiting.is_empty()) else {
            return;
        };
        self.next_generation();
        let before = std::mem::take(&mut self.group.owners);
        let alive = |owner: &u32| self.group.members.contains_key(owner);
        let owners: Vec<_> = running.target.iter().map(|owner| owner.filter(alive)).collect();
        self.group.owners.clone_from(&owners);
        let members: Vec<(u32, Member)> =
            self.group.members.iter().map(|(id, member)| (*id, member.clone())).collect();
        for (member, Member { worker, life }) in members {
            let mut indexes = self.group.indexes_of(member);
            if !running.eager {
                indexes.retain(|index| before[usize::try_from(*index).unwrap()] != Some(member));
            }
            if !indexes.is_empty() {
                let input = Input::Assigned { member, indexes };
                self.group_says(worker, life, input);
            }
        }
        tell!(self, "generation {}: {owners:?}", self.group.generation);
        if self.group.dirty || owners.contains(&None) && !self.group.members.is_empty() {
            self.plan_rebalance();
        }
    }

    /// Messages of the group come in order.
    fn group_says(&mut self, worker: usize, life: u32, input: Input) {
        let way = self.way();
        let process = &mut self.workers[worker];
        process.group_at = process.group_at.max(self.now + way);
        let at = process.group_at;
        self.schedule(at, What::Input { worker, life, input });
    }

    /// Members learn of it with the answer to their join.
    fn next_generation(&mut self) {
        self.group.generation += 1;
        for (id, member) in &self.group.members {
            let process = &mut self.workers[member.worker];
            if process.life == member.life && process.member.is_some_and(|(own, _)| own == *id) {
                process.member = Some((*id, self.group.generation));
            }
        }
    }

    /// The session of a member is over, unless it has shown life since.
    pub fn session_over(&mut self, member: u32) {
        let Some(Member { worker, life }) = self.group.members.get(&member).cloned() else {
            return;
        };
        let process = &self.workers[worker];
        let alive = process.life == life && process.member.is_some_and(|(own, _)| own == member);
        if alive && !self.is_stopped(worker) {
            return;
        }
        tell!(self, "the session of member {member} (w{worker}) is over");
        self.coverage.saw("group", "session over");
        self.remove_member(member);
        if alive {
            self.fence(worker);
            // It learns of it with its next heartbeat.
            let wait = Span::from_millis(self.dice.network.below(1_500));
            let at = self.workers[worker].busy_until + wait;
            self.schedule(at, What::Input { worker, life, input: Input::Lost { member } });
        }
    }

    /// A member is no more; what it had goes to others.
    pub fn remove_member(&mut self, member: u32) {
        if self.group.members.remove(&member).is_none() {
            return;
        }
        for owner in &mut self.group.owners {
            if *owner == Some(member) {
                *owner = None;
            }
        }
        if let Some(running) = &mut self.group.running {
            running.waiting.remove(&member);
        }
        self.plan_rebalance();
        self.finish_rebalance();
    }
}
