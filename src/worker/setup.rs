//! From settings to a running worker: directory first, then topics, then Kafka's clients.

mod directory;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::directory::Known;
use super::{
    Inputs, Worker,
    attempts::Attempts,
    attempts_log::AttemptsLog,
    decode::decoder,
    endpoints::Endpoints,
    execute::Http,
    files::{self, TooFewFiles},
    health::Watch,
    memory::Memory,
    observe::Observer,
    topics_check,
    watchdog::{Deadlines, Fault},
};
use crate::{
    clock::Clock,
    config::{Config, Parts},
    engine::{Engine, HoldBounds, Patience},
    kafka::{
        self, ClientSettings, TopicNames,
        consumer::{Consumer, Decode},
        position::FirstStart,
        producer::{Delivered, Log, Producer},
        topics::Finding,
    },
    merchant::{
        client::{self, Client},
        directory::Rules,
        vault::KeysError,
    },
    model::{LadderError, Source, Span},
    telemetry::{health::Health, metrics::Metrics},
};

/// How long the broker may take to name its cluster.
const CLUSTER: Duration = Duration::from_secs(15);

/// How long the broker may take to tell its time before the wall clock stands in for it.
const TIME: Duration = Duration::from_secs(5);

/// Everything that a worker needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// Where a new group begins on topics that hold records already.
    pub first_start: Option<FirstStart>,
    /// Start though no merchant is known.
    pub allow_empty_directory: bool,
    /// Start though topics are missing or unsafe; each finding is a warning then.
    pub allow_unsafe: bool,
    /// The broker stamps no append times and tells no settings (librdkafka's mock cluster).
    pub embedded_broker: bool,
    /// Name of this worker in logs and in the delivery log.
    pub worker: String,
    /// When a client of Kafka counts as one that does not do its work.
    pub deadlines: Deadlines,
}

/// What a worker shares with the admin server.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Its readiness.
    pub health: Arc<Health>,
    /// Its status.
    pub status: watch::Sender<serde_json::Value>,
}

