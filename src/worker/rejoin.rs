//! A consumer that failed for good is built anew; when that does not help, the worker ends, so that
//! somebody notices (decision 21 of the design).

use std::{
    future::pending,
    io,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{Error, Worker, stop::LEAVE};
use crate::{
    kafka::{
        self,
        consumer::{self, Consumer, ConsumerHandle, Input},
    },
    model::Timestamp,
};

/// So many rebuilds are tried …
const REBUILDS: usize = 3;
/// … within this time.
const WINDOW: Duration = Duration::from_secs(300);
/// Pause before the first rebuild; doubled before each further one.
const PAUSE: Duration = Duration::from_secs(1);

type Joined = Result<(ConsumerHandle, mpsc::Receiver<Input>), consumer::Error>;

/// Rebuilds of the consumer.
#[derive(Default)]
pub struct Rejoin {
    running: Option<JoinHandle<Joined>>,
    begun: Vec<Instant>,
}

impl Rejoin {
    /// Resolves when a rebuild that runs has ended; never when none runs.
    pub async fn finished(&mut self) -> Joined {
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let joined = running.await;
        self.running = None;
        joined.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(kafka::Error::Thread { name: "kafka-consumer", source }.into())
        })
    }
}

impl Worker {
    /// The consumer cannot go on: forgets what it held, which is read again, and builds a new one.
    pub(super) fn consumer_failed(&mut self, error: consumer::Error) -> Result<(), Error> {
        let now = Instant::now();
        self.rejoin.begun.retain(|begun| now.duration_since(*begun) < WINDOW);
        let tries = self.rejoin.begun.len();
        if !error.is_curable() || tries >= REBUILDS || self.stopping.has_begun() {
            return Err(Error::Consumer(error));
        }
        tracing::error!(%error, tries, "the consumer is built anew");
        self.watch.kafka(Some(format!("the consumer is built anew: {error}")));
        self.rejoin.begun.push(now);
        let held = self.engine.partitions();
        self.engine.handle_lost(&held);
        self.revoking = None;
        if let Some(old) = self.consumer.take() {
            tokio::spawn(old.stop(LEAVE));
        }
        let (settings, topics) =
            (self.settings.config.kafka.client_settings(), self.topics.clone());
        let ladder = self.grades_read.clone();
        let (first, clock) = (self.settings.first_start, self.clock.clone());
        let pause = PAUSE * 2_u32.pow(u32::try_from(tries).unwrap_or(0));
        self.rejoin.running = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let start = move || Consumer::start(&settings, topics, &ladder, first, clock);
            tokio::task::spawn_blocking(start).await.unwrap_or_else(|error| {
                let source = io::Error::other(error);
                Err(kafka::Error::Thread { name: "kafka-consumer", source }.into())
            })
        }));
        Ok(())
    }

    /// A rebuild has ended.
    pub(super) fn rejoined(&mut self, joined: Joined) -> Result<Timestamp, Error> {
        match joined {
            Ok((consumer, inputs)) => {
                tracing::info!("the consumer is back");
                self.consumer = Some(consumer);
                self.inputs.consumer = inputs;
                self.watch.kafka(None);
            }
            Err(error) => self.consumer_failed(error)?,
        }
        Ok(self.clock.now())
    }
}
