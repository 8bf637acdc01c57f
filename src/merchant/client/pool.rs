//! Connections that are kept: bounded in total, for each address, and by the time without a request.
//!
//! A connection counts from before it is dialled until its file is closed. When there are as many as
//! there may be, the one that was idle longest makes room; when none is idle, the next to be idle.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::connection::Connection;
use crate::model::Named;

/// Requests at a time over one connection of HTTP/2; for more there is another connection.
const STREAMS: usize = 64;

/// Who may share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub https: bool,
    /// Host and port.
    pub authority: Box<str>,
    /// Whether HTTP/2 may be spoken.
    pub http2: bool,
    /// Whose client certificate is shown.
    pub certificate: Option<[u8; 32]>,
}

/// How many connections are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Open ones, those that are being dialled included.
    pub open: usize,
    /// Idle ones with one key.
    pub idle_per_key: usize,
    /// An idle one is closed after this.
    pub idle_timeout: Duration,
}

/// The connections of a client.
pub(super) struct Pool {
    bounds: Bounds,
    open: Arc<Semaphore>,
    /// How many wait for one of the open ones to close.
    waiting: AtomicUsize,
    kept: Mutex<Kept>,
}

/// A connection for one request. Unless it is given back by [`Pool::keep`] or [`Pool::retire`], it
/// closes.
pub(super) struct Taken {
    pub connection: Connection,
    /// Its number, where others may use it at the same time.
    shared: Option<u64>,
}

#[derive(Default)]
struct Kept {
    /// Also those of which none is left, until idle ones are looked for next: the next request may be
    /// near.
    by_key: Named<Arc<Key>, Vec<One>>,
    /// Numbers and keys of idle ones, the longest idle first.
    idle: BTreeMap<u64, Arc<Key>>,
    /// Numbers of connections, and of their times of being idle.
    next: u64,
}

struct One {
    connection: Connection,
    number: u64,
    requests: usize,
    /// Its place among the idle ones, and since when.
    idle: Option<(u64, Instant)>,
}

impl Pool {
    pub fn new(bounds: Bounds) -> Self {
        let open = Arc::new(Semaphore::new(bounds.open));
        Self { bounds, open, waiting: AtomicUsize::new(0), kept: Mutex::default() }
    }

    /// How often [`close_idle`](Self::close_idle) is to be called.
    pub fn tick(&self) -> Duration {
        (self.bounds.idle_timeout / 4).max(Duration::from_millis(10))
    }

    /// How many connections have the right to be open.
    pub fn open_now(&self) -> usize {
        self.bounds.open.saturating_sub(self.open.available_permits())
    }

    /// A connection that is there and takes a request.
    pub fn take(&self, key: &Key) -> Option<Taken> {
        self.kept().take(key)
    }

