//! What all endpoints under suspicion have and want together.

use crate::{
    engine::backlog::Backlog,
    model::{Span, Timestamp},
};

/// What waits of theirs begins in so many steps, evenly: when hundreds are due at a time, those that are
/// well would have to wait until the processors are through with all of them.
const STEPS: usize = 10;
/// The time between two of them: each wakes whoever makes attempts.
const STEP: Span = Span::from_millis(5);
/// So many may begin in one however few wait,
const FEW: usize = 5;
/// and at most so many however many wait,
const AT_ONCE: usize = 40;
/// or one for so many of their slots.
const SLOTS_FOR_ONE: usize = 12;
/// Nor is one kept waiting for longer after the one before it.
const WIDEST: Span = Span::from_millis(10);
/// How much an attempt counts beside those before it: one of so many.
const MEMORY: u64 = 8;

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
    /// When the present step began, and how many began in it.
    begun: (Timestamp, usize),
    /// How long attempts take of late.
    takes: Option<Span>,
    /// The step that was told of last.
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
            takes: None,
            told: None,
        }
    }

    /// One begins.
    pub fn begun(&mut self, now: Timestamp) {
        if now >= self.begun.0 + STEP {
            self.begun = (now, 0);
        }
        self.begun.1 += 1;
    }

    /// An attempt ended that took so long.
    pub fn ended(&mut self, took: Span) {
        let mean = |before: Span| {
            let (before, took) = (before.as_millis(), took.as_millis());
            Span::from_millis(before - before / MEMORY + took / MEMORY)
        };
        self.takes = Some(self.takes.map_or(took, mean));
    }

    /// Whether one more may begin now.
    pub fn may_begin(&self, now: Timestamp) -> bool {
        self.has_slots() && !self.is_spent(now)
    }

    /// When one more may begin, if only a later step lets it; told once.
    pub fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.startable > 0 && self.has_slots() && self.is_spent(now);
        let next = self.begun.0 + self.apart().max(STEP);
        let next = Some(next).filter(|next| waits && self.told != Some(*next));
        self.told = next.or(self.told);
        next
    }

    fn has_slots(&self) -> bool {
        self.in_flight < self.limit
    }

    fn is_spent(&self, now: Timestamp) -> bool {
        let (since, count) = self.begun;
        if now >= since + STEP {
            return now < since + self.apart();
        }
        let most = AT_ONCE.max(self.limit / SLOTS_FOR_ONE).min(self.freed_in_a_step());
        count >= (self.startable + count).div_ceil(STEPS).max(FEW).min(most)
    }

    /// How many slots become free in a step when all are taken, rounded up.
    fn freed_in_a_step(&self) -> usize {
        let count = |span: Span| usize::try_from(span.as_millis()).unwrap_or(usize::MAX);
        self.limit.saturating_mul(count(STEP)).div_ceil(count(self.takes()).max(1))
    }

    /// The time in which one slot becomes free when all are taken: attempts that hang and began
    /// together would end together, and the next begin together, for good.
    fn apart(&self) -> Span {
        let slots = u64::try_from(self.limit).unwrap_or(u64::MAX).max(1);
        Span::from_millis(self.takes().as_millis() / slots).min(WIDEST)
    }

    fn takes(&self) -> Span {
        self.takes.unwrap_or(Span::ZERO)
    }
}
