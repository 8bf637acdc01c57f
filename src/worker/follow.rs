//! The directory's topic, followed: its changes, and what was refused for want of a key, once there
//! are other keys.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::setup::{Error, blocking};
use crate::{
    kafka::{
        self, ClientSettings,
        reader::{self, StoredRecord},
        table::{Table, TableInput},
    },
    merchant::{
        directory::{self, Rules, Update},
        vault::holds_sealed,
    },
};

/// Changes of the directory that wait for the loop.
const QUEUE: usize = 1_024;
/// How often the file of keys is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Refused entries that are remembered at most, with some 100 bytes each.
const REMEMBERED: usize = 100_000;

/// Follows the topic until nobody listens.
pub(super) async fn topic(
    kafka: ClientSettings,
    topic: String,
    rules: Rules,
    stop: &CancellationToken,
) -> Result<mpsc::Receiver<Update>, Error> {
    let (settings, name) = (kafka.clone(), topic.clone());
    let (table, inputs) = blocking(stop, move || Table::follow(&settings, &name)).await??;
    let (updates, receiver) = mpsc::channel(QUEUE);
    let source = Source { kafka, topic, rules, updates };
    let follower = Follower { source: Arc::new(source), refused: HashMap::new(), generation: 0 };
    tokio::spawn(follower.run(table, inputs));
    Ok(receiver)
}

struct Source {
    kafka: ClientSettings,
    topic: String,
    rules: Rules,
    updates: mpsc::Sender<Update>,
}

struct Follower {
    source: Arc<Source>,
    refused: Refused,
    /// Of the keys with which they were refused.
    generation: u64,
}

/// By key, the partition and offset of the last record where other keys may open what it holds.
type Refused = HashMap<Bytes, (i32, i64)>;

/// Why entries are not read again.
enum Ended {
    Closed,
    Read(kafka::Error),
}

impl From<kafka::Error> for Ended {
    fn from(error: kafka::Error) -> Self {
        Self::Read(error)
    }
}

impl Follower {
    /// The table is followed for as long as it lives.
    async fn run(mut self, _table: Table, mut inputs: mpsc::Receiver<TableInput>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.tell(input).await,
                    None => return,
                },
                _ = looks.tick() => self.look().await,
            };
            if told.is_err() {
                return;
            }
        }
    }

    async fn tell(&mut self, input: TableInput) -> Result<(), Ended> {
        let TableInput::Changes(changes) = input else {
            return self.send(Update::Loaded).await;
        };
        for record in changes {
            let update = self.source.update(&record);
            remember(&mut self.refused, &record, &update);
            self.send(update).await?;
        }
        Ok(())
    }

    async fn send(&self, update: Update) -> Result<(), Ended> {
        self.source.updates.send(update).await.map_err(|_| Ended::Closed)
    }

    /// Reads what was refused once more where there are other keys. Changes wait meanwhile, so that
    /// nothing older comes after them.
    async fn look(&mut self) -> Result<(), Ended> {
        let Some(vault) = self.source.rules.vault.clone() else { return Ok(()) };
        let generation = tokio::task::spawn_blocking(move || vault.generation()).await;
        let Ok(generation) = generation else { return Ok(()) };
        if generation == self.generation {
            return Ok(());
        }
        if !self.refused.is_empty() {
            let (source, refused) = (Arc::clone(&self.source), self.refused.clone());
            let read = tokio::task::spawn_blocking(move || source.read_again(refused)).await;
            match read {
                Ok(Ok(refused)) => self.refused = refused,
                Ok(Err(Ended::Read(error))) => {
                    tracing::error!(%error, "entries are not read with the other keys yet");
                    return Ok(());
                }
                Ok(Err(Ended::Closed)) | Err(_) => return Err(Ended::Closed),
            }
        }
        self.generation = generation;
        Ok(())
    }
}

impl Source {
    fn update(&self, record: &StoredRecord) -> Update {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let mut update = directory::update(key, value, &self.rules);
        if let Update::Put(merchant) = &mut update {
            let header = record.header(directory::REVISION_HEADER);
            merchant.revision = directory::revision(record.coordinates.offset, header);
        }
        update
    }

    /// Tells of these records anew; those that are refused again.
    fn read_again(&self, mut refused: Refused) -> Result<Refused, Ended> {
        reader::scan(&self.kafka, &self.topic, |record| {
            let wanted = record.key.as_ref().and_then(|key| refused.get(key));
            if wanted != Some(&place(&record)) {
                return if self.updates.is_closed() { Err(Ended::Closed) } else { Ok(()) };
            }
            let update = self.update(&record);
            remember(&mut refused, &record, &update);
            self.updates.blocking_send(update).map_err(|_| Ended::Closed)
        })?;
        Ok(refused)
    }
}

fn place(record: &StoredRecord) -> (i32, i64) {
    (record.coordinates.partition, record.coordinates.offset.0)
}

/// Keeps where the record is if other keys may open it; forgets what came before it.
fn remember(refused: &mut Refused, record: &StoredRecord, update: &Update) {
    let Some(key) = &record.key else { return };
    let sealed = record.value.as_deref().is_some_and(holds_sealed);
    if !matches!(update, Update::Refused(_)) || !sealed {
        refused.remove(key);
    } else if refused.len() < REMEMBERED || refused.contains_key(key) {
        let known = refused.insert(key.clone(), place(record)).is_some();
        if refused.len() == REMEMBERED && !known {
            tracing::error!(
                refused = REMEMBERED,
                "too many entries are refused: start the worker anew once the keys are there"
            );
        }
    }
}
