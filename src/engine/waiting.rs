//! What waits in a lane, by the topic it came from and by age.

use std::{collections::VecDeque, ops::AddAssign};

use super::lane::DeliveryId;
use crate::model::{Source, Timestamp};

/// A delivery that waits: from where, since when its event is accepted, and which.
pub type Waits = (Source, Timestamp, DeliveryId);

/// How many wait, and what their records cost to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Deliveries.
    pub records: usize,
    /// Bytes of their records.
    pub bytes: usize,
}

/// Deliveries that wait for their turn, oldest acceptance first, by the topic they came from. Most
/// lanes hold one delivery or none, and those that hold more get them in order and give them away at
/// the ends: so these are sorted rows and no trees.
#[derive(Debug, Default)]
pub struct Waiting(Vec<Queue>);

/// What came from one topic; never empty.
#[derive(Debug)]
struct Queue {
    source: Source,
    /// With the bytes of each.
    waiting: VecDeque<(Timestamp, DeliveryId, usize)>,
    bytes: usize,
}

impl Queue {
    /// Where a delivery is, or would be.
    fn place(&self, accepted: Timestamp, delivery: DeliveryId) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&(accepted, delivery), |(at, id, _)| (*at, *id))
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

impl Waiting {
    /// Adds one whose record costs so many bytes to hold.
    pub fn push(&mut self, (source, accepted, delivery): Waits, bytes: usize) {
        let at = self.0.binary_search_by_key(&source, |queue| queue.source).unwrap_or_else(|at| {
            self.0.insert(at, Queue { source, waiting: VecDeque::with_capacity(1), bytes: 0 });
            at
        });
        let queue = &mut self.0[at];
        match queue.place(accepted, delivery) {
            Ok(place) => {
                queue.bytes -= std::mem::replace(&mut queue.waiting[place].2, bytes);
            }
            Err(place) => queue.waiting.insert(place, (accepted, delivery, bytes)),
        }
        queue.bytes += bytes;
    }

    /// Takes one out again; false if it does not wait here.
    pub fn remove(&mut self, (source, accepted, delivery): Waits) -> bool {
        let Ok(at) = self.0.binary_search_by_key(&source, |queue| queue.source) else {
            return false;
        };
        let queue = &mut self.0[at];
        let Ok(place) = queue.place(accepted, delivery) else {
            return false;
        };
        if let Some((_, _, bytes)) = queue.waiting.remove(place) {
            queue.bytes -= bytes;
        }
        if queue.waiting.is_empty() {
            self.0.remove(at);
        }
        true
    }

    /// The one accepted first.
    pub fn oldest(&self) -> Option<Waits> {
        let firsts = self.0.iter().filter_map(|queue| {
            let (accepted, delivery, _) = queue.waiting.front()?;
            Some((*accepted, *delivery, queue.source))
        });
        firsts.min().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// The one accepted last, of one topic or of any.
    pub fn newest(&self, of: Option<Source>) -> Option<Waits> {
        let lasts = self.0.iter().filter_map(|queue| {
            let (accepted, delivery, _) = queue.waiting.back()?;
            let wanted = of.is_none_or(|wanted| wanted == queue.source);
            wanted.then_some((*accepted, *delivery, queue.source))
        });
        lasts.max().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// Every one of them, by topic.
    pub fn iter(&self) -> impl Iterator<Item = Waits> + '_ {
        self.0.iter().flat_map(|queue| {
            queue.waiting.iter().map(|(accepted, delivery, _)| (queue.source, *accepted, *delivery))
        })
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.iter().map(|queue| queue.waiting.len()).sum()
    }

    /// What waits by the topic it came from.
    pub fn by_source(&self) -> impl Iterator<Item = (Source, Load)> + '_ {
        self.0
            .iter()
            .map(|queue| (queue.source, Load { records: queue.waiting.len(), bytes: queue.bytes }))
    }
}
