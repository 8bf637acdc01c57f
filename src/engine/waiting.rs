//! What waits in a lane, by the topic it came from and by age.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::DeliveryId;
use crate::model::{Source, Timestamp};

/// A delivery that waits: from where, since when its event is accepted, and which.
pub type Waits = (Source, Timestamp, DeliveryId);

/// Deliveries that wait for their turn, oldest acceptance first, by the topic they came from.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<Source, BTreeSet<(Timestamp, DeliveryId)>>);

impl Waiting {
    /// Adds one.
    pub fn push(&mut self, (source, accepted, delivery): Waits) {
        self.0.entry(source).or_default().insert((accepted, delivery));
    }

    /// Takes one out again; false if it does not wait here.
    pub fn remove(&mut self, (source, accepted, delivery): Waits) -> bool {
        let Some(queue) = self.0.get_mut(&source) else {
            return false;
        };
        let was_there = queue.remove(&(accepted, delivery));
        if queue.is_empty() {
            self.0.remove(&source);
        }
        was_there
    }

    /// The one accepted first.
    pub fn oldest(&self) -> Option<Waits> {
        let firsts = self.0.iter().filter_map(|(source, queue)| {
            queue.first().map(|(accepted, delivery)| (*accepted, *delivery, *source))
        });
        firsts.min().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// The one accepted last, of one topic or of any.
    pub fn newest(&self, of: Option<Source>) -> Option<Waits> {
        let lasts = self.0.iter().filter_map(|(source, queue)| {
            let (accepted, delivery) = queue.last()?;
            of.is_none_or(|wanted| wanted == *source).then_some((*accepted, *delivery, *source))
        });
        lasts.max().map(|(accepted, delivery, source)| (source, accepted, delivery))
    }

    /// Every one of them, by topic.
    pub fn iter(&self) -> impl Iterator<Item = Waits> + '_ {
        self.0.iter().flat_map(|(source, queue)| {
            queue.iter().map(|(accepted, delivery)| (*source, *accepted, *delivery))
        })
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// How many wait by the topic they came from.
    pub fn by_source(&self) -> impl Iterator<Item = (Source, usize)> + '_ {
        self.0.iter().map(|(source, queue)| (*source, queue.len()))
    }
}
