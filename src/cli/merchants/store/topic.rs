//! The directory on its topic.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bytes::Bytes;

use super::{
    Stored,
    converge::{Log, Place, Record},
};
use crate::{
    cli::writer::Writer,
    config::Config,
    kafka::{
        Error, TopicNames,
        producer::{Appended, Outgoing},
        reader,
    },
    merchant::directory::file::Stale,
    model::{Coordinates, MerchantId, Offset, Revision},
};

/// The directory topic of a configuration.
pub(super) struct Topic<'a> {
    config: &'a Config,
    name: String,
}

/// The topic as it was read to its end.
#[derive(Default)]
pub(super) struct Read {
    pub(super) entries: BTreeMap<MerchantId, Stored>,
    /// The first offset of each partition that was not read.
    next: BTreeMap<i32, Offset>,
}

impl<'a> Topic<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, name: TopicNames::new(&config.topics.prefix).merchants() }
    }

    pub(super) fn read(&self) -> Result<Read, Error> {
        let mut read = Read::default();
        reader::scan(&self.config.kafka.client_settings(), &self.name, |record| {
            let Coordinates { partition, offset, .. } = record.coordinates;
            read.next.insert(partition, Offset(offset.0 + 1));
            let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
            let Some(merchant) = key.and_then(|key| MerchantId::parse(key).ok()) else {
                return Ok::<_, Error>(());
            };
            match record.value {
                Some(entry) => {
                    read.entries.insert(merchant, Stored { entry, revision: Revision::at(offset) })
                }
                None => read.entries.remove(&merchant),
            };
            Ok(())
        })?;
        Ok(read)
    }

    /// Writes entries; without a value, deletes them. Says where each is.
    pub(super) fn write<'r>(
        &self,
        records: impl Iterator<Item = (&'r MerchantId, Option<&'r [u8]>)>,
    ) -> anyhow::Result<Vec<(MerchantId, Appended)>> {
        reader::require(&self.config.kafka.client_settings(), &self.name)?;
        let mut writer = Writer::new(self.config)?;
        for (merchant, value) in records {
            writer.send(&Outgoing {
                token: merchant.clone(),
                topic: &self.name,
                partition: None,
                key: Some(merchant.as_str().as_bytes()),
                value,
                headers: Vec::new(),
            });
        }
        writer.finish();
        let outcome = |outcome: crate::cli::writer::Outcome<MerchantId>| {
            let why = || format!("merchant {} is not written", outcome.token);
            let appended = outcome.result.with_context(why)?;
            Ok((outcome.token, appended))
        };
        writer.take().into_iter().map(outcome).collect()
    }

    /// Writes an entry over the revision `expected`. Kafka has no conditional write, so another
    /// writer may come between the look and the write; a second look finds it then.
    pub(super) fn write_over(
        &self,
        merchant: &MerchantId,
        entry: &[u8],
        expected: Revision,
    ) -> anyhow::Result<Revision> {
        let read = self.read()?;
        let found = read.entries.get(merchant).map_or(Revision::NONE, |stored| stored.revision);
        Stale::check(merchant, expected, found)?;
        let written = self.write(std::iter::once((merchant, Some(entry))))?;
        let (_, written) = written.first().context("the broker did not say where the entry is")?;
        let first = read.next.get(&written.partition).copied().unwrap_or(Offset(0));
        self.refuse_others(merchant, first, written)?;
        Ok(Revision::at(written.offset))
    }

    /// Fails when others wrote this entry since the partition was read up to `first`.
    fn refuse_others(
        &self,
        merchant: &MerchantId,
        first: Offset,
        ours: &Appended,
    ) -> anyhow::Result<()> {
        let from = Coordinates {
            topic: self.name.as_str().into(),
            partition: ours.partition,
            offset: first,
        };
        let mut others = Vec::new();
        reader::since(&self.config.kafka.client_settings(), &from, |record| {
            let of_it = record.key.as_deref() == Some(merchant.as_str().as_bytes());
            if of_it && record.coordinates.offset != ours.offset {
                others.push(record.coordinates);
            }
        })?;
        let revision = Revision::at(ours.offset);
        let Some(last) = others.last() else { return Ok(()) };
        let theirs = Revision::at(last.offset);
        anyhow::ensure!(
            last.offset < ours.offset,
            "merchant {merchant} was written as revision {revision}, and at the same time replaced \
             by somebody else's revision {theirs}; look at it with `paynotify merchants show {merchant}`"
        );
        anyhow::bail!(
            "merchant {merchant} was written as revision {revision}, and this replaced revision \
             {theirs}, which somebody else wrote at the same time and which is still at {last} until \
             the topic is compacted; agree on one, and put that"
        )
    }
}

impl Log for Topic<'_> {
    fn read(&mut self, show: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        reader::scan(&self.config.kafka.client_settings(), &self.name, |record| {
            let Coordinates { partition, offset, .. } = record.coordinates;
            let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
            if let Some(merchant) = key.and_then(|key| MerchantId::parse(key).ok()) {
                show(Record { merchant, place: (partition, offset.0), entry: record.value });
            }
            Ok::<_, Error>(())
        })?;
        Ok(())
    }

    fn append(
        &mut self,
        records: &[(MerchantId, Option<Bytes>)],
    ) -> anyhow::Result<Vec<(MerchantId, Place)>> {
        let records = records.iter().map(|(merchant, entry)| (merchant, entry.as_deref()));
        let written = self.write(records)?;
        Ok(written.into_iter().map(|(id, at)| (id, (at.partition, at.offset.0))).collect())
    }
}
