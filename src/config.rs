//! The only reader of configuration file and environment; typed settings come out.
//!
//! A value comes from the first of these that has it: flag, environment
//! (`PAYNOTIFY_<SECTION>__<KEY>`), file (TOML), default. Every value remembers which it was, every
//! mistake is reported with its key, its place and its remedy, and all mistakes are reported at
//! once. Nothing here talks to Kafka or the network.

mod delivery;
mod environment;
mod error;
mod file;
mod kafka;
mod keys;
mod memory;
mod origin;
mod policy;
mod reader;
mod scheduling;
mod sections;
mod setting;
mod size;
#[cfg(feature = "fail-points")]
mod testing;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use delivery::Delivery;
pub use error::{Error, Problem};
pub use kafka::{Kafka, Properties};
pub use keys::{Command, KeyText};
pub use memory::{Memory, Parts};
pub use origin::{Effective, Origin};
pub use policy::Defaults;
pub use scheduling::{Breaker, Scheduling, Share};
pub use sections::{
    Admin, AttemptsLog, Commit, Directory, Events, Hold, Lanes, Log, LogFormat, Parking, Shutdown,
    Topics,
};
pub use size::{Size, SizeError};
#[cfg(feature = "fail-points")]
pub use testing::Testing;

use reader::Reader;

use crate::{
    kafka::topics,
    merchant::{
        directory::{self, Rules, Schedules},
        vault::{KeySource, KeysError, Vault},
    },
};

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "paynotify.toml";

/// The commented default configuration, the same values as [`Config::default`].
pub const DEFAULT_TEXT: &str = include_str!("../deploy/paynotify.toml");

/// Every setting of the program, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// How to reach Kafka and as whom.
    pub kafka: Kafka,
    /// Names and delays of the topics.
    pub topics: Topics,
    /// Where merchants come from.
    pub directory: Directory,
    /// What merchants get that do not say otherwise.
    pub defaults: Defaults,
    /// Deliveries that wait without an attempt.
    pub parking: Parking,
    /// Limits of HTTP requests, and where they may go.
    pub delivery: Delivery,
    /// Whose attempts get which slots.
    pub scheduling: Scheduling,
    /// Limits of events.
    pub events: Events,
    /// Limits of an endpoint's queue.
    pub lanes: Lanes,
    /// Limits of what a worker holds in memory.
    pub hold: Hold,
    /// What a worker may take.
    pub memory: Memory,
    /// When positions are committed.
    pub commit: Commit,
    /// The delivery log.
    pub attempts_log: AttemptsLog,
    /// Metrics, health and status.
    pub admin: Admin,
    /// The end of a worker.
    pub shutdown: Shutdown,
    /// The program's own log.
    pub log: Log,
    /// What a test does to the worker.
    #[cfg(feature = "fail-points")]
    pub testing: Testing,
}

/// Where settings are looked for. Never printed: any of it may hold a secret.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The configuration file and its text; the name is for messages.
    pub file: Option<(String, String)>,
    /// Environment variables; those that are not ours are passed over.
    pub environment: Vec<(String, String)>,
    /// `key=value` of `--set`, in order.
    pub flags: Vec<(String, String)>,
}

/// A configuration and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The typed settings.
    pub config: Config,
    /// Every effective value in the order of the default file, secrets redacted.
    pub effective: Vec<Effective>,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|(name, _)| name);
        let names = |pairs: &'_ [(String, String)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        f.debug_struct("Inputs")
            .field("file", &file)
            .field("environment", &names(&self.environment))
            .field("flags", &names(&self.flags))
            .finish_non_exhaustive()
    }
}

impl Inputs {
    /// Reads the file (`-` is standard input; without a name [`DEFAULT_FILE`], if present) and
    /// takes the environment of this process.
    pub fn of_process(file: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, Error> {
        let path = match file {
            Some(path) => Some(path.to_owned()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let file = path.map(|path| file::read(&path)).transpose()?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| environment::is_ours(name))
            .map(|(name, value)| match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(Error::NotText(name)),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { file, environment, flags })
    }

    /// Reads every setting and checks them together.
    pub fn load(&self) -> Result<Loaded, Error> {
        let mut reader = Reader::default();
        if let Some((name, text)) = &self.file {
            file::parse(name, text, &mut reader)?;
        }
        environment::parse(&self.environment, &mut reader);
        for (key, value) in &self.flags {
            reader.flag(key, value);
        }
        let mut config = Config::default();
        config.read(&mut reader);
        let effective = reader.finish()?;
        Ok(Loaded { config, effective })
    }
}

impl Config {
    /// How the topics should be under this configuration.
    pub fn topic_settings(&self) -> topics::Settings {
        let max_bytes = self.events.max_bytes.as_bytes();
        topics::Settings {
            partitions: self.topics.partitions.and_then(|count| i32::try_from(count).ok()),
            outage_budget: self.topics.outage_budget,
            events_max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            ..topics::Settings::new(&self.topics.prefix, self.topics.grades.clone())
        }
    }

    /// Where the keys of merchants' secrets come from, if from anywhere.
    pub fn key_source(&self) -> Option<KeySource> {
        let directory = &self.directory;
        let file = directory.key_file.clone().map(KeySource::File);
        let command = || {
            let Command(words) = &directory.key_command;
            (!words.is_empty()).then(|| KeySource::Command(words.clone()))
        };
        file.or_else(command).or_else(|| directory.keys.text().map(KeySource::Text))
    }

    /// What entries of the directory are held against; reads the keys of merchants' secrets.
    pub fn rules(&self) -> Result<Rules, KeysError> {
        Ok(Rules {
            defaults: directory::Defaults(self.defaults.policy.clone()),
            allow_http: self.delivery.allow_http,
            schedules: self.schedules(),
            classes: self.scheduling.names(),
            guard: self.delivery.guard(),
            vault: self.key_source().as_ref().map(Vault::new).transpose()?,
        })
    }

    /// What schedules are held against under this configuration.
    pub fn schedules(&self) -> Schedules {
        Schedules {
            shortest: self.directory.shortest_interval,
            longest: self.directory.longest_interval,
            ladder: self.topics.grades.clone(),
        }
    }

    /// Takes every section; the order is that of `config show`.
    fn read(&mut self, reader: &mut Reader) {
        self.kafka.read(reader);
        self.topics.read(reader);
        self.directory.read(reader);
        self.scheduling.read(reader);
        self.defaults.read(reader, &self.schedules(), &self.scheduling.names());
        self.parking.read(reader, &self.topics);
        self.delivery.read(reader);
        self.events.read(reader);
        self.lanes.read(reader);
        self.hold.read(reader);
        self.memory.read(reader, &self.delivery, &self.hold);
        self.commit.read(reader);
        self.attempts_log.read(reader);
        self.admin.read(reader);
        self.shutdown.read(reader);
        self.log.read(reader);
        #[cfg(feature = "fail-points")]
        self.testing.read(reader);
    }
}
