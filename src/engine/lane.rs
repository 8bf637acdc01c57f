//! One endpoint's queue inside a worker: what waits, what is in flight, how fast it drains.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bucket::Bucket,
    pace::Pace,
    returns::{Outlook, Returns},
};
use crate::model::{
    EndpointId, Grade, Ladder, MerchantId, Partition, Policy, Rate, Source, Span, Timestamp, Weight,
};

/// Number of a delivery, unique in the life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u64);

/// Which endpoint a lane belongs to; one lane per host where the event names the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// The merchant.
    pub merchant: MerchantId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The host of a `notify_url`.
    pub host: Option<String>,
}

/// What a policy says of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most attempts at a time.
    pub cap: u32,
    /// Most attempts in a time.
    pub rate: Option<Rate>,
    /// Turns beside other lanes.
    pub weight: Weight,
}

/// What one turn costs, in tenths of a turn.
pub const TURN: u32 = Weight::ONE.tenths();

/// The state of one lane.
#[derive(Debug)]
pub struct Lane {
    /// Whose it is.
    pub key: LaneKey,
    /// Partition number of its merchant.
    pub index: i32,
    /// Deliveries that wait for their turn, oldest acceptance first, by the topic they came from.
    waiting: BTreeMap<Source, BTreeSet<(Timestamp, DeliveryId)>>,
    /// Attempts running now.
    pub in_flight: u32,
    limits: Limits,
    bucket: Option<Bucket>,
    /// Whether the bucket is empty; a timer ends it.
    throttled: bool,
    /// When the bucket is to be looked at.
    wake: Option<Timestamp>,
    /// Tenths of turns that it may still take this round.
    pub credit: u32,
    /// Deliveries of this lane that were parked and have not come back.
    pub returns: Returns,
    /// How fast attempts end.
    pace: Pace,
    /// Whether it stands in the line of turns.
    pub in_line: bool,
}

impl From<&Policy> for Limits {
    fn from(policy: &Policy) -> Self {
        let Policy { max_in_flight, rate, weight, .. } = policy;
        Self { cap: *max_in_flight, rate: *rate, weight: *weight }
    }
}

impl Lane {
    /// An empty lane.
    pub fn new(key: LaneKey, index: i32, limits: Limits) -> Self {
        Self {
            key,
            index,
            waiting: BTreeMap::new(),
            in_flight: 0,
            limits,
            bucket: limits.rate.map(Bucket::new),
            throttled: false,
            wake: None,
            credit: 0,
            returns: Returns::default(),
            pace: Pace::default(),
            in_line: false,
        }
    }

    /// Adds a delivery that waits.
    pub fn push(&mut self, source: Source, accepted: Timestamp, delivery: DeliveryId) {
        self.waiting.entry(source).or_default().insert((accepted, delivery));
    }

    /// Takes a delivery out again; false if it does not wait here.
    pub fn remove(&mut self, source: Source, accepted: Timestamp, delivery: DeliveryId) -> bool {
        let Some(queue) = self.waiting.get_mut(&source) else {
            return false;
        };
        let was_there = queue.remove(&(accepted, delivery));
        if queue.is_empty() {
            self.waiting.remove(&source);
        }
        was_there
    }

    /// The delivery whose turn is next: the one accepted first.
    pub fn oldest(&self) -> Option<(Source, Timestamp, DeliveryId)> {
        let firsts = self.waiting.iter().filter_map(|(source, queue)| {
            queue.first().map(|(accepted, delivery)| (*accepted, *delivery, *source))
        });
        firsts.min().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// The delivery accepted last, of one topic or of any.
    pub fn newest(&self, of: Option<Source>) -> Option<(Source, Timestamp, DeliveryId)> {
        let lasts = self.waiting.iter().filter_map(|(source, queue)| {
            let (accepted, delivery) = queue.last()?;
            of.is_none_or(|wanted| wanted == *source).then_some((*accepted, *delivery, *source))
        });
        lasts.max().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// Whether nothing waits.
    pub fn has_nothing_waiting(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(BTreeSet::len).sum()
    }

    /// How many wait that came from this topic.
    pub fn waiting_from(&self, source: Source) -> usize {
        self.waiting.get(&source).map_or(0, BTreeSet::len)
    }

    /// The topics that something waiting came from.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + '_ {
        self.waiting.keys().map(|source| Partition { source: *source, index: self.index })
    }

    /// How many could start at once, had they slots.
    pub fn startable(&self) -> usize {
        if self.is_blocked() {
            return 0;
        }
        let room = self.limits.cap.saturating_sub(self.in_flight);
        self.waiting().min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Whether a waiting delivery could not start even if it were its turn.
    pub fn is_blocked(&self) -> bool {
        self.throttled || self.in_flight >= self.limits.cap
    }

    /// Whether nothing speaks of this lane any more, not even what was taken of its rate.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0
            && self.returns.total() == 0
            && self.wake.is_none()
            && self.waiting.is_empty()
    }

    /// What its policy says now.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Its policy has changed; what was taken of the rate stays taken.
    pub fn set_limits(&mut self, now: Timestamp, limits: Limits) {
        match (&mut self.bucket, limits.rate) {
            (Some(bucket), Some(rate)) => bucket.change(now, rate),
            (bucket, rate) => *bucket = rate.map(Bucket::new),
        }
        self.limits = limits;
        self.weigh(now);
    }

    /// Earns the turns of a round.
    pub fn next_round(&mut self) {
        self.credit = self.credit.saturating_add(self.limits.weight.tenths());
    }

    /// An attempt begins.
    pub fn start(&mut self, now: Timestamp) {
        self.in_flight += 1;
        self.credit = self.credit.saturating_sub(TURN);
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        self.weigh(now);
    }

    fn weigh(&mut self, now: Timestamp) {
        let bucket = self.bucket.as_ref();
        self.throttled = bucket.is_some_and(|bucket| bucket.empty_until(now).is_some());
    }

    /// What was started needs no attempt.
    pub fn cancel(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(bucket) = &mut self.bucket {
            bucket.give_back();
        }
    }

    /// When to look at the bucket, if no such look is arranged.
    pub fn arrange(&mut self, now: Timestamp) -> Option<Timestamp> {
        let bucket = self.bucket.as_ref()?;
        let at = bucket.empty_until(now).or_else(|| bucket.filling_until(now))?;
        if self.wake.is_some_and(|wake| wake <= at) {
            return None;
        }
        self.wake = Some(at);
        Some(at)
    }

    /// The time of an arranged look has come, if it is this one.
    pub fn look(&mut self, now: Timestamp) {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            self.weigh(now);
        }
    }

    /// An attempt of this lane ended.
    pub fn attempt_ended(&mut self, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pace.ended(now, self.in_flight == 0 && self.waiting.is_empty());
    }

    /// The grade on which one more delivery of this lane is best parked.
    pub fn parking_grade(
        &mut self,
        now: Timestamp,
        ladder: &Ladder,
        longest: Span,
        room: usize,
    ) -> Grade {
        let most = self.limits.rate.map_or(f64::INFINITY, Rate::per_second);
        let pace = self.pace.per_second().unwrap_or(f64::from(self.limits.cap));
        let outlook = Outlook { waiting: self.waiting(), room, per_second: pace.min(most) };
        self.returns.fitting(now, ladder, longest, outlook)
    }
}
