//! What waits in a lane, by the topic it came from and by age.

use std::{collections::BTreeMap, ops::AddAssign};

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

/// Deliveries that wait for their turn, oldest acceptance first, by the topic they came from.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<Source, Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// With the bytes of each.
    waiting: BTreeMap<(Timestamp, DeliveryId), usize>,
    bytes: usize,
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
        let queue = self.0.entry(source).or_default();
        let before = queue.waiting.insert((accepted, delivery), bytes);
        queue.bytes += bytes;
        queue.bytes -= before.unwrap_or_default();
    }

    /// Takes one out again; false if it does not wait here.
    pub fn remove(&mut self, (source, accepted, delivery): Waits) -> bool {
        let Some(queue) = self.0.get_mut(&source) else {
            return false;
        };
        let bytes = queue.waiting.remove(&(accepted, delivery));
        queue.bytes -= bytes.unwrap_or_default();
        if queue.waiting.is_empty() {
            self.0.remove(&source);
        }
        bytes.is_some()
    }

    /// The one accepted first.
    pub fn oldest(&self) -> Option<Waits> {
        let firsts = self.0.iter().filter_map(|(source, queue)| {
            let ((accepted, delivery), _) = queue.waiting.first_key_value()?;
            Some((*accepted, *delivery, *source))
        });
        firsts.min().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// The one accepted last, of one topic or of any.
    pub fn newest(&self, of: Option<Source>) -> Option<Waits> {
        let lasts = self.0.iter().filter_map(|(source, queue)| {
            let ((accepted, delivery), _) = queue.waiting.last_key_value()?;
            of.is_none_or(|wanted| wanted == *source).then_some((*accepted, *delivery, *source))
        });
        lasts.max().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// Every one of them, by topic.
    pub fn iter(&self) -> impl Iterator<Item = Waits> + '_ {
        self.0.iter().flat_map(|(source, queue)| {
            queue.waiting.keys().map(|(accepted, delivery)| (*source, *accepted, *delivery))
        })
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.values().map(|queue| queue.waiting.len()).sum()
    }

    /// What waits by the topic it came from.
    pub fn by_source(&self) -> impl Iterator<Item = (Source, Load)> + '_ {
        self.0.iter().map(|(source, queue)| {
            (*source, Load { records: queue.waiting.len(), bytes: queue.bytes })
        })
    }
}
