//! `paynotify merchants rewrap`: every secret to the current key.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::store::Store;
use crate::{
    cli::text,
    merchant::directory::{Rules, seal_entry},
    model::MerchantId,
};

/// What became of the merchants' entries: an entry is looked at again after others wrote it, and
/// counts once.
#[derive(Default)]
struct Counts {
    moved: BTreeSet<MerchantId>,
    kept: BTreeSet<MerchantId>,
    failed: BTreeMap<MerchantId, String>,
}

/// Seals what is in the clear, moves what another key seals, and says how many entries there were.
/// Entries that need nothing are not written.
pub(super) fn run(store: &Store<'_>, rules: &Rules) -> anyhow::Result<()> {
    let keys = rules.vault.as_ref();
    let vault = keys.context("there are no keys; set directory.key_file, key_command or keys")?;
    let mut counts = Counts::default();
    let nobodys = store.rewrite(|merchant, entry| {
        counts.failed.remove(merchant);
        match seal_entry(entry, vault) {
            Ok(Some(sealed)) => {
                counts.moved.insert(merchant.clone());
                return Some(sealed);
            }
            Ok(None) => drop(counts.kept.insert(merchant.clone())),
            Err(mut error) => {
                error.merchant.get_or_insert_with(|| merchant.clone());
                counts.failed.insert(merchant.clone(), error.to_string());
            }
        }
        None
    })?;
    let Counts { moved, kept, failed } = counts;
    for error in failed.values() {
        eprintln!("{}", text::escape(&format!("left as it is: {error}")));
    }
    if nobodys > 0 {
        eprintln!("left as they are: {nobodys} lines in which no merchant_id can be read");
    }
    let kept = kept.difference(&moved).count();
    let bad = failed.len() as u64 + nobodys;
    eprintln!("sealed {}, in order before {kept}, failed {bad}", moved.len());
    anyhow::ensure!(bad == 0, "{bad} entries could not be sealed, see above");
    Ok(())
}
