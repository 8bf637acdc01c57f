//! The slots for attempts, and which class may take one: its own reserve first, then what nobody
//! reserved, then what others have reserved and do not want now.

mod suspects;

use std::collections::BTreeMap;

use self::suspects::Suspects;
use super::{backlog::Backlog, fair_queue::LaneId, returns::Parking};
use crate::model::{Class, ClassId, Grade, Method, Span, Timestamp};

/// How far an endpoint is trusted with slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trust {
    /// It acknowledged, last of all: it may borrow what others have reserved.
    Warm,
    /// Nothing is known of it.
    Cold,
    /// It failed last, or an attempt takes long: it shares a bounded number of slots.
    Suspect,
}

/// A place in the lines of turns: of two, the lower comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// When its oldest event was accepted, where that counts; else the same for all.
    accepted: Option<Timestamp>,
    /// Counted up with each turn that is given out.
    pub ticket: u64,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// In the line of which class.
    pub class: ClassId,
    /// Among whom.
    pub trust: Trust,
    /// At which place.
    pub turn: Turn,
}

/// All slots and everybody who waits for one.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    /// As configured: how many in all, those that nobody reserved, and those for suspects.
    all: usize,
    common: usize,
    in_flight: usize,
    suspects: Suspects,
    classes: Vec<Share>,
    /// The class that is asked first.
    first: usize,
}

/// One class.
#[derive(Debug)]
struct Share {
    class: Class,
    in_flight: usize,
    /// Of them, attempts of endpoints under suspicion.
    suspects: usize,
    startable: usize,
    backlog: Backlog,
    lines: [BTreeMap<Turn, LaneId>; 3],
}

/// Of which part a slot is, in the order in which they are given out.
enum Part {
    Own,
    Common,
    Lent,
}

/// What a lane takes and could take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demand {
    /// Attempts running.
    pub in_flight: usize,
    /// Attempts that could begin at once.
    pub startable: usize,
}

impl Slots {
    /// `limit` in all, of which endpoints under suspicion may take `suspects`, and no greater part of
    /// any reserve, of what nobody reserved, or of what a class may have at most.
    pub fn new(limit: usize, suspects: usize, classes: &[Class]) -> Self {
        let share = |class: &Class| Share {
            class: class.clone(),
            in_flight: 0,
            suspects: 0,
            startable: 0,
            backlog: Backlog::default(),
            lines: Default::default(),
        };
        let reserved: usize = classes.iter().map(|class| class.reserved).sum();
        Self {
            limit,
            all: limit,
            common: limit.saturating_sub(reserved),
            in_flight: 0,
            suspects: Suspects::new(suspects),
            classes: classes.iter().map(share).collect(),
            first: 0,
        }
    }

    /// So many in all from now on; what runs beyond them ends.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// A class that exists: an unknown one is the first.
    pub fn class(&self, class: ClassId) -> ClassId {
        if class.place() < self.classes.len() { class } else { ClassId::default() }
    }

    /// Which turn a lane gets that enters the line with this ticket.
    pub fn turn(&self, class: ClassId, accepted: Timestamp, ticket: u64) -> Turn {
        let by_age = self.classes[class.place()].class.method == Method::Fifo;
        Turn { accepted: by_age.then_some(accepted), ticket }
    }

    /// Stands in line.
    pub fn enter(&mut self, spot: Spot, lane: LaneId) {
        self.line(spot).insert(spot.turn, lane);
    }

    /// Leaves the line.
    pub fn leave(&mut self, spot: Spot) {
        self.line(spot).remove(&spot.turn);
    }

    /// Counts a lane's demand in.
    pub fn add(&mut self, class: ClassId, trust: Trust, demand: Demand) {
        let share = &mut self.classes[class.place()];
        share.in_flight += demand.in_flight;
        self.in_flight += demand.in_flight;
        if trust == Trust::Suspect {
            share.suspects += demand.in_flight;
            self.suspects.in_flight += demand.in_flight;
            self.suspects.startable += demand.startable;
        } else {
            share.startable += demand.startable;
        }
    }

    /// Counts a lane's demand out, as it was counted in.
    pub fn subtract(&mut self, class: ClassId, trust: Trust, demand: Demand) {
        let share = &mut self.classes[class.place()];
        share.in_flight -= demand.in_flight;
        self.in_flight -= demand.in_flight;
        if trust == Trust::Suspect {
            share.suspects -= demand.in_flight;
            self.suspects.in_flight -= demand.in_flight;
            self.suspects.startable -= demand.startable;
        } else {
            share.startable -= demand.startable;
        }
    }

    /// An attempt of this class ended that took so long, which is counted out already, of an endpoint so
    /// trusted when it ran.
    pub fn ended(&mut self, class: ClassId, trust: Trust, now: Timestamp, took: Span) {
        let share = &mut self.classes[class.place()];
        share.backlog.ended(now, share.in_flight == 0 && share.startable == 0);
        if trust == Trust::Suspect {
            let Suspects { in_flight, startable, .. } = self.suspects;
            self.suspects.backlog.ended(now, in_flight == 0 && startable == 0);
            self.suspects.ended(took);
        }
    }

    /// The grade for one more delivery that is sent away because it waits for a slot which its class,
    /// or the endpoints under suspicion, may have; `None` while nobody can tell.
    pub fn parking_grade(
        &mut self,
        class: ClassId,
        trust: Trust,
        now: Timestamp,
        parking: Parking<'_>,
    ) -> Option<Grade> {
        if trust == Trust::Suspect {
            let Suspects { limit, startable, .. } = self.suspects;
            return self.suspects.backlog.grade(now, parking, startable, Some(limit));
        }
        let share = &mut self.classes[class.place()];
        share.backlog.grade(now, parking, share.startable, None)
    }

