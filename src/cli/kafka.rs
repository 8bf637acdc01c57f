//! Clients for short commands: no group, no commits, nothing that outlives the command.

mod producer;
mod scan;

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::{
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::config::Config;

pub(super) use producer::{Producer, Record};
pub(super) use scan::{Read, one, scan};

/// What goes wrong is said by the command; librdkafka's own lines would come between.
const SILENT: RDKafkaLogLevel = RDKafkaLogLevel::Emerg;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of partitions of a topic; fails with the remedy when Kafka or the topic is not there.
fn partitions(config: &Config, consumer: &BaseConsumer, topic: &str) -> anyhow::Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).with_context(|| {
        format!(
            "no answer from Kafka at {} within 10s; check kafka.bootstrap_servers, \
             kafka.properties and the network",
            config.kafka.bootstrap_servers
        )
    })?;
    let found = metadata.topics().first();
    let ids: Vec<_> = found.map_or(&[][..], |topic| topic.partitions()).iter().collect();
    let mut ids: Vec<_> = ids.into_iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    ids.sort_unstable();
    anyhow::ensure!(
        !ids.is_empty(),
        "topic {topic} is not there; run `paynotify topics create`, or check topics.prefix"
    );
    Ok(ids)
}

/// Checks that a topic is there before anything is written to it.
pub(super) fn require(config: &Config, topic: &str) -> anyhow::Result<()> {
    partitions(config, &scan::reader(config)?, topic).map(|_| ())
}
