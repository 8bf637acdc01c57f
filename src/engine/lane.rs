//! One endpoint's queue inside a worker: what waits, what is in flight, how fast it drains, and how
//! far it is trusted.

use super::{
    breaker::{Breaker, BreakerSettings, State, ramped},
    bucket::Bucket,
    pace::Pace,
    returns::{Parking, Returns},
    slots::{Demand, Spot, Trust},
    waiting::{Waiting, Waits},
};
use crate::model::{ClassId, EndpointId, Grade, MerchantId, Policy, Rate, Span, Timestamp, Weight};

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
    /// Whose slots it takes.
    pub class: ClassId,
}

/// What one turn costs, in tenths of a turn.
pub const TURN: u32 = Weight::ONE.tenths();

/// An endpoint that gets probes alone gets one at least so often while something waits.
const PROBE: Span = Span::from_secs(1);
/// An attempt is taken to last so long where an endpoint seems unwell, and nowhere longer.
const UNWELL: Span = Span::from_secs(1);
/// A failure is remembered for so long although nothing else speaks of the lane.
const MEMORY: Span = Span::from_secs(600);
/// A parked delivery that is so late is not expected any more: it went another way.
const LOST: Span = Span::from_secs(3_600);

/// The state of one lane.
#[derive(Debug)]
pub struct Lane {
    /// Whose it is.
    pub key: LaneKey,
    /// Partition number of its merchant.
    pub index: i32,
    /// Deliveries that wait for their turn.
    pub waiting: Waiting,
    /// Attempts running now.
    pub in_flight: u32,
    /// Attempts running for longer than is usual.
    slow: u32,
    limits: Limits,
    bucket: Option<Bucket>,
    breaker: Breaker,
    record: Record,
    last_start: Timestamp,
    /// Attempts that may begin now beside those that run.
    room: u32,
    /// When the lane is to be looked at.
    wake: Option<Timestamp>,
    /// Tenths of turns that it may still take this round.
    pub credit: u32,
    /// The last place in line that it was given.
    pub ticket: u64,
    /// Where it stands in line.
    pub spot: Option<Spot>,
    /// Deliveries of this lane that were parked and have not come back.
    pub returns: Returns,
    /// How fast attempts end.
    pace: Pace,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The endpoint has it.
    pub acknowledged: bool,
    /// How long it ran.
    pub took: Span,
    /// It ran longer than is usual, and was told so.
    pub was_slow: bool,
    /// It says something about the endpoint.
    pub counts: bool,
}

/// How attempts have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Unknown,
    Acknowledged,
    Failed { at: Timestamp },
}

impl From<&Policy> for Limits {
    fn from(policy: &Policy) -> Self {
        let Policy { max_in_flight, rate, weight, class, .. } = policy;
        Self { cap: *max_in_flight, rate: *rate, weight: *weight, class: *class }
    }
}

impl Lane {
    /// An empty lane.
    pub fn new(key: LaneKey, index: i32, limits: Limits) -> Self {
        Self {
            key,
            index,
            waiting: Waiting::default(),
            in_flight: 0,
            slow: 0,
            limits,
            bucket: limits.rate.map(Bucket::new),
            breaker: Breaker::default(),
            record: Record::Unknown,
            last_start: Timestamp::from_millis(0),
            room: limits.cap,
            wake: None,
            credit: 0,
            ticket: 0,
            spot: None,
            returns: Returns::default(),
            pace: Pace::default(),
        }
    }

    /// What it takes and could take of the slots.
    pub fn demand(&self) -> Demand {
        let startable = self.waiting.len().min(self.room as usize);
        Demand { in_flight: self.in_flight as usize, startable }
    }

    /// How far it is trusted.
    pub fn trust(&self) -> Trust {
        match self.record {
            _ if self.slow > 0 || self.breaker.is_open() => Trust::Suspect,
            Record::Failed { .. } => Trust::Suspect,
            Record::Unknown => Trust::Cold,
            Record::Acknowledged => Trust::Warm,
        }
    }

    /// Whether a waiting delivery could not start even if it were its turn.
    pub fn is_blocked(&self) -> bool {
        self.room == 0
    }

