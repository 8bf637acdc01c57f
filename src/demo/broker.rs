//! The broker of a demonstration: librdkafka's own, in this process, or a real one.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    path::{Path, PathBuf},
};

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use super::Error;
use crate::{
    config::Config,
    kafka::{ClientSettings, TopicNames, admin::Admin, topics},
    model::Ladder,
};

/// Partitions of every topic.
const PARTITIONS: i32 = 4;

/// Where the topics are.
pub enum Broker {
    /// In this process; gone when dropped.
    Embedded(
        #[expect(dead_code, reason = "kept alive")] MockCluster<'static, DefaultProducerContext>,
    ),
    /// A cluster with topics that are ours.
    Real {
        /// How to reach it.
        client: ClientSettings,
        /// Our topics.
        topics: Vec<String>,
    },
}

impl Broker {
    /// Creates the topics and makes `config` point at them.
    pub async fn start(kafka: Option<String>, config: &mut Config) -> Result<Self, Error> {
        let Some(servers) = kafka else { return embedded(config) };
        let prefix = format!("paynotify-demo-{:08x}", random() >> 32);
        config.kafka.bootstrap_servers = servers;
        config.kafka.group.clone_from(&prefix);
        config.topics.prefix = prefix;
        let names = TopicNames::new(&config.topics.prefix);
        let settings = topics::Settings {
            partitions: Some(PARTITIONS),
            ..topics::Settings::new(&config.topics.prefix, config.topics.grades.clone())
        };
        let client = config.kafka.client_settings();
        let broker =
            Self::Real { client: client.clone(), topics: all(&names, &config.topics.grades) };
        if let Err(error) = topics::create(&client, &settings).await {
            // What was created before it failed is ours to delete.
            let _ = broker.end().await;
            return Err(Error::Topics(error.to_string()));
        }
        Ok(broker)
    }

    /// Whether it stamps no append times.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Deletes what is ours.
    pub async fn end(self) -> Result<(), Error> {
        let Self::Real { client, topics } = self else { return Ok(()) };
        Ok(Admin::new(&client).await?.delete(&topics).await?)
    }
}

fn embedded(config: &mut Config) -> Result<Broker, Error> {
    let failed = |source| Error::Broker { action: "the embedded broker does not start", source };
    let cluster = MockCluster::new(1).map_err(failed)?;
    for topic in all(&TopicNames::new(&config.topics.prefix), &config.topics.grades) {
        cluster.create_topic(&topic, PARTITIONS, 1).map_err(failed)?;
    }
    config.kafka.bootstrap_servers = cluster.bootstrap_servers();
    Ok(Broker::Embedded(cluster))
}

fn all(names: &TopicNames, ladder: &Ladder) -> Vec<String> {
    let mut all = vec![
        names.completions(),
        names.dead_letters(),
        names.attempts(),
        names.merchants(),
        names.endpoints(),
        names.marks(),
    ];
    all.extend(ladder.grades().iter().map(|grade| names.grade(*grade)));
    all
}

/// A directory of our own that is removed when dropped.
pub struct Scratch(PathBuf);

/// Makes one among the system's temporary files.
pub fn scratch() -> io::Result<Scratch> {
    let path = std::env::temp_dir().join(format!("paynotify-demo-{:016x}", random()));
    std::fs::create_dir(&path)?;
    Ok(Scratch(path))
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The standard library seeds its hashers from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
