//! `[kafka]`: how to reach it, as whom, and any other property of librdkafka that is safe.

use std::{collections::BTreeMap, fmt};

use super::reader::Reader;

/// How to reach Kafka and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Consumer group of completions and ladder.
    pub group: String,
    /// Further properties of librdkafka, for every client.
    pub properties: Properties,
}

/// Properties of librdkafka; secrets among them are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

/// Shown in place of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// Properties that the promise rests on, and what to do instead of setting them.
const OURS: [(&str, &str); 15] = [
    ("acks", "remove it: every write waits for all replicas"),
    ("allow.auto.create.topics", "remove it: `paynotify topics create` creates topics"),
    ("auto.offset.reset", "remove it: start positions are never guessed, see --first-start"),
    ("bootstrap.servers", "set kafka.bootstrap_servers"),
    ("enable.auto.commit", "remove it: positions are committed after deliveries are resolved"),
    (
        "enable.auto.offset.store",
        "remove it: positions are committed after deliveries are resolved",
    ),
    ("enable.gapless.guarantee", "remove it: a failed write is tried again by paynotify"),
    ("enable.idempotence", "remove it: the producer is idempotent"),
    ("group.id", "set kafka.group"),
    ("group.protocol", "remove it: only the classic protocol is safe with this librdkafka"),
    ("isolation.level", "remove it: only committed records are read"),
    ("metadata.broker.list", "set kafka.bootstrap_servers"),
    ("partition.assignment.strategy", "remove it: cooperative-sticky is needed"),
    ("partitioner", "remove it: keys map to partitions as Java producers map them"),
    ("transactional.id", "remove it: paynotify uses no transactions of its own"),
];

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            group: "paynotify".to_owned(),
            properties: Properties::default(),
        }
    }
}

impl Kafka {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("kafka.bootstrap_servers", &mut self.bootstrap_servers);
        reader.read("kafka.group", &mut self.group);
        let show = |name: &str, value: &str| {
            let value = if Properties::is_secret(name) { REDACTED } else { value };
            toml::Value::String(value.to_owned()).to_string()
        };
        reader.read_map("kafka.properties.", &mut self.properties.0, show);
        for (name, remedy) in OURS {
            if self.properties.0.contains_key(name) {
                let what = "paynotify sets this property itself";
                reader.refuse(&format!("kafka.properties.{name}"), what, remedy);
            }
        }
    }
}

impl From<&Kafka> for crate::kafka::ClientSettings {
    fn from(kafka: &Kafka) -> Self {
        let properties = kafka.properties.iter();
        Self {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            group: kafka.group.clone(),
            properties: properties.map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }
}

impl Properties {
    /// Name and value of each, secrets included: for the client only.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets one property, for tests and demonstrations.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Whether the value of this property must not be shown.
    pub fn is_secret(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let marks =
            ["password", "secret", "key", "token", "jaas", "credentials", "oauthbearer.config"];
        marks.iter().any(|mark| name.contains(mark))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|(name, value)| (name, if Self::is_secret(name) { REDACTED } else { value }));
        f.debug_map().entries(shown).finish()
    }
}
