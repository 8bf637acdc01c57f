//! A producer whose answers are taken in on a thread of its own. That of rust-rdkafka looks whether it
//! has ended ten times a second, and its last millisecond of waiting spins: a hundredth of a processor
//! for each producer with nothing to do.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, Producer as _, ProducerContext, PurgeConfig},
};

use crate::kafka::{Error, open};

const THREAD: &str = "kafka-producer";
/// The thread looks so often whether it has ended. Answers are taken in as they come.
const LOOK: Duration = Duration::from_secs(1);

/// A client that is polled. What is on its way when it is dropped is answered as not written, and the
/// client ends on its thread.
pub struct Polled<C: ProducerContext + 'static> {
    client: Arc<BaseProducer<C>>,
    ended: Arc<AtomicBool>,
}

impl<C: ProducerContext + 'static> Polled<C> {
    /// Creates the client and its thread.
    pub fn new(config: &ClientConfig, context: C) -> Result<Self, Error> {
        let client: BaseProducer<C> = open::client("producer", config, context)?;
        let (client, ended) = (Arc::new(client), Arc::new(AtomicBool::new(false)));
        let (polled, over) = (Arc::clone(&client), Arc::clone(&ended));
        let poll = move || {
            while !over.load(Ordering::Acquire) {
                polled.poll(LOOK);
            }
        };
        let failed = |source| Error::Thread { name: THREAD, source };
        thread::Builder::new().name(THREAD.into()).spawn(poll).map_err(failed)?;
        Ok(Self { client, ended })
    }
}

impl<C: ProducerContext + 'static> Deref for Polled<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &BaseProducer<C> {
        &self.client
    }
}

impl<C: ProducerContext + 'static> Drop for Polled<C> {
    fn drop(&mut self) {
        self.client.purge(PurgeConfig::default().queue().inflight());
        self.ended.store(true, Ordering::Release);
    }
}
