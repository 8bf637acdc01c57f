//! Tells every change of the file within two seconds.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{content, numbered, owner, parse, unreadable};
use crate::{
    merchant::directory::{LineError, Rules, Update},
    model::{Merchant, MerchantId},
};

const POLL: Duration = Duration::from_secs(1);
/// A file that was just changed may still be written to; a second look comes after this.
const SETTLE: Duration = Duration::from_millis(100);
/// Looks at most before a file that never settles is taken as it is.
const LOOKS: usize = 4;
const QUEUE: usize = 1024;

type Hash = [u8; 32];

/// Says what the file holds, then `Loaded`, then what changes, each reload ending with `Loaded`.
/// Ends when `cancel` is cancelled or the receiver is dropped. Must be called within a runtime.
///
/// A merchant is removed only when every line of the new file can be assigned to a merchant: an
/// unreadable line might be the one that is missed. An unreadable file changes nothing.
pub fn watch(path: PathBuf, rules: Rules, cancel: CancellationToken) -> mpsc::Receiver<Update> {
    let (updates, receiver) = mpsc::channel(QUEUE);
    let (rules, said) = (Arc::new(rules), HashMap::new());
    let watcher = Watcher { path, rules, updates, said, last: None, generation: 0 };
    tokio::spawn(async move { cancel.run_until_cancelled_owned(watcher.run()).await });
    receiver
}

struct Watcher {
    path: PathBuf,
    rules: Arc<Rules>,
    updates: mpsc::Sender<Update>,
    /// Merchants that were put, with the hashes of their lines.
    said: HashMap<MerchantId, Hash>,
    /// What the last look saw, so that nothing is said twice.
    last: Option<Seen>,
    /// Of the keys that opened secrets then.
    generation: u64,
}

/// What there was to see: a hash of the bytes, or why there are none.
type Seen = Result<Hash, String>;

/// One reading of the file, digested off the runtime's threads.
struct Reading {
    seen: Seen,
    merchants: Vec<(Merchant, Hash)>,
    refused: Vec<LineError>,
    /// Merchants that have a line, good or bad; none if a line belongs to nobody.
    owners: Option<HashSet<MerchantId>>,
}

impl Watcher {
    async fn run(mut self) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(reading) = self.changed().await
                && self.tell(reading).await.is_err()
            {
                return;
            }
            if self.updates.is_closed() {
                return;
            }
        }
    }

    /// The file's new content, once two looks in a row agree.
    async fn changed(&mut self) -> Option<Reading> {
        let generation = self.generation().await?;
        if generation != self.generation {
            // Other keys may open what was refused.
            self.last = None;
        }
        let mut reading = self.look().await?;
        for _ in 1..LOOKS {
            if self.last.is_none() {
                break;
            }
            let pause = self.updates.closed();
            if timeout(SETTLE, pause).await.is_ok() {
                return None;
            }
            let again = self.look().await?;
            if again.seen == reading.seen {
                break;
            }
            reading = again;
        }
        self.last = Some(reading.seen.clone());
        self.generation = generation;
        Some(reading)
    }

    async fn generation(&self) -> Option<u64> {
        let Some(vault) = self.rules.vault.clone() else { return Some(0) };
        tokio::task::spawn_blocking(move || vault.generation()).await.ok()
    }

    /// Nothing when it looks like the last time.
    async fn look(&self) -> Option<Reading> {
        let (path, rules, last) = (self.path.clone(), Arc::clone(&self.rules), self.last.clone());
        tokio::task::spawn_blocking(move || look(&path, &rules, last.as_ref())).await.ok()?
    }

    async fn tell(&mut self, reading: Reading) -> Result<(), mpsc::error::SendError<Update>> {
        for refused in reading.refused {
            self.updates.send(Update::Refused(refused)).await?;
        }
        for (merchant, hash) in reading.merchants {
            if self.said.insert(merchant.id.clone(), hash) != Some(hash) {
                self.updates.send(Update::Put(merchant)).await?;
            }
        }
        if let Some(owners) = reading.owners {
            let gone: Vec<_> =
                self.said.keys().filter(|id| !owners.contains(*id)).cloned().collect();
            for id in gone {
                self.said.remove(&id);
                self.updates.send(Update::Remove(id)).await?;
            }
        }
        if reading.seen.is_ok() {
            self.updates.send(Update::Loaded).await?;
        }
        Ok(())
    }
}

fn look(path: &Path, rules: &Rules, last: Option<&Seen>) -> Option<Reading> {
    let (seen, text) = match content(path) {
        Ok(text) => (Ok(hash(&text)), Ok(text)),
        Err(error) => (Err(error.to_string()), Err(unreadable(path, &error))),
    };
    if last == Some(&seen) {
        return None;
    }
    let text = match text {
        Ok(text) => text,
        Err(refused) => {
            let refused = vec![refused];
            return Some(Reading { seen, merchants: Vec::new(), refused, owners: None });
        }
    };
    let (merchants, refused) = parse(&text, rules);
    let mut hashes: HashMap<MerchantId, Hash> = HashMap::new();
    let mut owners = Some(HashSet::new());
    for (_, line) in numbered(&text) {
        match owner(line) {
            None => owners = None,
            Some(id) => {
                hashes.entry(id.clone()).or_insert_with(|| hash(line));
                owners.as_mut().map(|owners| owners.insert(id));
            }
        }
    }
    let with_hash = |(id, merchant)| (merchant, hashes.get(&id).copied().unwrap_or_default());
    let merchants = merchants.into_iter().map(with_hash).collect();
    Some(Reading { seen, merchants, refused, owners })
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
