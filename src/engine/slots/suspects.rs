//! What all endpoints under suspicion have and want together.

use crate::{
    engine::backlog::Backlog,
    model::{Span, Timestamp},
};

/// What waits of theirs begins over so many milliseconds, evenly: when hundreds are due at a time,
/// those that are well would have to wait until the processors are through with all of them.
const SPREAD: usize = 50;
/// At most so many may begin in one,
const AT_ONCE: usize = 8;
/// or one for so many of their slots.
const SLOTS_FOR_ONE: usize = 64;

/// Counts, and how many began of late.
#[derive(Debug)]
pub struct Suspects {
    /// Most attempts at a time.
    pub limit: usize,
    /// Attempts running.
    pub in_flight: usize,
    /// Deliveries that wait for nothing but a slot.
    pub startable: usize,
    /// Those that were sent away.
    pub backlog: Backlog,
    /// How many began in this millisecond.
    begun: (Timestamp, usize),
    /// The millisecond that was told of last.
    told: Option<Timestamp>,
}

impl Suspects {
    /// Nobody is under suspicion.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: 0,
            startable: 0,
            backlog: Backlog::default(),
            begun: (Timestamp::from_millis(0), 0),
            told: None,
        }
    }

    /// One begins.
    pub fn begun(&mut self, now: Timestamp) {
        if self.begun.0 != now {
            self.begun = (now, 0);
        }
        self.begun.1 += 1;
    }

    /// Whether one more may begin now.
    pub fn may_begin(&self, now: Timestamp) -> bool {
        self.has_slots() && !self.is_spent(now)
    }

    /// When one more may begin, if only the next millisecond lets it; told once.
    pub fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.startable > 0 && self.has_slots() && self.is_spent(now);
        let next =
            Some(now + Span::from_millis(1)).filter(|next| waits && self.told != Some(*next));
        self.told = next.or(self.told);
        next
    }

    fn has_slots(&self) -> bool {
        self.in_flight < self.limit
    }

    fn is_spent(&self, now: Timestamp) -> bool {
        let (at, count) = self.begun;
        let most = AT_ONCE.max(self.limit / SLOTS_FOR_ONE);
        at == now && count >= (self.startable + count).div_ceil(SPREAD).min(most)
    }
}
