//! The loop: input → engine → commands. The only place that knows both the engine and the world.
//!
//! One task owns the engine. Everything else (consumer thread, producer, HTTP attempts, directory)
//! talks to it through bounded channels; nothing in the loop waits for any of them.

mod attempts;
mod attempts_log;
mod decode;
mod endpoints;
mod execute;
mod files;
mod follow;
mod heal;
mod health;
mod input;
mod memory;
mod observe;
mod rejoin;
mod setup;
mod stop;
mod topics_check;
mod watchdog;

use std::{
    collections::HashMap,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::{
    attempts::{Attempted, Attempts},
    endpoints::Endpoints,
    execute::Http,
    heal::Heal,
    health::Watch,
    memory::Memory,
    observe::Observer,
    rejoin::Rejoin,
    stop::Stopping,
};
pub use self::{
    decode::decoder,
    setup::{Error, Settings, Shown, start},
    watchdog::{Deadlines, Fault},
};
use crate::{
    clock::Clock,
    engine::{Destination, Engine, RouteId},
    kafka::{
        TopicNames,
        answers::NOBODY,
        consumer::{ConsumerHandle, Input},
        producer::{Delivered, Outgoing, Producer, SendError},
        table::TableInput,
    },
    merchant::directory::Update,
    model::{Ladder, Span, Timestamp},
};

/// How often gauges, status and health are renewed.
const TICK: Duration = Duration::from_secs(1);

/// The broker is asked for its time every so many ticks.
const PROBE_TICKS: u64 = 30;

/// The same while the broker acknowledges nothing.
const SILENT_PROBE_TICKS: u64 = 5;

/// Token of a record that no route waits for.
const PROBE: u64 = u64::MAX;

/// Inputs of one kind that are taken before the engine is asked again.
const BATCH: usize = 512;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Attempts that were cut because the grace was over.
    pub cut: usize,
}

/// A running worker.
pub struct Worker {
    settings: Settings,
    engine: Engine,
    clock: Clock,
    attempts: Attempts<Http>,
    topics: TopicNames,
    producer: Producer,
    /// Every grade that is read; those of the configuration alone are written to.
    grades_read: Ladder,
    consumer: Option<ConsumerHandle>,
    inputs: Inputs,
    routes: HashMap<RouteId, Outstanding>,
    endpoints: Endpoints,
    observer: Observer,
    memory: Memory,
    watch: Watch,
    stopping: Stopping,
    rejoin: Rejoin,
    heal: Heal,
    revoking: Option<Revoking>,
    ticks: u64,
}

/// Everything that reports to the loop.
struct Inputs {
    consumer: mpsc::Receiver<Input>,
    delivered: mpsc::Receiver<Delivered>,
    attempted: mpsc::Receiver<Attempted>,
    directory: mpsc::Receiver<Update>,
    findings: mpsc::Receiver<TableInput>,
}

/// A route that the broker has not answered.
struct Outstanding {
    to: Destination,
    parked: bool,
    since: Instant,
}

/// Partitions that the group asks back.
struct Revoking {
    partitions: Vec<crate::model::Partition>,
    reply: std::sync::mpsc::SyncSender<Vec<crate::engine::Commit>>,
    deadline: Instant,
}