    /// Whether it gets probes alone.
    pub fn is_open(&self) -> bool {
        self.breaker.is_open()
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
    pub fn set_limits(&mut self, now: Timestamp, limits: Limits, breaker: &BreakerSettings) {
        match (&mut self.bucket, limits.rate) {
            (Some(bucket), Some(rate)) => bucket.change(now, rate),
            (bucket, rate) => *bucket = rate.map(Bucket::new),
        }
        self.limits = limits;
        self.weigh(now, breaker);
    }

    /// Earns the turns of a round.
    pub fn next_round(&mut self) {
        self.credit = self.credit.saturating_add(self.limits.weight.tenths());
    }

    /// Adds a delivery that waits, with the bytes of its record.
    pub fn push(&mut self, now: Timestamp, waits: Waits, bytes: usize, breaker: &BreakerSettings) {
        self.waiting.push(waits, bytes);
        if self.room == 0 {
            self.weigh(now, breaker);
        }
    }

    /// An attempt begins.
    pub fn start(&mut self, now: Timestamp, waits: Waits, breaker: &BreakerSettings) {
        self.waiting.remove(waits);
        self.in_flight += 1;
        self.last_start = now;
        self.credit = self.credit.saturating_sub(TURN);
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        self.weigh(now, breaker);
    }

    /// What was started needs no attempt.
    pub fn cancel(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.room += 1;
        if let Some(bucket) = &mut self.bucket {
            bucket.give_back();
        }
    }

    /// An attempt takes longer than is usual.
    pub fn slowed(&mut self) {
        self.slow += 1;
    }

    /// An attempt of this lane ended.
    pub fn attempt_ended(&mut self, now: Timestamp, end: End, breaker: &BreakerSettings) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.slow = self.slow.saturating_sub(u32::from(end.was_slow));
        if end.counts {
            let failed = Record::Failed { at: now };
            self.record = if end.acknowledged { Record::Acknowledged } else { failed };
            let was_open = self.breaker.is_open();
            self.breaker.ended(now, end.acknowledged, breaker);
            if was_open && !self.breaker.is_open() {
                // Of probes that failed: it says nothing of what the endpoint can do now.
                self.pace = Pace::default();
            }
        }
        let allowed = self.allowed(now, breaker);
        // Where fewer may run than the policy says, more could end. While what runs since before a
        // recovery leaves no room, nothing is known of what the endpoint can do now.
        let stands_for = f64::from(self.limits.cap) / f64::from(allowed);
        let held_up = self.waiting.is_empty() || self.in_flight >= allowed;
        self.pace.ended(now, stands_for, held_up);
        self.weigh(now, breaker);
    }

    /// When to look at the lane, if no such look is arranged.
    pub fn arrange(&mut self, now: Timestamp) -> Option<Timestamp> {
        let bucket = self.bucket.as_ref();
        let token = bucket.and_then(|one| one.empty_until(now).or_else(|| one.filling_until(now)));
        let at = [token, self.next_probe(now), self.next_step(now)];
        let at = at.into_iter().flatten().min().or_else(|| self.remembered_until(now))?;
        if self.wake.is_some_and(|wake| wake <= at) {
            return None;
        }
        self.wake = Some(at);
        Some(at)
    }

    /// The time of an arranged look has come, if it is this one.
    pub fn look(&mut self, now: Timestamp, breaker: &BreakerSettings) {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            self.weigh(now, breaker);
        }
    }

    /// The grade on which one more delivery of this lane is best parked.
    pub fn parking_grade(&mut self, now: Timestamp, parking: Parking<'_>) -> Grade {
        let most = self.limits.rate.map_or(f64::INFINITY, Rate::per_second);
        let per_second = self.expected_pace(now).min(most);
        self.returns.forget(now, LOST);
        // On the ramp it will do more than it does now: what is early finds room.
        self.returns.fitting(now, parking, (self.waiting.len(), per_second), Span::ZERO)
    }

    /// Attempts that end each second where as many run as the policy says. Where nothing is known,
    /// rather too many: what comes back too early is sent back again, what comes back too late is late.
    fn expected_pace(&self, now: Timestamp) -> f64 {
        let each_takes = match self.record {
            Record::Acknowledged => Span::ZERO,
            Record::Failed { .. } if self.breaker.is_on_ramp() => Span::ZERO,
            // What runs began no later than the last, and has not ended.
            Record::Unknown if self.slow == 0 && self.in_flight > 0 => {
                now.since(self.last_start).min(UNWELL)
            }
            Record::Unknown if self.slow == 0 => Span::ZERO,
            Record::Unknown | Record::Failed { .. } => UNWELL,
        };
        let unmeasured = f64::from(self.limits.cap) / each_takes.as_secs_f64();
        self.pace.per_second().unwrap_or(unmeasured)
    }

    /// How many attempts may run.
    fn allowed(&mut self, now: Timestamp, breaker: &BreakerSettings) -> u32 {
        let cap = self.limits.cap;
        match self.breaker.state(now, breaker) {
            State::Closed => cap,
            State::Ramp { since } => ramped(cap, now.since(since), breaker.ramp),
            State::Open if now >= self.last_start + PROBE => cap.min(self.in_flight + 1),
            State::Open => 1,
        }
    }

    /// Finds how many attempts may begin.
    fn weigh(&mut self, now: Timestamp, breaker: &BreakerSettings) {
        let allowed = self.allowed(now, breaker);
        let empty = self.bucket.as_ref().is_some_and(|bucket| bucket.empty_until(now).is_some());
        self.room = if empty { 0 } else { allowed.saturating_sub(self.in_flight) };
    }

    /// While something waits for a probe, its chance comes every second.
    fn next_probe(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.breaker.is_open() && !self.waiting.is_empty();
        let next = self.last_start + PROBE;
        waits.then(|| if next > now { next } else { now + PROBE })
    }

    /// The ramp rises by the second, also while no attempt ends.
    fn next_step(&self, now: Timestamp) -> Option<Timestamp> {
        self.breaker.is_on_ramp().then(|| now + PROBE)
    }

    fn remembered_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.record {
            Record::Failed { at } if at + MEMORY > now => Some(at + MEMORY),
            _ => None,
        }
    }
}