    /// The right to open a connection; waits for one to close when there are too many.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() {
            return Some(permit);
        }
        // Said before looking for an idle one: whichever comes later is closed by `keep`.
        let _waiting = Waiting::new(&self.waiting);
        drop(self.kept().oldest());
        Arc::clone(&self.open).acquire_owned().await.ok()
    }

    /// Takes a connection just opened for a request. Where another may take it as well, the new one is
    /// closed: many had dialled at once.
    pub fn add(&self, key: &Arc<Key>, connection: Connection) -> Taken {
        if !connection.is_shared() {
            return Taken { connection, shared: None };
        }
        let mut kept = self.kept();
        if let Some(taken) = kept.take(key)
            && taken.shared.is_some()
        {
            return taken;
        }
        match connection.share() {
            Some(other) => {
                let number = kept.number();
                let one = One { connection: other, number, requests: 1, idle: None };
                kept.by_key.entry(Arc::clone(key)).or_default().push(one);
                Taken { connection, shared: Some(number) }
            }
            None => Taken { connection, shared: None },
        }
    }

    /// Gives back a connection that takes further requests.
    pub fn keep(&self, key: &Arc<Key>, taken: Taken) {
        if taken.connection.is_closed() {
            return self.retire(key, &taken);
        }
        // What is dropped here is dropped without the lock: it wakes tasks.
        let _dropped = match taken.shared {
            Some(number) => self.kept().release(key, number, self.is_wanted()),
            None if self.is_wanted() => Some(taken.connection),
            None => self.kept().put(key, taken.connection, self.bounds.idle_per_key),
        };
    }

    /// Gives back a connection that is to take no more requests; those that run go on.
    pub fn retire(&self, key: &Key, taken: &Taken) {
        if let Some(number) = taken.shared {
            drop(self.kept().remove(key, |one| one.number == number));
        }
    }

    /// Closes what was idle for too long.
    pub fn close_idle(&self) {
        let Some(since) = Instant::now().checked_sub(self.bounds.idle_timeout) else { return };
        loop {
            let old = self.kept().oldest_of(|idle| idle <= since);
            if old.is_none() {
                return self.kept().by_key.retain(|_, ones| !ones.is_empty());
            }
        }
    }

    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Every change below is complete or not begun, so a panic elsewhere leaves nothing half done.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The one used last, so that the others become idle for long.
    fn take(&mut self, key: &Key) -> Option<Taken> {
        let ones = self.by_key.get_mut(key)?;
        let mut found = None;
        for at in (0..ones.len()).rev() {
            let one = &mut ones[at];
            let closed = one.connection.is_closed();
            let ready = !closed && one.connection.is_ready() && one.requests < STREAMS;
            if !closed && !ready {
                continue;
            }
            if let Some((place, _)) = one.idle.take() {
                self.idle.remove(&place);
            }
            if let Some(connection) = ready.then(|| one.connection.share()).flatten() {
                one.requests += 1;
                found = Some(Taken { connection, shared: Some(one.number) });
            } else {
                let one = ones.remove(at);
                found = ready.then_some(Taken { connection: one.connection, shared: None });
            }
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Keeps an idle connection; gives what had to go for it.
    fn put(&mut self, key: &Arc<Key>, connection: Connection, most: usize) -> Option<Connection> {
        let number = self.number();
        let ones = self.by_key.entry(Arc::clone(key)).or_default();
        // They are counted only where there may be too many: this is on every request's way.
        let oldest = (ones.len() >= most).then(|| oldest_beyond(ones, most)).flatten();
        let gone = oldest.map(|at| ones.remove(at));
        if let Some((place, _)) = gone.as_ref().and_then(|one| one.idle) {
            self.idle.remove(&place);
        }
        self.idle.insert(number, Arc::clone(key));
        let idle = Some((number, Instant::now()));
        ones.push(One { connection, number, requests: 0, idle });
        gone.map(|one| one.connection)
    }

    /// A request over a shared connection is over.
    fn release(&mut self, key: &Arc<Key>, number: u64, wanted: bool) -> Option<Connection> {
        let place = self.number();
        let one = self.by_key.get_mut(key)?.iter_mut().find(|one| one.number == number)?;
        one.requests -= 1;
        if one.requests > 0 {
            return None;
        }
        if wanted {
            return self.remove(key, |one| one.number == number);
        }
        one.idle = Some((place, Instant::now()));
        self.idle.insert(place, Arc::clone(key));
        None
    }

    fn oldest(&mut self) -> Option<Connection> {
        self.oldest_of(|_| true)
    }

    fn oldest_of(&mut self, old: impl Fn(Instant) -> bool) -> Option<Connection> {
        let (&place, key) = self.idle.first_key_value()?;
        let key = Arc::clone(key);
        self.remove(&key, |one| one.idle.is_some_and(|(at, since)| at == place && old(since)))
    }

    fn remove(&mut self, key: &Key, which: impl Fn(&One) -> bool) -> Option<Connection> {
        let ones = self.by_key.get_mut(key)?;
        let at = ones.iter().position(which)?;
        let one = ones.remove(at);
        if let Some((place, _)) = one.idle {
            self.idle.remove(&place);
        }
        Some(one.connection)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Where the one is that was idle longest, if so many are idle that one has to go.
fn oldest_beyond(ones: &[One], most: usize) -> Option<usize> {
    let idle = ones.iter().enumerate().filter_map(|(at, one)| Some((one.idle?.0, at)));
    let oldest = idle.clone().min().map(|(_, at)| at);
    oldest.filter(|_| idle.count() >= most)
}

/// Counts while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