/// Why there is no worker, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A client of Kafka cannot be had.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The consumer cannot start or go on.
    #[error(transparent)]
    Consumer(#[from] kafka::consumer::Error),
    /// The HTTP client cannot be had.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The broker does not say which cluster it belongs to.
    #[error(
        "no Kafka broker answers at {0}; check kafka.bootstrap_servers and that the broker runs"
    )]
    NoCluster(String),
    /// Events could be lost or misled, so the worker does not begin (decision 18).
    #[error(
        "the topics are not safe:\n{}\nrun `paynotify topics create` for topics that are missing, \
         change the settings of the others; or, for development only, pass --allow-unsafe",
        lines(.0)
    )]
    UnsafeTopics(Vec<Finding>),
    /// Nobody knows whether the topics are safe.
    #[error(
        "whether the topics are safe is unknown: {0}; allow this user DescribeConfigs on them, or, \
         for development only, pass --allow-unsafe"
    )]
    UncheckedTopics(#[source] kafka::Error),
    /// Nobody could open the secrets of merchants.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// More delay topics than can be held.
    #[error(
        "{count} delay topics are not in topics.grades and have to be read all the same: {error}; \
         delete those that were read to their end"
    )]
    RetiredGrades {
        /// How many.
        count: usize,
        /// Why they are too many.
        error: LadderError,
    },
    /// Nobody could be told anything.
    #[error(
        "the directory ({0}) holds no merchant, so every event would become a dead letter; add \
         merchants with `paynotify merchants put`, or pass --allow-empty-directory"
    )]
    EmptyDirectory(String),
    /// The source of the directory ended.
    #[error("the directory ({0}) cannot be read; see the log")]
    Directory(String),
    /// Asked to stop before the start was complete.
    #[error("stopped before the start was complete")]
    Stopped,
    /// Fewer files may be open than the settings need.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// A client was built anew, and the fault is there again although Kafka answers.
    #[error(
        "{0}, though Kafka answers, and a new client did not help; the worker ends so that another \
         one goes on from what is committed"
    )]
    Unhealed(Fault),
    /// The producer failed for good again and again.
    #[error(
        "the Kafka producer failed for good again and again, and new ones did not help; the log says \
         why"
    )]
    Producer,
    /// A metric cannot be declared.
    #[error("metrics cannot be declared: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Settings {
    /// How to reach Kafka.
    pub fn kafka(&self) -> ClientSettings {
        self.config.kafka.client_settings()
    }

    /// What is made of records that are read.
    pub fn decoder(&self) -> Decode {
        let topics = TopicNames::new(&self.config.topics.prefix);
        decoder(topics, self.config.events.max_bytes.as_usize())
    }

    fn rules(&self) -> Result<Rules, Error> {
        let keys = self.config.key_source();
        if keys.is_none() && self.config.directory.file.is_none() {
            tracing::warn!(
                "merchants' secrets are stored in the clear: set directory.key_file, and run \
                 `paynotify merchants rewrap`"
            );
        }
        Ok(self.config.rules()?)
    }

    fn engine(&self, cluster: String) -> crate::engine::Settings {
        let config = &self.config;
        let slots = config.delivery.max_in_flight as usize;
        crate::engine::Settings {
            cluster,
            ladder: config.topics.grades.clone(),
            max_in_flight: slots,
            max_suspects: config.delivery.max_suspects.of(slots).max(1),
            classes: config.scheduling.classes(slots),
            breaker: config.delivery.breaker.settings(),
            flood_brake: config.delivery.flood_brake,
            lane_records: config.lanes.max_records as usize,
            hold: HoldBounds {
                records: config.hold.max_records_per_partition as usize,
                bytes: config.hold.max_bytes.as_usize(),
                with_directory: self.memory().records_and_directory,
            },
            unknown_merchant_grace: config.directory.unknown_merchant_grace,
            longest_parking: config.parking.longest_grade,
            commit_interval: config.commit.interval,
            commit_every: config.commit.every,
            commit_refresh: config.commit.refresh,
        }
    }

    fn memory(&self) -> Parts {
        self.config.memory.parts(&self.config.delivery)
    }

    fn patience(&self) -> Patience {
        let delivery = &self.config.delivery;
        Patience { gone: delivery.disable_gone_after, failing: delivery.disable_after }
    }

    fn sources(&self) -> Vec<Source> {
        let grades = self.config.topics.grades.grades().iter().copied().map(Source::Grade);
        std::iter::once(Source::Completions).chain(grades).collect()
    }
}

impl Shown {
    /// What a worker with this configuration will show.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            metrics: Arc::new(Metrics::new(&config.topics.prefix, &config.topics.grades)?),
            health: Arc::new(Health::new(Span::from_secs(60))),
            status: watch::Sender::new(serde_json::Value::Null),
        })
    }
}