impl Worker {
    /// Turns until `shutdown` is cancelled and everything is given back, or until Kafka says
    /// something that cannot be mended from here.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<Stopped, Error> {
        let ended = self.turn(&shutdown).await;
        match &ended {
            Ok(_) => Box::pin(self.close()).await,
            Err(_) => Box::pin(self.leave_behind()).await,
        }
        ended
    }

    async fn turn(&mut self, shutdown: &CancellationToken) -> Result<Stopped, Error> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Made once: a timer that is moved takes no lock of the runtime.
        let mut wake = pin!(tokio::time::sleep(TICK));
        let mut cancelled = pin!(shutdown.cancelled());
        loop {
            self.execute_commands();
            self.finish_revoke_if_drained();
            if let Some(stopped) = self.advance_stop(shutdown) {
                return Ok(stopped);
            }
            wake.as_mut().reset(self.wake_at().into());
            // Fair turns: a flood of one kind must not keep the others waiting.
            let now = tokio::select! {
                () = &mut cancelled, if !self.stopping.has_begun() => self.clock.now(),
                Some(input) = self.inputs.consumer.recv() => self.take_consumer(input)?,
                Some(delivered) = self.inputs.delivered.recv() => self.take_delivered(delivered),
                Some(attempted) = self.inputs.attempted.recv() => self.take_attempted(attempted),
                Some(update) = self.inputs.directory.recv() => self.take_directory(update),
                Some(input) = self.inputs.findings.recv() => self.take_findings(input),
                joined = self.rejoin.finished() => self.rejoined(joined)?,
                (client, answers) = self.heal.heard() => self.heard(client, answers),
                _ = tick.tick() => self.tick()?,
                () = &mut wake => self.clock.now(),
                () = self.stopping.consumer_gone() => self.clock.now(),
            };
            self.engine.handle_timeout(now);
            self.endpoints.write_due(&self.producer, now);
            tokio::task::yield_now().await;
        }
    }

    /// When the loop has to turn although nothing happens.
    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let soon = |at: Timestamp| Instant::now() + Duration::from(at.since(now));
        let timer = self.engine.poll_timeout().map(soon);
        let finding = self.endpoints.next_due().map(soon);
        let revoke = self.revoking.as_ref().map(|revoking| revoking.deadline);
        let idle = Instant::now() + TICK;
        [timer, finding, revoke, self.stopping.deadline()]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    /// Gives partitions back when nothing of them runs any more, or when time is up.
    fn finish_revoke_if_drained(&mut self) {
        let Some(revoking) = &self.revoking else {
            return;
        };
        if self.engine.is_drained(&revoking.partitions) || Instant::now() >= revoking.deadline {
            self.finish_revoke();
        }
    }

    /// Gives back what is asked back, if anything is, however much of it runs.
    fn finish_revoke(&mut self) {
        if let Some(revoking) = self.revoking.take() {
            let commits = self.engine.finish_revoke(&revoking.partitions);
            // Whoever has these partitions next goes on from what is written.
            self.endpoints.write_all(&self.producer, self.clock.now());
            self.observer.revoked(&revoking.partitions);
            // The consumer thread gave up waiting when this fails; then nothing is committed.
            if revoking.reply.try_send(commits).is_err() {
                tracing::warn!("a rebalance did not wait for the last commits");
            }
        }
    }

    fn tick(&mut self) -> Result<Timestamp, Error> {
        let now = self.clock.now();
        let status = self.engine.status(now, 20);
        let disabled = self.endpoints.describe(&self.engine);
        let memory = self.memory.look(&status);
        self.observer.gauges(&status, &memory, now, &self.clock, &disabled);
        if let Some(consumer) = &self.consumer {
            self.observer.lag(&status, &consumer.ends());
            self.observer.read(consumer.traffic());
        }
        let findings = self.watch.look(&health::Sight {
            status: &status,
            memory: &memory,
            consumer: self.consumer.as_ref(),
            oldest_route: self.routes.values().map(|route| route.since).min(),
            skew_seconds: self.clock.skew().as_secs_f64(),
        });
        self.engine.allow_attempts(!findings.clock_unusable);
        self.ticks = self.ticks.wrapping_add(1);
        // Where nothing is acknowledged, the probe finds out whether that has passed.
        let silent = self.watch.dog.stands(Fault::Acknowledgement);
        if self.ticks.is_multiple_of(if silent { SILENT_PROBE_TICKS } else { PROBE_TICKS }) {
            self.probe_clock();
        }
        self.heal(now, findings.step)?;
        Ok(now)
    }

    /// Asks the broker for its time, and whether it takes records.
    fn probe_clock(&mut self) {
        match ask_time(&self.producer, &self.topics) {
            Ok(()) => self.watch.silence.sent(Instant::now()),
            Err(error) => tracing::debug!(%error, "the broker's clock was not asked"),
        }
    }

    /// Waits for what is on its way out: routes are answered by now, the log may lag.
    async fn close(mut self) {
        self.endpoints.write_all(&self.producer, self.clock.now());
        let grace = Duration::from(Span::from_secs(5));
        let producer = self.producer;
        let observer = self.observer;
        let flushed = tokio::task::spawn_blocking(move || {
            producer.flush(grace);
            observer.flush(grace);
        });
        if tokio::time::timeout(grace * 3, flushed).await.is_err() {
            tracing::warn!(
                "the last lines of the attempts log may be lost: flushing took too long"
            );
        }
    }
}

/// Writes a tombstone for a key that nobody has; the broker's answer tells its time.
fn ask_time(producer: &Producer, topics: &TopicNames) -> Result<(), SendError> {
    producer.send(&Outgoing {
        token: PROBE,
        topic: &topics.endpoints(),
        partition: None,
        key: Some(NOBODY),
        value: None,
        headers: Vec::new(),
    })
}
