//! Everything at work in one process: broker, merchants, publisher and worker, and at the end a sum
//! of every event.
//!
//! Nothing here knows how deliveries are made; it only publishes, answers as merchants do, reads
//! the dead letters back and counts.

mod book;
mod broker;
mod cast;
mod publish;
mod receiver;
mod screen;

use std::{io::Write as _, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::{book::Book, broker::Broker, screen::Screen};
use crate::{
    config::Config,
    kafka::{self, ClientSettings, TopicNames, position::FirstStart, reader},
    merchant::guard::{self, Ports},
    model::{Ladder, LadderError, Span},
    worker::{self, Shown, Stopped},
};

/// Events that are published; within what the embedded broker keeps.
const EVENTS: usize = 2_400;
/// How long publishing takes.
const PUBLISHING: Duration = Duration::from_secs(18);
/// The worker has to be ready by then.
const READY: Duration = Duration::from_secs(30);
/// Every event has to be settled by then, counted from the first.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often the screen is renewed.
const GLANCE: Duration = Duration::from_millis(250);
/// The dead letters are read back every so many glances.
const READ_BACK: u32 = 4;
/// How long the worker may take to stop.
const STOPPING: Duration = Duration::from_secs(30);

/// Why the demonstration failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka cannot be reached or refuses.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The embedded broker, or the topics on a real one.
    #[error("{action}: {source}; check that the broker runs and allows it")]
    Broker {
        /// What was tried.
        action: &'static str,
        /// What librdkafka said.
        source: rdkafka::error::KafkaError,
    },
    /// The topics on a real cluster.
    #[error("the topics of the demo cannot be created: {0}")]
    Topics(String),
    /// The worker failed.
    #[error("{0}")]
    Worker(Box<worker::Error>),
    /// The worker ended though nobody asked it to.
    #[error("the worker of the demo ended too early; see the log")]
    Ended,
    /// The worker did not stop.
    #[error("the worker of the demo did not stop within {STOPPING:?}; see the log")]
    Stuck,
    /// The worker did not become ready.
    #[error("the worker of the demo was not ready after {READY:?}: {0}")]
    NotReady(String),
    /// The ladder is none.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// The loopback, the file of merchants or the screen.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something was lost, invented or altered.
    #[error("the sum is wrong, see above")]
    Wrong,
}

impl From<worker::Error> for Error {
    fn from(error: worker::Error) -> Self {
        Self::Worker(Box::new(error))
    }
}

/// Runs until every event is settled, or until `stop` is cancelled; on the embedded broker, or on
/// the cluster at `kafka` under a prefix of its own that is deleted at the end.
pub async fn run(kafka: Option<String>, stop: CancellationToken) -> Result<(), Error> {
    let mut config = Config::default();
    config.topics.grades =
        Ladder::new([500, 1_000, 2_000].into_iter().map(Span::from_millis).collect())?;
    config.directory.shortest_interval = Span::from_millis(100);
    config.delivery.allow_http = true;
    config.delivery.allow_addresses = guard::LOOPBACK.to_vec();
    config.delivery.ports = Ports::any();
    // Half a minute is too short for the recovery of an endpoint that gets probes alone.
    config.delivery.breaker.failures = 1_000_000;
    config.shutdown.grace = Span::from_secs(5);
    config.kafka.properties.insert("session.timeout.ms", "6000");
    let broker = Broker::start(kafka, &mut config).await?;
    let ended = perform(config, broker.is_embedded(), &stop).await;
    let deleted = broker.end().await;
    ended.and(deleted)
}

