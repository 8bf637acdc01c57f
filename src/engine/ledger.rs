//! Which offsets of a partition are unresolved, and the highest offset that is safe to commit.
//!
//! Offsets come in in order, are resolved in any order, and the watermark follows: everything
//! below it is resolved. An offset that never came in between two that did (a control record, an
//! aborted transaction) is resolved.

use std::collections::BTreeSet;

use super::offset_map::{self, OffsetMap};
use crate::model::Offset;

/// The ledger of one partition for one assignment.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// One past the highest offset that came in.
    end: Offset,
    /// What came in and is not resolved.
    unresolved: BTreeSet<Offset>,
    /// What an earlier owner resolved and is still to be read again.
    restored: OffsetMap,
}

/// What entering an offset means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It has to be worked on, and resolved.
    Unresolved,
    /// An earlier owner resolved it.
    AlreadyResolved,
    /// It came in before.
    Repeated,
}

impl Ledger {
    /// Begins at a committed position, with what was resolved beyond it.
    pub fn new(position: Offset, restored: OffsetMap) -> Self {
        Self { end: position, unresolved: BTreeSet::new(), restored }
    }

    /// The next record was read.
    pub fn enter(&mut self, offset: Offset) -> Entered {
        if offset < self.end {
            return Entered::Repeated;
        }
        self.end = offset.next();
        let resolved = self.restored.contains(offset);
        self.restored.forget_below(self.end);
        if resolved {
            return Entered::AlreadyResolved;
        }
        self.unresolved.insert(offset);
        Entered::Unresolved
    }

    /// The reader is at `position` without having met a record on the way there.
    pub fn skip_to(&mut self, position: Offset) {
        if position > self.end {
            self.end = position;
            self.restored.forget_below(self.end);
        }
    }

    /// Work on an offset is done for good; false if it was not open.
    pub fn resolve(&mut self, offset: Offset) -> bool {
        self.unresolved.remove(&offset)
    }

    /// The position that is safe to commit: every offset below it is resolved.
    pub fn watermark(&self) -> Offset {
        self.unresolved.first().copied().unwrap_or(self.end)
    }

    /// The offset that comes in next.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// How many offsets came in and are not resolved.
    pub fn unresolved(&self) -> usize {
        self.unresolved.len()
    }

    /// The resolved offsets beyond the watermark.
    pub fn resolved_beyond(&self) -> OffsetMap {
        let mut runs = Vec::with_capacity(self.unresolved.len() + self.restored.runs().len());
        let mut holes = self.unresolved.iter().copied().peekable();
        while let Some(hole) = holes.next() {
            runs.push((hole.next(), holes.peek().copied().unwrap_or(self.end)));
        }
        runs.extend_from_slice(self.restored.runs());
        OffsetMap::from_runs(runs)
    }

    /// Whether one more record may come in and the map still fits its place, in whatever order
    /// things are resolved from now on.
    pub fn can_take(&self) -> bool {
        let last = self.restored.runs().last().map_or(self.end, |(_, end)| *end);
        let span = (last.0 - self.watermark().0).max(0).unsigned_abs() + 1;
        let holes = self.unresolved.len() as u64 + self.restored.holes_after(self.end) + 1;
        offset_map::largest_size(holes, span) <= offset_map::BUDGET
    }
}
