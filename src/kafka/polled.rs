//! A producer with a thread that takes the broker's answers.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, ProducerContext},
};

use super::{Error, open};

/// How long the thread waits for answers before it looks whether it is still wanted.
///
/// Not in whole milliseconds: rust-rdkafka waits for the whole ones and asks again and again for what is
/// left of the last, which is a hundredth of a processor at ten times a second.
const LOOK: Duration = Duration::from_micros(200_100);

/// rust-rdkafka's `ThreadedProducer` with a thread that sleeps while nothing happens.
///
/// Dropping it waits for the thread, [`LOOK`] at most, and for the client.
pub struct Polled<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    unwanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> Polled<C> {
    /// A producer that connects later.
    pub fn new(config: &ClientConfig, context: C) -> Result<Self, Error> {
        let producer: Arc<BaseProducer<C>> = Arc::new(open::client("producer", config, context)?);
        let unwanted = Arc::new(AtomicBool::new(false));
        let (polls, stop) = (Arc::clone(&producer), Arc::clone(&unwanted));
        let poll = move || {
            while !stop.load(Ordering::Acquire) {
                polls.poll(LOOK);
            }
        };
        let name = "kafka-answers";
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(poll)
            .map_err(|source| Error::Thread { name, source })?;
        Ok(Self { producer, unwanted, thread: Some(thread) })
    }
}

impl<C: ProducerContext + 'static> Deref for Polled<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Polled<C> {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It ends by itself unless a callback panics, which has been told.
            let _ = thread.join();
        }
    }
}
