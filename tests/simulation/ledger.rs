//! The truth about every event, kept apart from what the engine believes.

use std::{collections::BTreeMap, sync::Arc};

use paynotify::{
    engine::Content,
    event::Undecodable,
    model::{Event, Offset, Partition, Span, Timestamp},
};

use super::directory::{Directory, ENDPOINTS, Owed, owed};

/// The longest that a change of the directory takes to reach a worker.
pub const DIRECTORY_LAG: Span = Span::from_secs(10);

/// A record that carries an event, for one endpoint or for all.
#[derive(Debug, Clone)]
pub struct Carrier {
    pub partition: Partition,
    pub offset: Offset,
    pub endpoint: Option<u8>,
    /// Whoever begins at the commit does not work on it again.
    pub covered: bool,
}

/// One published record.
#[derive(Debug)]
pub struct Truth {
    pub merchant: usize,
    pub event: Result<Arc<Event>, Undecodable>,
    pub content: Arc<Content>,
    /// The ladder does not take it for its size.
    pub large: bool,
    /// Its place on completions.
    pub partition: Partition,
    pub offset: Offset,
    pub accepted: Timestamp,
    /// How often each endpoint acknowledged it.
    pub acknowledged: [u32; ENDPOINTS],
    /// Attempts begun for each endpoint.
    pub attempts: [u32; ENDPOINTS],
    /// When each endpoint's first attempt began, as its worker told the time.
    pub first: BTreeMap<u8, Timestamp>,
    /// Endpoints for which it was given up; `None` stands for all.
    pub dead: Vec<Option<u8>>,
    /// Every record that carries or carried it.
    pub carriers: Vec<Carrier>,
    /// No attempt of this number begins earlier.
    pub not_before: BTreeMap<(u8, u32), Timestamp>,
    /// Attempts of this number that began.
    pub numbers: BTreeMap<(u8, u32), u32>,
    /// Deleted by the broker before it was read.
    pub lost: bool,
    /// Repeats that the faults excuse, of records that carry it for all its endpoints.
    pub excused_for_all: u64,
}

/// Every published record, by number.
#[derive(Debug, Default)]
pub struct Ledger {
    pub events: Vec<Truth>,
    /// Records that carry something and are not covered.
    pub open: usize,
    /// Repeats that the faults so far excuse, of one delivery each.
    excused: u64,
    /// Attempts that failed and of which the next owner may not know.
    pub forgotten: u64,
    /// Acknowledged attempts beyond the first of each delivery.
    pub extra: u64,
}

impl Truth {
    /// Whether somebody has it, or it was given up, or it is on its way, for this endpoint.
    fn is_safe(&self, endpoint: u8) -> bool {
        self.is_done(endpoint)
            || self
                .carriers
                .iter()
                .any(|one| !one.covered && one.endpoint.is_none_or(|carried| carried == endpoint))
    }

    /// Whether somebody has it or it was given up for this endpoint.
    pub fn is_done(&self, endpoint: u8) -> bool {
        self.acknowledged[usize::from(endpoint)] > 0
            || self.dead.iter().any(|dead| dead.is_none_or(|dead| dead == endpoint))
    }

    /// Whether it is given up for all, or on its way to all.
    fn is_safe_for_all(&self) -> bool {
        self.dead.contains(&None)
            || self.carriers.iter().any(|one| !one.covered && one.endpoint.is_none())
    }

    /// What would be lost if nobody worked on this carrier again.
    pub fn missing_after(&self, at: usize, directory: &Directory) -> Option<String> {
        let carrier = &self.carriers[at];
        if self.lost {
            return None;
        }
        if let Some(endpoint) = carrier.endpoint {
            return (!self.is_safe(endpoint)).then(|| format!("endpoint e{endpoint}"));
        }
        let Ok(event) = &self.event else {
            return (!self.is_safe_for_all()).then(|| "a record that is no event".to_owned());
        };
        let mut versions = directory.since(self.merchant, self.accepted, DIRECTORY_LAG);
        let satisfied = versions.any(|version| match owed(version.entry.as_deref(), event) {
            Owed::Unknown | Owed::NotAllowed => self.is_safe_for_all(),
            Owed::Endpoints(all) => all.into_iter().all(|one| self.is_safe(one)),
        });
        (!satisfied).then(|| "some endpoint under every version of the entry".to_owned())
    }

    /// Endpoints that this event may be owed to, at most.
    fn width(&self, directory: &Directory) -> u64 {
        let Ok(event) = &self.event else { return 1 };
        let widths = directory.merchants[self.merchant].iter().map(|version| {
            match owed(version.entry.as_deref(), event) {
                Owed::Endpoints(all) => all.len() as u64,
                _ => 1,
            }
        });
        widths.max().unwrap_or(1).max(1)
    }
}

impl Ledger {
    /// Repeats of so many deliveries are no fault of the workers.
    pub fn excuse(&mut self, deliveries: u64) {
        self.excused += deliveries;
    }

    /// Another copy of a record may be about: for one endpoint, or for all.
    pub fn excuse_copy(&mut self, event: usize, endpoint: Option<u8>) {
        match endpoint {
            Some(_) => self.excused += 1,
            None => self.events[event].excused_for_all += 1,
        }
    }

    /// Repeats that the faults so far excuse: a copy for all goes to whichever endpoints there are
    /// when it is unfolded, so that the widest entry counts.
    pub fn allowed(&self, directory: &Directory) -> u64 {
        let copies = |truth: &Truth| match truth.excused_for_all {
            0 => 0,
            copies => copies * truth.width(directory),
        };
        self.excused + self.events.iter().map(copies).sum::<u64>()
    }

    /// An endpoint acknowledged an event.
    pub fn acknowledged(&mut self, event: usize, endpoint: u8) {
        let truth = &mut self.events[event];
        let count = &mut truth.acknowledged[usize::from(endpoint)];
        *count += 1;
        self.extra += u64::from(*count > 1);
    }
}
