//! Where the directory is kept: its topic, or a file.

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use bytes::Bytes;

use crate::{
    cli::writer::Writer,
    config::Config,
    kafka::{Error, TopicNames, producer::Outgoing, reader},
    merchant::directory::{Entry, Rules, file},
    model::MerchantId,
};

/// The directory of this configuration.
pub(super) struct Store<'a> {
    config: &'a Config,
    topic: String,
}

impl<'a> Store<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, topic: TopicNames::new(&config.topics.prefix).merchants() }
    }

    /// Every entry as it was written, unchecked.
    pub(super) fn entries(&self) -> anyhow::Result<BTreeMap<MerchantId, Bytes>> {
        match &self.config.directory.file {
            Some(path) => read_file(path),
            None => self.read_topic(),
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
            self.produce(entries.iter().map(|(merchant, entry)| (merchant, Some(&**entry))))?;
        }
        Ok(entries.len())
    }

    /// Deletes an entry; whether there was one.
    pub(super) fn delete(&self, merchant: &MerchantId) -> anyhow::Result<bool> {
        if let Some(path) = &self.config.directory.file {
            return Ok(file::delete(path, merchant)?);
        }
        let found = self.read_topic()?.contains_key(merchant);
        if found {
            self.produce(std::iter::once((merchant, None)))?;
        }
        Ok(found)
    }

    fn read_topic(&self) -> anyhow::Result<BTreeMap<MerchantId, Bytes>> {
        let mut entries = BTreeMap::new();
        reader::scan(&self.config.kafka.client_settings(), &self.topic, |read| {
            let key = read.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
            let Some(merchant) = key.and_then(|key| MerchantId::parse(key).ok()) else {
                return Ok::<_, Error>(());
            };
            match read.value {
                Some(entry) => entries.insert(merchant, entry),
                None => entries.remove(&merchant),
            };
            Ok(())
        })?;
        Ok(entries)
    }

    fn produce<'r>(
        &self,
        records: impl Iterator<Item = (&'r MerchantId, Option<&'r [u8]>)>,
    ) -> anyhow::Result<()> {
        reader::require(&self.config.kafka.client_settings(), &self.topic)?;
        let mut writer = Writer::new(self.config)?;
        for (merchant, value) in records {
            writer.send(&Outgoing {
                token: merchant.clone(),
                topic: &self.topic,
                partition: None,
                key: Some(merchant.as_str().as_bytes()),
                value,
                headers: Vec::new(),
            });
        }
        writer.finish();
        for outcome in writer.take() {
            outcome.result.with_context(|| format!("merchant {} is not written", outcome.token))?;
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> anyhow::Result<BTreeMap<MerchantId, Bytes>> {
    let text = fs::read(path).with_context(|| {
        format!("cannot read {}; check directory.file and its permissions", path.display())
    })?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut entries = BTreeMap::new();
    for (number, line) in (1..).zip(lines).filter(|(_, line): &(u64, &[u8])| !line.is_empty()) {
        match Entry::parse(line) {
            Ok(entry) => drop(entries.insert(entry.merchant_id, Bytes::copy_from_slice(line))),
            Err(error) => {
                let line = format!("{}:{number}: unreadable: {error}", path.display());
                eprintln!("{}", crate::cli::text::escape(&line));
            }
        }
    }
    Ok(entries)
}
