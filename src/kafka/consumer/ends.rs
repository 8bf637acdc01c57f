//! Asks where the logs of what is held end, on a thread of its own: the lag is for people and
//! autoscalers, and no commit waits until it is known.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rdkafka::consumer::BaseConsumer;

use super::{context::Context, shared::Shared, start};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// A thread that asks; dropping this ends it after the question that is on its way.
#[derive(Debug)]
pub struct Ends {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ends {
    /// Begins to ask.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn follow(
        consumer: Arc<BaseConsumer<Context>>,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let work = move || ask_until(&stopped, &consumer, &shared);
        let thread = Builder::new().name("kafka-ends".into()).spawn(work)?;
        Ok(Self { stop, thread })
    }

    /// Waits until nothing is asked any more.
    pub fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

fn ask_until(stopped: &Receiver<()>, consumer: &BaseConsumer<Context>, shared: &Shared) {
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        // Who is away would only keep questions waiting.
        if shared.troubled.load(Ordering::Acquire) {
            continue;
        }
        let held: Vec<_> = {
            let held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.keys().copied().collect()
        };
        // What is not answered keeps its last end.
        match start::ends(consumer, shared, &held) {
            Ok(ends) => *shared.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends,
            Err(error) => tracing::debug!(%error, "the lag is not known"),
        }
    }
}
