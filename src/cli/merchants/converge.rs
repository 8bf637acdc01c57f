//! Changes entries on the topic without undoing what others write meanwhile.
//!
//! Kafka has no conditional write: an edit that comes between our reading and our writing is written
//! over. So what came since is read after every writing. Of an own record it is known from which
//! offset it was derived; a foreign one between the two is what counts, and the change is made to
//! that one. It ends when nothing more is to do. Whoever is killed between the two leaves the older
//! entry in force.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::model::{MerchantId, Revision};

/// Readings at most; only entries that are written all the time need many.
const ROUNDS: usize = 8;

/// The directory's topic.
pub(super) trait Log {
    /// Shows every record up to the end that was not shown yet, those of a key in order. After the
    /// first time, partitions that nothing was appended to may be left out.
    fn read(&mut self, show: &mut dyn FnMut(Record)) -> anyhow::Result<()>;

    /// Appends records; says where each is.
    fn append(&mut self, changes: &[Change]) -> anyhow::Result<Vec<(MerchantId, Place)>>;
}

/// Partition and offset.
pub(super) type Place = (i32, i64);

/// A record of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) merchant: MerchantId,
    pub(super) place: Place,
    /// Of which entry it is a form.
    pub(super) revision: Revision,
    /// The entry; nothing deletes it.
    pub(super) entry: Option<Bytes>,
}

/// A record to append: another form of the entry of this revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) merchant: MerchantId,
    pub(super) revision: Revision,
    /// The entry; nothing deletes it.
    pub(super) entry: Option<Bytes>,
}

/// Makes a change to every entry that `change` answers a new text for. It is asked again about what
/// others wrote, and has to answer nothing where nothing is to do.
pub(super) fn converge(
    log: &mut impl Log,
    mut change: impl FnMut(&MerchantId, &Bytes) -> Option<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut table = Table::default();
    for round in 1..=ROUNDS {
        log.read(&mut |record| table.take(record))?;
        let mut writes = Vec::new();
        for merchant in std::mem::take(&mut table.touched) {
            let Some(Seen { entry, revision, .. }) = table.latest.get(&merchant) else { continue };
            let changed = entry.as_ref().and_then(|entry| change(&merchant, entry));
            let entry = match changed {
                Some(new) => Some(Bytes::from(new)),
                None if table.undone.contains(&merchant) => entry.clone(),
                None => continue,
            };
            writes.push(Change { merchant, revision: *revision, entry });
        }
        if writes.is_empty() {
            return Ok(());
        }
        if round == ROUNDS {
            // What would be written now could not be looked at any more.
            let names: Vec<_> = writes.iter().map(|change| change.merchant.as_str()).collect();
            anyhow::bail!(
                "others kept editing {}; look at them with `paynotify merchants show`, and run it again",
                names.join(", ")
            );
        }
        for (merchant, place) in log.append(&writes)? {
            if let Some(base) = table.latest.get(&merchant) {
                table.own.insert(place, base.offset);
            }
        }
    }
    Ok(())
}

/// What counts of each merchant.
#[derive(Default)]
struct Table {
    /// Our own records, and the offset of what each was made from.
    own: HashMap<Place, i64>,
    latest: BTreeMap<MerchantId, Seen>,
    /// Merchants of whom something was read that was not looked at yet.
    touched: HashSet<MerchantId>,
    /// Merchants whose last record is ours, over an edit of another.
    undone: HashSet<MerchantId>,
}

struct Seen {
    offset: i64,
    revision: Revision,
    entry: Option<Bytes>,
}

impl Table {
    fn take(&mut self, Record { merchant, place, revision, entry }: Record) {
        self.touched.insert(merchant.clone());
        let base = self.own.get(&place);
        let passed_over = base.is_some_and(|base| {
            self.latest.get(&merchant).is_some_and(|latest| latest.offset > *base)
        });
        if passed_over {
            self.undone.insert(merchant);
        } else {
            self.undone.remove(&merchant);
            self.latest.insert(merchant, Seen { offset: place.1, revision, entry });
        }
    }
}
