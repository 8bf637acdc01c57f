//! Where the directory is kept: its topic, or a file.

mod topic;

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use bytes::Bytes;

use crate::{
    config::Config,
    merchant::directory::{Entry, Rules, file},
    model::{MerchantId, Revision},
};

use super::converge::converge;
use topic::Topic;

/// The directory of this configuration.
pub(super) struct Store<'a> {
    config: &'a Config,
}

/// An entry as it was written, unchecked.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) entry: Bytes,
    pub(super) revision: Revision,
}

impl<'a> Store<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config }
    }

    /// Every entry as it was written, unchecked.
    pub(super) fn entries(&self) -> anyhow::Result<BTreeMap<MerchantId, Stored>> {
        match &self.config.directory.file {
            Some(path) => read_file(path),
            None => Ok(self.topic().read()?.entries),
        }
    }

    /// Writes entries that were checked; how many.
    pub(super) fn put(
        &self,
        entries: &[(MerchantId, Cow<'_, [u8]>)],
        rules: &Rules,
    ) -> anyhow::Result<usize> {
        if let Some(path) = &self.config.directory.file {
            for (_, entry) in entries {
                file::put(path, entry, rules)?;
            }
        } else if !entries.is_empty() {
            let written = entries.iter().map(|(merchant, entry)| (merchant, Some(&**entry)));
            self.topic().write(written)?;
        }
        Ok(entries.len())
    }

    /// Writes an entry that was checked, only over the revision `expected`; the new revision.
    pub(super) fn put_over(
        &self,
        merchant: &MerchantId,
        entry: &[u8],
        rules: &Rules,
        expected: Revision,
    ) -> anyhow::Result<Revision> {
        match &self.config.directory.file {
            Some(path) => Ok(file::put_over(path, entry, rules, expected)?),
            None => self.topic().write_over(merchant, entry, expected),
        }
    }

    /// Gives entries a new text where `change` answers one, and needs no more where it answers none;
    /// what others write meanwhile stays. Answers how many lines of a file belong to nobody.
    pub(super) fn rewrite(
        &self,
        mut change: impl FnMut(&MerchantId, &[u8]) -> Option<Vec<u8>>,
    ) -> anyhow::Result<u64> {
        if let Some(path) = &self.config.directory.file {
            return Ok(file::rewrite(path, change)?);
        }
        converge(&mut self.topic().followed(), |merchant, entry| change(merchant, entry))?;
        Ok(0)
    }

    /// Deletes an entry; whether there was one.
    pub(super) fn delete(&self, merchant: &MerchantId) -> anyhow::Result<bool> {
        if let Some(path) = &self.config.directory.file {
            return Ok(file::delete(path, merchant)?);
        }
        let topic = self.topic();
        let found = topic.read()?.entries.contains_key(merchant);
        if found {
            topic.write(std::iter::once((merchant, None)))?;
        }
        Ok(found)
    }

    fn topic(&self) -> Topic<'a> {
        Topic::new(self.config)
    }
}

fn read_file(path: &Path) -> anyhow::Result<BTreeMap<MerchantId, Stored>> {
    let text = fs::read(path).with_context(|| {
        format!("cannot read {}; check directory.file and its permissions", path.display())
    })?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut entries = BTreeMap::new();
    for (number, line) in (1..).zip(lines).filter(|(_, line): &(u64, &[u8])| !line.is_empty()) {
        match Entry::parse(line) {
            Ok(entry) => {
                let stored =
                    Stored { entry: Bytes::copy_from_slice(line), revision: file::revision(line) };
                entries.insert(entry.merchant_id, stored);
            }
            Err(error) => {
                let line = format!("{}:{number}: unreadable: {error}", path.display());
                eprintln!("{}", crate::cli::text::escape(&line));
            }
        }
    }
    Ok(entries)
}
