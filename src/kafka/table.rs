//! A compacted topic that is followed as it changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    ClientSettings, Error,
    reader::{Reader, StoredRecord},
};

/// Changes that are handed over together.
const BATCH: usize = 1_000;
/// Batches that wait for the reader.
const QUEUE: usize = 8;
/// How often the thread looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

/// Keeps a topic followed while it lives.
#[derive(Debug)]
pub struct Table {
    stop: Arc<AtomicBool>,
}

/// What a followed topic says.
#[derive(Debug)]
pub enum TableInput {
    /// Records with a key, in order; one without a value deletes.
    Changes(Vec<StoredRecord>),
    /// Everything that was there at the start has been read.
    CaughtUp,
}

impl Table {
    /// Reads `topic` from its beginning and goes on with what changes.
    pub fn follow(
        settings: &ClientSettings,
        topic: &str,
    ) -> Result<(Self, mpsc::Receiver<TableInput>), Error> {
        let reader = Reader::whole(settings, topic)?;
        let (inputs, receiver) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let name = "paynotify-table";
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || follow(reader, &stopped, &inputs))
            .map_err(|source| Error::Thread { name, source })?;
        Ok((Self { stop }, receiver))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Reads until nobody listens any more.
fn follow(mut reader: Reader, stop: &AtomicBool, inputs: &mpsc::Sender<TableInput>) {
    let mut caught_up = false;
    while !stop.load(Ordering::Acquire) {
        if !caught_up && reader.is_at_end() {
            caught_up = true;
            if inputs.blocking_send(TableInput::CaughtUp).is_err() {
                return;
            }
        }
        let mut changes = Vec::new();
        let mut wait = GLANCE;
        while changes.len() < BATCH {
            match reader.next(wait) {
                Ok(Some(record)) if record.key.is_some() => changes.push(record),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "a table is not followed any more");
                    return;
                }
            }
            wait = Duration::ZERO;
        }
        if !changes.is_empty() && inputs.blocking_send(TableInput::Changes(changes)).is_err() {
            return;
        }
    }
}
