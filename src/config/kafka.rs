//! `[kafka]`: how to reach it, as whom, and any other property of librdkafka that is safe.

use std::{collections::BTreeMap, fmt};

use crate::kafka::{
    ClientSettings, client,
    login::properties::{self, Refusal},
};

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
        for (name, value) in self.properties.0.clone() {
            let key = format!("kafka.properties.{name}");
            let alone = ClientSettings {
                properties: BTreeMap::from([(name, value)]),
                ..self.client_settings()
            };
            if let Err(refused) = alone.check() {
                reader.refuse(&key, refused.why, "remove it");
            }
        }
        for Refusal { key, what, remedy } in properties::check(&self.properties.0) {
            reader.refuse(&format!("kafka.properties.{key}"), what, remedy);
        }
    }

    /// What every client is made from.
    pub fn client_settings(&self) -> ClientSettings {
        ClientSettings {
            bootstrap_servers: self.bootstrap_servers.clone(),
            group: self.group.clone(),
            properties: self.properties.0.clone(),
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
        client::is_secret(name)
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