/// Loads the directory, reaches Kafka, joins the group.
pub async fn start(
    settings: Settings,
    shown: Shown,
    stop: &CancellationToken,
) -> Result<Worker, Error> {
    files::allow(&settings.config)?;
    let kafka = settings.kafka();
    let topics = TopicNames::new(&settings.config.topics.prefix);
    let clock = if settings.embedded_broker { Clock::without_offset() } else { Clock::new() };

    let clients = kafka.clone();
    let (producer, mut delivered, cluster) = blocking(stop, move || {
        kafka::sign_in(&clients)?;
        let (producer, delivered) = Producer::new(&clients)?;
        let cluster = producer.cluster_id(CLUSTER);
        Ok::<_, Error>((producer, delivered, cluster))
    })
    .await??;
    let no_cluster = || Error::NoCluster(kafka.bootstrap_servers.clone());
    let cluster = cluster.ok_or_else(no_cluster)?;

    let mut grades_read = settings.config.topics.grades.clone();
    if !settings.embedded_broker {
        grades_read = topics_check::with_retired(&settings, &kafka, stop).await?;
        topics_check::check(&settings, &grades_read, &kafka, stop).await?;
    }
    let told = learn_time(&clock, &producer, &mut delivered, &topics, stop).await?;
    let mut engine = Engine::new(settings.engine(cluster));
    let mut endpoints = Endpoints::new(
        settings.patience(),
        topics.endpoints(),
        settings.worker.clone(),
        clock.now(),
    );
    let findings = endpoints.load(&kafka, settings.allow_unsafe, &shown.health, stop).await?;
    let mut known = Known { engine: &mut engine, endpoints: &mut endpoints, now: clock.now() };
    let directory = directory::load(&settings, &kafka, &topics, &shown, &mut known, stop).await?;

    let log = settings.config.attempts_log.enabled.then(|| Log::new(&kafka)).transpose()?;
    let log = log.map(|log| {
        let excerpts = settings.config.attempts_log.excerpts;
        AttemptsLog::new(log, topics.attempts(), settings.worker.clone(), excerpts)
    });
    let excerpts = settings.config.attempts_log.excerpts;
    let client = Client::new(&settings.config.delivery.client_settings(excerpts))?;
    let (consumer, inputs) = {
        let (topics, clock, decode) = (topics.clone(), clock.clone(), settings.decoder());
        let (ladder, first) = (grades_read.clone(), settings.first_start);
        let start = move || Consumer::start(&kafka, topics, &ladder, first, clock, decode);
        blocking(stop, start).await??
    };
    let memory = Memory::new(settings.memory(), client.clone());
    let http = Http::new(client, clock.clone());
    let limit = settings.config.delivery.max_in_flight as usize;
    let (attempts, attempted) = Attempts::new(http, clock.clone(), limit);
    let observer = Observer {
        metrics: shown.metrics,
        log,
        status: shown.status,
        sources: settings.sources(),
        worker: settings.worker.clone(),
        merchants: engine.merchants(),
    };
    let mut worker = Worker {
        engine,
        clock,
        attempts,
        topics,
        producer,
        grades_read,
        consumer: Some(consumer),
        inputs: Inputs { consumer: inputs, delivered, attempted, directory, findings },
        routes: std::collections::HashMap::new(),
        endpoints,
        observer,
        memory,
        watch: Watch::new(shown.health, settings.deadlines),
        stopping: super::Stopping::default(),
        rejoin: super::Rejoin::default(),
        heal: super::Heal::default(),
        revoking: None,
        ticks: 0,
        settings,
    };
    if !told {
        worker.probe_clock();
    }
    Ok(worker)
}

/// Learns the broker's time before anything is due by it; whether it was told. Time never goes back,
/// so what a wrong wall clock said in the meantime would be believed for as long as it is ahead.
async fn learn_time(
    clock: &Clock,
    producer: &Producer,
    delivered: &mut mpsc::Receiver<Delivered>,
    topics: &TopicNames,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    if let Err(error) = super::ask_time(producer, topics) {
        tracing::debug!(%error, "the broker's clock was not asked");
        return Ok(false);
    }
    let answer = tokio::select! {
        answer = tokio::time::timeout(TIME, delivered.recv()) => answer.ok().flatten(),
        () = stop.cancelled() => return Err(Error::Stopped),
    };
    let Some(Delivered { result: Ok(appended), sent, received, .. }) = answer else {
        tracing::warn!("the broker does not tell its time; this machine's clock stands in for it");
        return Ok(false);
    };
    clock.observe_acknowledged(appended.timestamp, sent, received);
    Ok(true)
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("- {finding}")).collect::<Vec<_>>().join("\n")
}

/// Runs something that blocks for a bounded time; gives up waiting when asked to stop.
pub(super) async fn blocking<T: Send + 'static>(
    stop: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::select! {
        done = tokio::task::spawn_blocking(work) => done.map_err(|_| Error::Stopped),
        () = stop.cancelled() => Err(Error::Stopped),
    }
}
