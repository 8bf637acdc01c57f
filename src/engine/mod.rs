//! Decides everything, touches nothing: no I/O, no clock, no randomness, no logging, no async.
//!
//! # How to call it
//!
//! [`Engine`] is a state machine. The caller tells it what the world reports, with the broker time
//! at which it did, and then does what it says:
//!
//! 1. `handle_*` for everything that happened: partitions were assigned ([`Engine::handle_assigned`])
//!    or lost, a record was read ([`Engine::handle_record`]), an attempt ended
//!    ([`Engine::handle_attempted`]), a route was answered ([`Engine::handle_routed`]), a commit was
//!    answered ([`Engine::handle_committed`]), the directory changed ([`Engine::handle_merchant`]).
//! 2. [`Engine::poll_command`] until it returns `None`, executing each [`Command`]. Commands are
//!    started, not awaited; `Attempt`, `Route` and `Commit` are answered later by their `handle_*`,
//!    each exactly once.
//! 3. [`Engine::poll_timeout`] says when to call [`Engine::handle_timeout`] if nothing else happens.
//!
//! To give partitions back: [`Engine::begin_revoke`], steps 1–3 until [`Engine::is_drained`] or the
//! caller's deadline, then [`Engine::finish_revoke`], which returns the last commits. Answers that
//! come later change nothing, since their work is of an older [`Epoch`].
//!
//! Time never goes backwards between calls. Every call is bounded by what it was given.

mod addressee;
mod assignment;
mod backlog;
mod blocked;
mod brake;
mod breaker;
mod bucket;
mod command;
mod deliver;
mod endpoint_health;
mod fair_queue;
mod hold;
mod impatient;
mod intake;
mod lane;
mod latency;
mod ledger;
mod numbered;
mod offset_map;
mod pace;
mod park_reason;
mod report;
mod returns;
mod route;
mod schedule;
mod settle;
mod slots;
mod slow;
mod spill;
mod status;
mod timers;
mod tls_fault;
mod verdict;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

pub use brake::Braked;
pub use breaker::BreakerSettings;
pub use command::*;
pub use endpoint_health::{Ended, EndpointHealth, EndpointKey, Finding, Patience};
pub use hold::HoldBounds;
pub use lane::LaneKey;
pub use offset_map::{Ignored, METADATA_LIMIT, OffsetMap};
pub use park_reason::ParkReason;
pub use schedule::hops;
pub use status::{ClassStatus, LaneStatus, PartitionStatus, Status};
pub use tls_fault::TlsFault;
pub use verdict::{Body, Verdict, judge, judge_body};

use self::{
    brake::Brake,
    fair_queue::{FairQueue, Place},
    hold::{HeldBytes, Hold},
    impatient::Impatient,
    lane::DeliveryId,
    numbered::Numbered,
    slots::Slots,
    slow::Slow,
    timers::{Timer, Timers},
};
use crate::{
    envelope::Envelope,
    model::{
        Class, Endpoint, Grade, Ladder, Merchant, MerchantId, Named, Partition, Source, Span,
        Timestamp,
    },
};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Id of the cluster, written into the metadata of commits.
    pub cluster: String,
    /// The delay topics.
    pub ladder: Ladder,
    /// Attempts at a time in all.
    pub max_in_flight: usize,
    /// Attempts at a time of endpoints under suspicion: failed last, or slow now.
    pub max_suspects: usize,
    /// Who has which part of the slots; policies name a class by its place here. Never empty.
    pub classes: Vec<Class>,
    /// When an endpoint gets probes alone.
    pub breaker: BreakerSettings,
    /// Whether an outage of ours stops the giving up of events.
    pub flood_brake: bool,
    /// Deliveries that may wait in one lane.
    pub lane_records: usize,
    /// Bounds on what is held.
    pub hold: HoldBounds,
    /// How long an event of an unknown merchant stays on the ladder.
    pub unknown_merchant_grace: Span,
    /// The longest grade on which something is parked.
    pub longest_parking: Span,
    /// A finished offset is committed at the latest after this.
    pub commit_interval: Span,
    /// A partition with so many finished offsets is committed at once.
    pub commit_every: u32,
    /// Every held partition is committed again after this, moved or not.
    pub commit_refresh: Span,
}

/// The longest grade for a full lane.
const FULL_LANE_PARKING: Span = Span::from_secs(600);
/// Deliveries of an event that lag behind a resolved one by this are routed.
const FAN_OUT_PATIENCE: Span = Span::from_secs(1);
/// So many deliveries for every slot that wait for nothing else are enough: what is read earlier
/// only grows cold in memory.
const READ_AHEAD: usize = 4;
/// A refused commit is tried again after this.
const COMMIT_AGAIN: Span = Span::from_millis(500);

/// Decides about every record of the partitions that it holds.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    directory: Named<MerchantId, Arc<Merchant>>,
    /// What its merchants take.
    directory_bytes: usize,
    holds: BTreeMap<Partition, Hold>,
    held: HeldBytes,
    paused: BTreeSet<Partition>,
    /// Boxed: a table of them as they are would stand still for long whenever it grows.
    deliveries: Numbered<DeliveryId, Box<Delivery>>,
    next_delivery: u64,
    lanes: FairQueue,
    attempts: Numbered<AttemptId, InFlight>,
    slow: Slow,
    brake: Brake,
    next_attempt: u64,
    routes: Numbered<RouteId, DeliveryId>,
    next_route: u64,
    timers: Timers,
    commands: VecDeque<Command>,
    /// Partitions whose blocked records are to be weighed.
    unbalanced: BTreeSet<Partition>,
    /// Lanes that get probes alone and hold what has waited for too long.
    impatient: Impatient,
    /// When what had to wait for the next millisecond is looked at again.
    back_at: Option<Timestamp>,
    /// Deliveries whose route the broker would not take.
    stuck: BTreeSet<DeliveryId>,
    attempting: bool,
    /// Whether reading stopped because enough waits for slots.
    sated: bool,
    /// Whether a class has nothing to do with its reserve.
    hungry: bool,
}