    /// What was sent away of them, and how fast they work it off.
    pub fn backlog(&mut self, class: ClassId, trust: Trust) -> &mut Backlog {
        if trust == Trust::Suspect {
            return &mut self.suspects.backlog;
        }
        &mut self.classes[class.place()].backlog
    }

    /// Some of what was sent away comes back elsewhere.
    pub fn forget_returns(&mut self) {
        self.suspects.backlog.forget_returns();
        self.classes.iter_mut().for_each(|share| share.backlog.forget_returns());
    }

    /// The lane that may take the next slot, if any may.
    pub fn next(&mut self, now: Timestamp) -> Option<LaneId> {
        let (lane, place) = self.find(now)?;
        self.first = (place + 1) % self.classes.len();
        Some(lane)
    }

    /// Whether somebody waits who may take a slot now.
    pub fn has_next(&self, now: Timestamp) -> bool {
        self.find(now).is_some()
    }

    /// An attempt begins, of an endpoint so trusted.
    pub fn begun(&mut self, trust: Trust, now: Timestamp) {
        if trust == Trust::Suspect {
            self.suspects.begun(now);
        }
    }

    /// When more endpoints under suspicion may begin, if only a later step lets them; told once.
    pub fn next_suspects(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.suspects.next(now)
    }

    fn find(&self, now: Timestamp) -> Option<(LaneId, usize)> {
        if self.in_flight >= self.limit {
            return None;
        }
        let count = self.classes.len();
        // Where fewer slots are given out than there are, nothing is kept for who does not come, or an
        // idle reserve would leave nothing to anybody else.
        let whole = self.limit >= self.all;
        let reserved = |share: &Share| if whole { share.class.reserved } else { 0 };
        let kept: usize =
            self.classes.iter().map(|share| share.in_flight.max(reserved(share))).sum();
        let common = if whole { self.common } else { self.limit };
        let common_for_suspects = self.suspects_in_common() < self.for_suspects(common);
        for part in [Part::Own, Part::Common, Part::Lent] {
            for step in 0..count {
                let place = (self.first + step) % count;
                let share = &self.classes[place];
                let (may, for_suspects) = match part {
                    Part::Own => {
                        let reserved = share.class.reserved;
                        (share.in_flight < reserved, share.suspects < self.for_suspects(reserved))
                    }
                    Part::Common => (kept < self.limit, common_for_suspects),
                    // Whoever wanted a part of its own has it by now.
                    Part::Lent => (true, false),
                };
                let least = match part {
                    Part::Lent => Trust::Warm,
                    _ if for_suspects && self.has_room_for_suspects(share, now) => Trust::Suspect,
                    _ => Trust::Cold,
                };
                if let Some(lane) = Self::first_of(share, may, least) {
                    return Some((lane, place));
                }
            }
        }
        None
    }

    /// Attempts running now.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Attempts of endpoints under suspicion.
    pub fn suspects(&self) -> usize {
        self.suspects.in_flight
    }

    /// Deliveries that wait for nothing but a slot, those under suspicion aside.
    pub fn startable(&self) -> usize {
        self.classes.iter().map(|share| share.startable).sum()
    }

    /// Whether a class could have slots of its own reserve and has nothing to do with them.
    pub fn has_hungry(&self) -> bool {
        let hungry = |share: &Share| share.in_flight + share.startable < share.class.reserved;
        self.classes.iter().any(hungry)
    }

    /// Whether a class has more to do than slots while another has more slots than to do.
    pub fn is_held_back(&self, class: ClassId) -> bool {
        let share = &self.classes[class.place()];
        share.startable > 0 && self.has_hungry()
    }

    /// Whether classes are to be told apart.
    pub fn has_reserves(&self) -> bool {
        self.classes.iter().any(|share| share.class.reserved > 0)
    }

    /// Every class with its attempts running and those that could begin.
    pub fn classes(&self) -> impl Iterator<Item = (&Class, Demand)> {
        self.classes.iter().map(|share| {
            let Share { in_flight, startable, .. } = *share;
            (&share.class, Demand { in_flight, startable })
        })
    }

    fn has_room_for_suspects(&self, share: &Share, now: Timestamp) -> bool {
        self.suspects.may_begin(now) && share.suspects < self.for_suspects(share.class.most)
    }

    /// Those that are more than their class's reserve has for them.
    fn suspects_in_common(&self) -> usize {
        let own = |share: &Share| self.for_suspects(share.class.reserved);
        self.classes.iter().map(|share| share.suspects.saturating_sub(own(share))).sum()
    }

    /// How many of so many slots endpoints under suspicion may take: one at least, or nothing would
    /// ever clear them.
    fn for_suspects(&self, slots: usize) -> usize {
        let part = slots.min(self.all) * self.suspects.limit / self.all.max(1);
        part.max(usize::from(slots > 0))
    }

    /// The first lane of a class, up to a degree of trust, if it may have more slots.
    fn first_of(share: &Share, may: bool, least: Trust) -> Option<LaneId> {
        if !may || share.in_flight >= share.class.most {
            return None;
        }
        let lines = [Trust::Warm, Trust::Cold, Trust::Suspect].into_iter();
        let lines = lines.filter(|trust| *trust <= least);
        let firsts = lines.filter_map(|trust| share.lines[trust as usize].first_key_value());
        firsts.min_by_key(|(turn, _)| **turn).map(|(_, lane)| *lane)
    }

    fn line(&mut self, spot: Spot) -> &mut BTreeMap<Turn, LaneId> {
        &mut self.classes[spot.class.place()].lines[spot.trust as usize]
    }
}

#[cfg(test)]
mod tests;
