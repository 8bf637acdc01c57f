//! `merchants rewrap`: every secret sealed by the current key.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::store::Store;
use crate::{
    cli::text,
    merchant::directory::{Rules, seal_entry},
    model::MerchantId,
};

/// What became of an entry.
enum Outcome {
    Sealed,
    InOrder,
    Failed(String),
}

/// Seals what is in the clear and what another key has sealed. Entries that need nothing are not
/// written, and edits of others stay.
pub(super) fn rewrap(store: &Store<'_>, rules: &Rules) -> anyhow::Result<()> {
    let keys = rules.vault.as_ref();
    let vault = keys.context("there are no keys; set directory.key_file, key_command or keys")?;
    // By merchant: an entry is looked at again after it was written, and counts once.
    let mut outcomes: BTreeMap<MerchantId, Outcome> = BTreeMap::new();
    store.rewrite(rules, |merchant, entry| {
        let (outcome, sealed) = match seal_entry(entry, vault) {
            Ok(Some(sealed)) => (Outcome::Sealed, Some(sealed)),
            Ok(None) if matches!(outcomes.get(merchant), Some(Outcome::Sealed)) => return None,
            Ok(None) => (Outcome::InOrder, None),
            Err(error) => (Outcome::Failed(error.to_string()), None),
        };
        outcomes.insert(merchant.clone(), outcome);
        sealed
    })?;
    let (mut moved, mut kept, mut failed) = (0_u64, 0_u64, 0_u64);
    for outcome in outcomes.values() {
        match outcome {
            Outcome::Sealed => moved += 1,
            Outcome::InOrder => kept += 1,
            Outcome::Failed(error) => {
                failed += 1;
                eprintln!("{}", text::escape(&format!("left as it is: {error}")));
            }
        }
    }
    eprintln!("sealed {moved}, in order before {kept}, failed {failed}");
    anyhow::ensure!(failed == 0, "{failed} entries could not be sealed, see above");
    Ok(())
}
