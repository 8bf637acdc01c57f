//! One endpoint's queue inside a worker: what waits, what is in flight, how fast it drains.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{EndpointId, MerchantId, Partition, Source, Span, Timestamp};

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
    /// Most attempts at a time.
    pub cap: u32,
    /// Deliveries of this lane that were parked and have not come back.
    pub parked: u64,
    /// How fast attempts end.
    pace: Pace,
    /// Whether it stands in the line of turns.
    pub in_line: bool,
}

/// Ended attempts per second, measured over windows of a second or more.
#[derive(Debug, Default)]
struct Pace {
    window_start: Option<Timestamp>,
    ended: u64,
    per_second: Option<f64>,
}

impl Lane {
    /// An empty lane.
    pub fn new(key: LaneKey, index: i32, cap: u32) -> Self {
        Self {
            key,
            index,
            waiting: BTreeMap::new(),
            in_flight: 0,
            cap,
            parked: 0,
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
        let room = self.cap.saturating_sub(self.in_flight);
        self.waiting().min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Whether a waiting delivery could not start even if it were its turn.
    pub fn is_capped(&self) -> bool {
        self.in_flight >= self.cap
    }

    /// Whether nothing speaks of this lane any more.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.parked == 0 && self.waiting.is_empty()
    }

    /// An attempt of this lane ended.
    pub fn attempt_ended(&mut self, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // The first end only opens the window: nothing is known of the time before it.
        let Some(window_start) = self.pace.window_start else {
            self.pace.window_start = Some(now);
            return;
        };
        self.pace.ended += 1;
        let window = now.since(window_start);
        if window >= Span::from_secs(1) {
            #[expect(clippy::cast_precision_loss, reason = "attempts in a window are few")]
            let measured = self.pace.ended as f64 / window.as_secs_f64();
            let before = self.pace.per_second.unwrap_or(measured);
            self.pace.per_second = Some(f64::midpoint(before, measured));
            self.pace.window_start = Some(now);
            self.pace.ended = 0;
        }
    }

    /// How long one more parked delivery would wait for its turn.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a wait that is cut to minutes"
    )]
    pub fn estimated_wait(&self) -> Span {
        let rate = self.pace.per_second.unwrap_or(f64::from(self.cap)).max(0.01);
        Span::from_millis(((self.parked + 1) as f64 / rate * 1_000.0) as u64)
    }
}
