//! The directory on its topic.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use bytes::Bytes;

use super::{
    super::converge::{Change, Log, Place, Record},
    Stored,
};
use crate::{
    cli::writer::Writer,
    config::Config,
    kafka::{
        Error, TopicNames,
        producer::{Appended, Outgoing},
        reader::{self, StoredRecord},
    },
    merchant::directory::{self, REVISION_HEADER, file::Stale},
    model::{Coordinates, MerchantId, Offset, Revision},
};

/// The directory topic of a configuration.
pub(super) struct Topic<'a> {
    config: &'a Config,
    name: String,
}

/// The topic while entries are changed on it: read once, then what came since.
pub(super) struct Followed<'a> {
    topic: Topic<'a>,
    /// The first offset of each partition that was not read; none before the first reading.
    next: Option<BTreeMap<i32, Offset>>,
    /// Partitions with records of ours that were not read yet.
    written: BTreeSet<i32>,
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

    /// From now on.
    pub(super) fn followed(self) -> Followed<'a> {
        Followed { topic: self, next: None, written: BTreeSet::new() }
    }

    pub(super) fn read(&self) -> Result<Read, Error> {
        let mut read = Read::default();
        reader::scan(&self.config.kafka.client_settings(), &self.name, |record| {
            let Coordinates { partition, offset, .. } = record.coordinates;
            read.next.insert(partition, Offset(offset.0 + 1));
            let Some(Record { merchant, revision, entry, .. }) = recorded(record) else {
                return Ok::<_, Error>(());
            };
            match entry {
                Some(entry) => read.entries.insert(merchant, Stored { entry, revision }),
                None => read.entries.remove(&merchant),
            };
            Ok(())
        })?;
        Ok(read)
    }

    /// Writes entries; without a value, deletes them. Says where each is, in no order.
    pub(super) fn write<'r>(
        &self,
        records: impl Iterator<Item = (&'r MerchantId, Option<&'r [u8]>)>,
    ) -> anyhow::Result<Vec<(MerchantId, Appended)>> {
        self.append(records.map(|(merchant, value)| (merchant, None, value)))
    }

    /// Writes records, each as a form of the entry of the revision, where one is told.
    fn append<'r>(
        &self,
        records: impl Iterator<Item = (&'r MerchantId, Option<Revision>, Option<&'r [u8]>)>,
    ) -> anyhow::Result<Vec<(MerchantId, Appended)>> {
        reader::require(&self.config.kafka.client_settings(), &self.name)?;
        let mut writer = Writer::new(self.config)?;
        for (merchant, revision, value) in records {
            let header = |revision: Revision| {
                (REVISION_HEADER.to_owned(), Bytes::from(revision.to_string()))
            };
            writer.send(&Outgoing {
                token: merchant.clone(),
                topic: &self.name,
                partition: None,
                key: Some(merchant.as_str().as_bytes()),
                value,
                headers: revision.map(header).into_iter().collect(),
            });
        }
        writer.finish();
        let outcome = |outcome: crate::cli::writer::Outcome<MerchantId>| {
            let crate::cli::writer::Outcome { token, result } = outcome;
            let written = result.with_context(|| format!("merchant {token} is not written"))?;
            Ok((token, written))
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

impl Log for Followed<'_> {
    fn read(&mut self, show: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        let Self { topic: Topic { config, name }, next, written } = self;
        let settings = config.kafka.client_settings();
        let mut show_one = |record: StoredRecord, next: &mut BTreeMap<i32, Offset>| {
            let Coordinates { partition, offset, .. } = record.coordinates;
            next.insert(partition, Offset(offset.0 + 1));
            recorded(record).into_iter().for_each(&mut *show);
        };
        let Some(next) = next else {
            let next = next.insert(BTreeMap::new());
            return Ok(reader::scan(&settings, name, |record| {
                show_one(record, next);
                Ok::<_, Error>(())
            })?);
        };
        for partition in std::mem::take(written) {
            let offset = next.get(&partition).copied().unwrap_or(Offset(0));
            let from = Coordinates { topic: name.as_str().into(), partition, offset };
            reader::since(&settings, &from, |record| show_one(record, next))?;
        }
        Ok(())
    }

    fn append(&mut self, changes: &[Change]) -> anyhow::Result<Vec<(MerchantId, Place)>> {
        let records = changes.iter().map(|Change { merchant, revision, entry }| {
            (merchant, Some(*revision), entry.as_deref())
        });
        let written = self.topic.append(records)?;
        self.written.extend(written.iter().map(|(_, appended)| appended.partition));
        let place = |(merchant, appended): (_, Appended)| {
            (merchant, (appended.partition, appended.offset.0))
        };
        Ok(written.into_iter().map(place).collect())
    }
}

/// The record as one of the directory, unless its key is no merchant's.
fn recorded(record: StoredRecord) -> Option<Record> {
    let revision = directory::revision(record.coordinates.offset, record.header(REVISION_HEADER));
    let StoredRecord { coordinates, key, value, .. } = record;
    let merchant = MerchantId::parse(std::str::from_utf8(&key?).ok()?).ok()?;
    let place = (coordinates.partition, coordinates.offset.0);
    Some(Record { merchant, place, revision, entry: value })
}
