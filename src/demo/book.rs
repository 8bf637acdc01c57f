//! What was published, and what became of each event.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::cast::{Manner, Player};
use crate::{kafka::reader::StoredRecord, model::Offset};

/// The account of one demonstration.
pub struct Book {
    merchants: Vec<Player>,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    events: HashMap<String, Entry>,
    letters: HashSet<(i32, Offset)>,
    attempts: u64,
    invented: u64,
    altered: u64,
    forged: u64,
}

struct Entry {
    merchant: usize,
    body: Vec<u8>,
    published: Instant,
    attempts: u32,
    acknowledged: u32,
    dead: u32,
    took: Option<Duration>,
}

/// How one manner stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Events acknowledged.
    pub delivered: u64,
    /// Events neither acknowledged nor dead.
    pub waiting: u64,
    /// Events dead-lettered.
    pub dead: u64,
    /// From publishing to the first acknowledgement, of every delivered event.
    pub took: Vec<Duration>,
}

/// The sum of all events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    published: u64,
    acknowledged: u64,
    dead: u64,
    both: u64,
    unsettled: u64,
    repeated: u64,
    attempts: u64,
    invented: u64,
    altered: u64,
    forged: u64,
}

impl Book {
    /// An empty account of these merchants.
    pub fn new(merchants: Vec<Player>) -> Self {
        Self { merchants, pages: Mutex::default() }
    }

    /// Everybody who plays.
    pub fn merchants(&self) -> &[Player] {
        &self.merchants
    }

    /// Before an event is given to the broker.
    pub fn published(&self, id: String, merchant: usize, body: Vec<u8>) {
        let published = Instant::now();
        let entry =
            Entry { merchant, body, published, attempts: 0, acknowledged: 0, dead: 0, took: None };
        self.pages().events.insert(id, entry);
    }

    /// A request arrived; how many times this event has been tried now, or none when it must not
    /// have come.
    pub fn arrived(&self, id: &str, merchant: usize, body: &[u8], signed: bool) -> Option<u32> {
        let mut pages = self.pages();
        pages.attempts += 1;
        if !signed {
            pages.forged += 1;
            return None;
        }
        match pages.events.get_mut(id) {
            Some(entry) if entry.merchant == merchant && entry.body == body => {
                entry.attempts += 1;
                return Some(entry.attempts);
            }
            Some(entry) if entry.merchant == merchant => pages.altered += 1,
            _ => pages.invented += 1,
        }
        None
    }

    /// A merchant answers 200.
    pub fn acknowledged(&self, id: &str) {
        if let Some(entry) = self.pages().events.get_mut(id) {
            entry.acknowledged += 1;
            entry.took.get_or_insert_with(|| entry.published.elapsed());
        }
    }

    /// A dead letter was read; the same coordinates count once.
    pub fn dead(&self, record: &StoredRecord) {
        let mut pages = self.pages();
        let at = &record.coordinates;
        if !pages.letters.insert((at.partition, at.offset)) {
            return;
        }
        let value = record.value.as_deref().unwrap_or_default();
        let parsed = serde_json::from_slice::<serde_json::Value>(value).unwrap_or_default();
        let id = parsed["id"].as_str().unwrap_or_default();
        match pages.events.get_mut(id) {
            Some(entry) if entry.body == value => {
                let key = self.merchants[entry.merchant].id.as_bytes();
                entry.dead += 1;
                pages.altered += u64::from(record.key.as_deref() != Some(key));
            }
            Some(_) => pages.altered += 1,
            None => pages.invented += 1,
        }
    }

    /// How each manner stands, in the order of [`Manner::ALL`].
    pub fn standings(&self) -> Vec<(Manner, Standing)> {
        let pages = self.pages();
        let mut standings = Manner::ALL.map(|manner| (manner, Standing::default()));
        for entry in pages.events.values() {
            let manner = self.merchants[entry.merchant].manner;
            let Some((_, of)) = standings.iter_mut().find(|(found, _)| *found == manner) else {
                continue;
            };
            match (entry.took, entry.dead) {
                (Some(took), _) => {
                    of.delivered += 1;
                    of.took.push(took);
                }
                (None, 0) => of.waiting += 1,
                (None, _) => of.dead += 1,
            }
        }
        standings.into()
    }

    /// The sum as it is now.
    pub fn sum(&self) -> Sum {
        let pages = self.pages();
        let mut sum = Sum {
            published: pages.events.len() as u64,
            attempts: pages.attempts,
            invented: pages.invented,
            altered: pages.altered,
            forged: pages.forged,
            ..Sum::default()
        };
        for entry in pages.events.values() {
            match (entry.acknowledged > 0, entry.dead > 0) {
                (true, false) => sum.acknowledged += 1,
                (false, true) => sum.dead += 1,
                (true, true) => sum.both += 1,
                (false, false) => sum.unsettled += 1,
            }
            sum.repeated += u64::from(entry.acknowledged.saturating_sub(1));
            sum.repeated += u64::from(entry.dead.saturating_sub(1));
        }
        sum
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sum {
    /// Events that are neither acknowledged nor dead.
    pub fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Whether nothing was lost, invented or altered. Repetitions are allowed: delivery is at
    /// least once.
    pub fn is_right(&self, interrupted: bool) -> bool {
        let settled = interrupted || (self.unsettled == 0 && self.published > 0);
        settled && self.invented == 0 && self.altered == 0 && self.forged == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "published      {:>6}", self.published)?;
        writeln!(f, "acknowledged   {:>6}", self.acknowledged)?;
        writeln!(f, "dead-lettered  {:>6}", self.dead)?;
        writeln!(f, "both           {:>6}  answered after the worker had given up", self.both)?;
        writeln!(f, "unsettled      {:>6}", self.unsettled)?;
        writeln!(f, "invented       {:>6}", self.invented)?;
        writeln!(f, "altered        {:>6}", self.altered)?;
        writeln!(f, "badly signed   {:>6}", self.forged)?;
        write!(f, "repeated       {:>6}  of {} attempts", self.repeated, self.attempts)
    }
}
