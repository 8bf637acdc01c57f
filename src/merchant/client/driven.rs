//! Who drives a connection of HTTP/1.1: whoever makes a request over it, and a task of its own while
//! nobody does. Were it always the task, every request would change tasks twice more.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// What has to be polled for anything to happen on a connection; ends when it is closed.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A request drives so often at most: one poll sends it, one brings what came at once. Who sends
/// without end is read by the task, so that the deadline does not wait for what was read.
const POLLS: u32 = 4;

/// A connection's driver. As a waker, it wakes the task of its own, unless a request drives: the
/// request is woken by the waker that it has left itself.
pub(super) struct Driven {
    /// Nothing when the connection is closed.
    driver: Mutex<Option<Driver>>,
    /// A request drives.
    lent: AtomicBool,
    /// The task of its own.
    task: Mutex<Option<Waker>>,
}

impl Driven {
    pub fn new(driver: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let driver: Driver = Box::pin(driver);
        Arc::new(Self {
            driver: Mutex::new(Some(driver)),
            lent: AtomicBool::new(false),
            task: Mutex::default(),
        })
    }

    /// The task of its own; ends when the connection is closed, and closes it when it is dropped.
    pub fn attend(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let attended = Attended(Arc::clone(self));
        poll_fn(move |context| {
            let this = &attended.0;
            // Left before looking, so that whoever gives the connection back later finds it.
            *lock(&this.task) = Some(context.waker().clone());
            let mut driver = lock(&this.driver);
            // Asked under the lock: a request's own poll comes after this one, and its waker stays.
            if this.lent.load(Ordering::SeqCst) {
                return Poll::Pending;
            }
            poll(&mut driver, &Arc::clone(this).into())
        })
    }

    /// A request drives from now on, by [`Driven::drive`].
    pub fn lend(&self) {
        self.lent.store(true, Ordering::SeqCst);
    }

    /// Drives until `outcome`, which needs nothing else, is there, or until that takes too much.
    pub async fn drive<T>(self: &Arc<Self>, outcome: impl Future<Output = T>) -> T {
        // The runtime may not make it wait: nobody would wake it.
        let mut outcome = pin!(tokio::task::unconstrained(outcome));
        let mut polls = 0;
        poll_fn(|context| {
            if polls == POLLS {
                self.abandon();
            }
            polls += 1;
            if !self.lent.load(Ordering::SeqCst) {
                return outcome.as_mut().poll(context);
            }
            // Whatever ends the connection is told by the outcome, which comes from the driver and
            // from nowhere else: it need not wake this task.
            let _ = poll(&mut lock(&self.driver), context.waker());
            outcome.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// The request is over: what happens from now on wakes the task of its own.
    pub fn give_back(self: &Arc<Self>) {
        self.lent.store(false, Ordering::SeqCst);
        if poll(&mut lock(&self.driver), &Arc::clone(self).into()).is_ready() {
            self.wake_by_ref();
        }
    }

    /// The request drives no more, though it may not be over.
    pub fn abandon(self: &Arc<Self>) {
        self.lent.store(false, Ordering::SeqCst);
        self.wake_by_ref();
    }
}

fn poll(driver: &mut Option<Driver>, waker: &Waker) -> Poll<()> {
    let Some(running) = driver else { return Poll::Ready(()) };
    let polled = running.as_mut().poll(&mut Context::from_waker(waker));
    if polled.is_ready() {
        *driver = None;
    }
    polled
}

impl Wake for Driven {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.lent.load(Ordering::SeqCst)
            && let Some(task) = &*lock(&self.task)
        {
            task.wake_by_ref();
        }
    }
}

/// The task's hold on the connection.
struct Attended(Arc<Driven>);

impl Drop for Attended {
    /// The driver holds wakers that hold the driver, so it does not end by itself.
    fn drop(&mut self) {
        let driver = lock(&self.0.driver).take();
        drop(driver);
    }
}

/// Nothing is half done where a driver panics: what is left of it is not polled again by others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
