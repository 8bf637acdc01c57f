//! Changes entries on the topic without undoing what others write meanwhile.
//!
//! Kafka has no compare-and-set: an edit that comes between our reading and our writing is written
//! over. So every round reads the topic again. Of an own record it knows from which offset it was
//! derived; a foreign one between the two is what counts, and the change is made to that one. It
//! ends when a whole reading finds nothing to do.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::model::MerchantId;

/// Readings at most; only a topic that is written to all the time needs many.
const ROUNDS: usize = 6;

/// The directory's topic.
pub(super) trait Log {
    /// Shows every record up to the end, those of a key in order.
    fn read(&mut self, show: &mut dyn FnMut(Record)) -> anyhow::Result<()>;

    /// Appends records; says where each is.
    fn append(
        &mut self,
        records: &[(MerchantId, Option<Bytes>)],
    ) -> anyhow::Result<Vec<(MerchantId, Place)>>;
}

/// Partition and offset.
pub(super) type Place = (i32, i64);

/// A record of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) merchant: MerchantId,
    pub(super) place: Place,
    /// The entry; nothing deletes it.
    pub(super) entry: Option<Bytes>,
}

/// Makes a change to every entry that `change` answers a new text for. It is asked again about its
/// own result, and about what others wrote, so it has to answer nothing where nothing is to do.
pub(super) fn converge(
    log: &mut impl Log,
    mut change: impl FnMut(&MerchantId, &Bytes) -> Option<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut own: HashMap<Place, i64> = HashMap::new();
    for _ in 0..ROUNDS {
        let mut table = Table { own: &own, latest: BTreeMap::new(), undone: HashSet::new() };
        log.read(&mut |record| table.take(record))?;
        let Table { latest, undone, .. } = table;
        let mut writes = Vec::new();
        for (merchant, Seen { entry, .. }) in &latest {
            let changed = entry.as_ref().and_then(|entry| change(merchant, entry));
            match changed {
                Some(new) => writes.push((merchant.clone(), Some(Bytes::from(new)))),
                None if undone.contains(merchant) => writes.push((merchant.clone(), entry.clone())),
                None => {}
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        for (merchant, place) in log.append(&writes)? {
            if let Some(base) = latest.get(&merchant) {
                own.insert(place, base.offset);
            }
        }
    }
    anyhow::bail!("others kept editing the same entries; nothing of theirs is lost, run it again")
}

/// What counts of each merchant.
struct Table<'a> {
    /// Our own records, and the offset of what each was made from.
    own: &'a HashMap<Place, i64>,
    latest: BTreeMap<MerchantId, Seen>,
    /// Merchants whose last record is ours, over an edit of another.
    undone: HashSet<MerchantId>,
}

struct Seen {
    offset: i64,
    entry: Option<Bytes>,
}

impl Table<'_> {
    fn take(&mut self, Record { merchant, place, entry }: Record) {
        let base = self.own.get(&place);
        let passed_over = base.is_some_and(|base| {
            self.latest.get(&merchant).is_some_and(|latest| latest.offset > *base)
        });
        if passed_over {
            self.undone.insert(merchant);
        } else {
            self.undone.remove(&merchant);
            self.latest.insert(merchant, Seen { offset: place.1, entry });
        }
    }
}