/// The play itself, on a broker that has the topics.
async fn perform(config: Config, embedded: bool, stop: &CancellationToken) -> Result<(), Error> {
    let io = |action| move |source| Error::Io { action, source };
    let book = Arc::new(Book::new(cast::merchants()));
    let receiver = receiver::start(Arc::clone(&book)).await.map_err(io("the loopback"))?;
    let directory = broker::scratch().map_err(io("a directory for the merchants"))?;
    let file = directory.path().join("merchants.jsonl");
    std::fs::write(&file, cast::directory(book.merchants(), receiver.address))
        .map_err(io("the file of merchants"))?;
    let mut config = config;
    config.directory.file = Some(file);

    let client = config.kafka.client_settings();
    let topics = TopicNames::new(&config.topics.prefix);
    // The worker gets a token of its own, so that it outlives the publisher.
    let working = CancellationToken::new();
    let _guard = working.clone().drop_guard();
    let shown = Shown::new(&config)?;
    let health = Arc::clone(&shown.health);
    let settings = worker::Settings {
        allow_unsafe: false,
        config,
        first_start: Some(FirstStart::Earliest),
        allow_empty_directory: false,
        embedded_broker: embedded,
        deadlines: worker::Deadlines::default(),
        worker: "demo".to_owned(),
    };
    let token = working.clone();
    let mut worker: JoinHandle<Result<Stopped, worker::Error>> = tokio::spawn(async move {
        let worker = worker::start(settings, shown, &token).await?;
        worker.run(token).await
    });

    let ready = async {
        while !health.reasons().is_empty() {
            tokio::time::sleep(GLANCE).await;
        }
    };
    let ready = tokio::select! {
        ready = tokio::time::timeout(READY, ready) => ready.is_ok(),
        ended = &mut worker => return Err(too_early(ended)),
        () = stop.cancelled() => true,
    };
    if !ready {
        return Err(Error::NotReady(health.reasons().join("; ")));
    }

    let publisher = publish::Publisher::new(&client, topics.completions())?;
    let publishing = tokio::spawn(publisher.run(Arc::clone(&book), stop.clone()));
    let mut screen = Screen::new();
    let settled = tokio::select! {
        settled = watch(&book, &client, &topics, &mut screen, &publishing, stop) => settled,
        ended = &mut worker => Err(too_early(ended)),
    };
    working.cancel();
    publishing.abort();
    settled?;
    match tokio::time::timeout(STOPPING, worker).await {
        Ok(Ok(stopped)) => stopped.map(drop)?,
        Ok(Err(_)) => return Err(Error::Ended),
        Err(_) => return Err(Error::Stuck),
    }
    read_back(&book, &client, &topics).await?;
    screen.draw(&book).map_err(io("the screen"))?;
    let sum = book.sum();
    writeln!(std::io::stdout(), "\n{sum}").map_err(io("the summary"))?;
    if stop.is_cancelled() {
        writeln!(std::io::stdout(), "interrupted: what was not settled yet is no fault")
            .map_err(io("the summary"))?;
    }
    if sum.is_right(stop.is_cancelled()) { Ok(()) } else { Err(Error::Wrong) }
}

/// Shows how it goes until everything is settled, the deadline is over, or somebody asks to stop.
async fn watch(
    book: &Arc<Book>,
    client: &ClientSettings,
    topics: &TopicNames,
    screen: &mut Screen,
    publishing: &JoinHandle<()>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let until = tokio::time::Instant::now() + DEADLINE;
    for glance in 1_u32.. {
        tokio::select! {
            () = tokio::time::sleep(GLANCE) => {}
            () = stop.cancelled() => break,
        }
        if glance.is_multiple_of(READ_BACK) {
            read_back(book, client, topics).await?;
        }
        screen.glance(book).map_err(|source| Error::Io { action: "the screen", source })?;
        let settled = publishing.is_finished() && book.sum().unsettled() == 0;
        if settled || tokio::time::Instant::now() >= until {
            break;
        }
    }
    Ok(())
}

/// Reads the dead letters anew; the book knows those it has seen by their coordinates.
async fn read_back(
    book: &Arc<Book>,
    client: &ClientSettings,
    topics: &TopicNames,
) -> Result<(), Error> {
    let (book, client, topic) = (Arc::clone(book), client.clone(), topics.dead_letters());
    let scanned = tokio::task::spawn_blocking(move || {
        reader::scan(&client, &topic, |record| {
            book.dead(&record);
            Ok(())
        })
    });
    scanned.await.map_err(|_| Error::Ended)?
}

fn too_early(ended: Result<Result<Stopped, worker::Error>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(_)) | Err(_) => Error::Ended,
    }
}