/// One event for one endpoint, or one event whose endpoints are not known yet.
#[derive(Debug)]
struct Delivery {
    record: Arc<Record>,
    epoch: Epoch,
    envelope: Envelope,
    endpoint: Option<Arc<Endpoint>>,
    due: Timestamp,
    /// When it came into its lane.
    queued: Timestamp,
    stage: Stage,
    /// Routes in a row that the broker did not take.
    failures: u32,
}

impl Delivery {
    /// The grade on which it was parked last. After an attempt a grade may stand in its schedule.
    fn parked_on(&self) -> Option<Grade> {
        match self.record.partition.source {
            Source::Grade(grade) if self.envelope.attempts == 0 => Some(grade),
            _ => None,
        }
    }
}

/// What a delivery is waiting for.
#[derive(Debug)]
enum Stage {
    /// For its time.
    Resting,
    /// For its turn.
    Queued(Place),
    /// For the merchant.
    Attempting,
    /// For the broker.
    Routing(Destination),
    /// To be routed again.
    RoutingAgain(Destination),
}

#[derive(Debug)]
struct InFlight {
    lane: fair_queue::LaneId,
    delivery: DeliveryId,
    endpoint: Arc<Endpoint>,
    /// It runs longer than is usual.
    is_slow: bool,
}

impl Engine {
    /// An engine that holds nothing and knows nobody.
    pub fn new(settings: Settings) -> Self {
        let Settings { max_in_flight, max_suspects, classes, .. } = &settings;
        let slots = Slots::new(*max_in_flight, *max_suspects, classes);
        Self {
            directory: Named::default(),
            directory_bytes: 0,
            holds: BTreeMap::new(),
            held: HeldBytes::new(settings.hold.beside(0)),
            paused: BTreeSet::new(),
            deliveries: Numbered::default(),
            next_delivery: 0,
            lanes: FairQueue::new(slots, settings.breaker),
            attempts: Numbered::default(),
            slow: Slow::default(),
            brake: Brake::new(settings.flood_brake, settings.longest_parking),
            next_attempt: 0,
            routes: Numbered::default(),
            next_route: 0,
            timers: Timers::default(),
            commands: VecDeque::new(),
            unbalanced: BTreeSet::new(),
            impatient: Impatient::default(),
            back_at: None,
            stuck: BTreeSet::new(),
            attempting: true,
            sated: false,
            hungry: false,
            settings,
        }
    }

    /// A merchant is new or has changed (`Some`), or is gone (`None`). Deliveries in flight end
    /// under the entry with which they began; those that wait begin under the new one.
    pub fn handle_merchant(
        &mut self,
        now: Timestamp,
        id: &MerchantId,
        merchant: Option<Arc<Merchant>>,
    ) {
        let new = merchant.as_ref().map_or(0, |merchant| merchant.footprint());
        let old = match merchant {
            Some(merchant) => {
                self.renew_lanes(now, &merchant);
                self.directory.insert(id.clone(), merchant)
            }
            None => self.directory.remove(id),
        };
        self.directory_bytes += new;
        self.directory_bytes -= old.map_or(0, |merchant| merchant.footprint());
        self.share_memory();
    }

    /// A merchant as it is known now.
    pub fn merchant(&self, id: &MerchantId) -> Option<&Arc<Merchant>> {
        self.directory.get(id)
    }

    /// How many merchants are known.
    pub fn merchants(&self) -> usize {
        self.directory.len()
    }

    /// Attempts running now, late ones of partitions given back included.
    pub fn in_flight(&self) -> usize {
        self.lanes.slots().in_flight()
    }

    /// Whether new attempts may begin; for a clock that cannot be trusted to sign.
    pub fn allow_attempts(&mut self, allowed: bool) {
        self.attempting = allowed;
    }

    /// What to do next; `None` when all is done for now.
    pub fn poll_command(&mut self, now: Timestamp) -> Option<Command> {
        if self.commands.is_empty() {
            self.start_attempts(now);
            self.park_impatient(now);
            self.balance(now);
            self.read_on();
        }
        self.commands.pop_front()
    }

    /// When [`Engine::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Due(delivery) => self.release(now, delivery),
                Timer::FanOut { partition, epoch, offset } => {
                    self.route_laggards(now, partition, epoch, offset);
                }
                Timer::RouteAgain(delivery) => self.route_again(delivery),
                Timer::Lane(lane) => self.look_at_lane(now, lane),
                // Whoever asks for the next command lets it begin.
                Timer::Start => {}
                Timer::Slow => self.look_for_slow(now),
                Timer::Commit { partition, epoch } => self.commit_if_due(now, partition, epoch),
                Timer::Refresh { partition, epoch } => self.refresh_commit(now, partition, epoch),
            }
        }
    }
}

#[cfg(test)]
mod tests;
