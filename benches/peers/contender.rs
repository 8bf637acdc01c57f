//! Who does the work, and how each is started.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use paynotify::kafka::TopicNames;

use super::support::{
    plan::{self, Plan},
    stage::Stage,
    time,
    worker::Worker,
    workload::Workload,
};

/// A program that posts what comes into a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// This one, which signs, counts and keeps retries besides.
    Paynotify,
    /// Confluent's Parallel Consumer with Vert.x, by key.
    ParallelConsumer,
    /// The same with a large buffer, by which it passes what hangs.
    ParallelConsumerBuffered,
    /// Bento as its documentation has it.
    Bento,
    /// Bento with a connection kept for each request at a time, which takes a change to its code, and
    /// with more records under way of each partition.
    BentoTuned,
}

/// What is to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Prefix of the topics.
    pub prefix: &'a str,
    /// Path of the merchants' URLs.
    pub path: &'a str,
    /// Requests at a time.
    pub in_flight: usize,
}

impl Contender {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Paynotify,
        Self::ParallelConsumer,
        Self::ParallelConsumerBuffered,
        Self::Bento,
        Self::BentoTuned,
    ];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paynotify => "paynotify",
            Self::ParallelConsumer => "parallel_consumer",
            Self::ParallelConsumerBuffered => "parallel_consumer_buffered",
            Self::Bento => "bento",
            Self::BentoTuned => "bento_tuned",
        }
    }

    /// Whether its settings are those that one finds.
    pub fn is_ordinary_peer(self) -> bool {
        matches!(self, Self::ParallelConsumer | Self::Bento)
    }

    /// Starts it with a new group, at the beginning of the topic.
    pub fn start(self, job: Job<'_>, stage: &Stage) -> anyhow::Result<Worker> {
        if self == Self::Paynotify {
            return paynotify(job, stage);
        }
        let mut command = match self {
            Self::Bento | Self::BentoTuned => bento(),
            _ => parallel_consumer(),
        };
        match self {
            Self::ParallelConsumerBuffered => command.env("MESSAGE_BUFFER_SIZE", "200000"),
            Self::BentoTuned => command
                .env("IDLE_CONNECTIONS", job.in_flight.to_string())
                .env("CHECKPOINT_LIMIT", "65536"),
            _ => &mut command,
        };
        let address = stage.receiver.address();
        command
            .env("BOOTSTRAP", &stage.bootstrap)
            .env("TOPIC", TopicNames::new(job.prefix).completions())
            .env("GROUP", format!("peer-{}", time::now_us()))
            .env("RECEIVER_HOST", address.ip().to_string())
            .env("RECEIVER_PORT", address.port().to_string())
            .env("RECEIVER_PATH", job.path)
            .env("IN_FLIGHT", job.in_flight.to_string());
        Worker::run(&mut command, &stage.directory)
    }
}

fn paynotify(job: Job<'_>, stage: &Stage) -> anyhow::Result<Worker> {
    let plan = Plan {
        prefix: job.prefix,
        grades: &plan::GRADES,
        path: job.path,
        new_group: true,
        workload: Workload { in_flight: job.in_flight, ..Workload::USUAL },
        program: None,
        more: "defaults.policy.timeout = \"30s\"\n",
        admin: plan::ANY_PORT,
    };
    plan::start(plan, &stage.bootstrap, &stage.receiver, &stage.directory)
}

fn parallel_consumer() -> Command {
    let mut command = Command::new("java");
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]);
    command.arg(installed().join("parallel-consumer/*"));
    command.arg(sources().join("parallel-consumer/Deliver.java"));
    command
}

fn bento() -> Command {
    let mut command = Command::new(installed().join("bento"));
    command.arg("--config").arg(sources().join("bento/bento.yaml"));
    command
}

/// Where `tools/bench-peers` puts them.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}
