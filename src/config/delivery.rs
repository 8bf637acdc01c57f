//! `[delivery]`: limits of HTTP requests, and where they may go.

use std::{io::Read as _, path::PathBuf};

use ipnet::IpNet;

use crate::{
    merchant::{
        client::ClientSettings,
        guard::{self, Guard, Ports},
        proxy::Proxy,
        trust::{self, TrustStore},
    },
    model::Span,
};

use super::{
    reader::{Reader, Value},
    scheduling::{Breaker, Share},
    setting::{Setting, list, not, quoted, split},
};

/// A single failure must not disable an endpoint.
const SHORTEST_DISABLE: Span = Span::from_secs(1);

/// `[delivery]`: limits of HTTP requests, and where they may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Concurrent attempts of a worker.
    pub max_in_flight: u32,
    /// Of them, attempts to endpoints that failed last or are slow now.
    pub max_suspects: Share,
    /// When an endpoint gets probes alone.
    pub breaker: Breaker,
    /// Whether an outage of ours stops the giving up of events.
    pub flood_brake: bool,
    /// Open connections of a worker to merchants.
    pub max_connections: u32,
    /// Idle connections to one host and port.
    pub max_idle_per_host: u32,
    /// An idle connection is closed after this.
    pub idle_timeout: Span,
    /// Whether endpoints without TLS are accepted.
    pub allow_http: bool,
    /// Ports that may be dialled.
    pub ports: Ports,
    /// Addresses that may be dialled beside those of the public internet.
    pub allow_addresses: Vec<IpNet>,
    /// Addresses that are never dialled.
    pub deny_addresses: Vec<IpNet>,
    /// A proxy that every request goes through.
    pub proxy: Option<Proxy>,
    /// Certificates trusted instead of those of the platform.
    pub trust_store: Option<TrustStore>,
    /// An endpoint of which no attempt succeeded for so long is disabled.
    pub disable_after: Span,
    /// An endpoint that answered only 410 for so long is disabled.
    pub disable_gone_after: Span,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            max_suspects: Share::HALF,
            breaker: Breaker::default(),
            flood_brake: true,
            max_connections: 1024,
            max_idle_per_host: 256,
            idle_timeout: Span::from_secs(60),
            allow_http: false,
            ports: Ports::default(),
            allow_addresses: Vec::new(),
            deny_addresses: Vec::new(),
            proxy: None,
            trust_store: None,
            disable_after: Span::from_secs(5 * 86_400),
            disable_gone_after: Span::from_secs(3_600),
        }
    }
}

impl Delivery {
    /// What may be dialled under these settings.
    pub fn guard(&self) -> Guard {
        let (allow, deny) = (self.allow_addresses.clone(), self.deny_addresses.clone());
        let guard = Guard::new(allow, deny, self.ports.clone());
        if self.proxy.is_some() { guard.behind_proxy() } else { guard }
    }

    /// How merchants are dialled; `excerpts` keeps the beginning of failing answers for operators.
    pub fn client_settings(&self, excerpts: bool) -> ClientSettings {
        ClientSettings {
            allow_http: self.allow_http,
            guard: self.guard(),
            proxy: self.proxy.clone(),
            trust_store: self.trust_store.clone(),
            max_connections: self.max_connections as usize,
            max_idle_per_host: self.max_idle_per_host as usize,
            idle_timeout: self.idle_timeout,
            excerpts,
            ..ClientSettings::default()
        }
    }

    fn read_pool(&mut self, reader: &mut Reader) {
        reader.read("delivery.max_connections", &mut self.max_connections);
        reader.read("delivery.max_idle_per_host", &mut self.max_idle_per_host);
        reader.read("delivery.idle_timeout", &mut self.idle_timeout);
        if self.max_connections < self.max_in_flight {
            let what = format!(
                "{} connections are fewer than delivery.max_in_flight, {}",
                self.max_connections, self.max_in_flight
            );
            reader.refuse("delivery.max_connections", what, "every attempt needs one: write more");
        }
        let (shortest, longest) = (Span::from_secs(1), Span::from_secs(3_600));
        if !(shortest..=longest).contains(&self.idle_timeout) {
            let what = format!("{} is out of range", self.idle_timeout);
            reader.refuse("delivery.idle_timeout", what, "write a duration from 1s to 1h");
        }
    }

    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("delivery.max_in_flight", &mut self.max_in_flight);
        reader.read("delivery.max_suspects", &mut self.max_suspects);
        reader.read("delivery.flood_brake", &mut self.flood_brake);
        self.breaker.read(reader);
        self.read_pool(reader);
        reader.read("delivery.allow_http", &mut self.allow_http);
        reader.read("delivery.ports", &mut self.ports);
        reader.read("delivery.allow_addresses", &mut self.allow_addresses);
        reader.read("delivery.deny_addresses", &mut self.deny_addresses);
        reader.read("delivery.proxy", &mut self.proxy);
        reader.read("delivery.trust_store", &mut self.trust_store);
        for (key, value) in [
            ("delivery.disable_after", &mut self.disable_after),
            ("delivery.disable_gone_after", &mut self.disable_gone_after),
        ] {
            reader.read(key, value);
            if *value < SHORTEST_DISABLE {
                let what = format!("{value} is too short");
                reader.refuse(key, what, "write 1s or more; to never disable, such as 3650d");
            }
        }
    }
}

impl Setting for Ports {
    const WANTED: &'static str = "a list of ports from 1 to 65535, such as [443, \"8000-8999\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(split(text))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        let Value::List(items) = value else {
            return match value {
                Value::Text(text) => Self::from_text(text),
                other => Err(not(other)),
            };
        };
        let text = |item: &Value| match item {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            other => Err(not(other)),
        };
        let texts = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        Self::parse(texts.iter().map(String::as_str))
    }

    fn show(&self) -> Option<String> {
        let items = self.ranges().iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("\"{first}-{last}\""),
        });
        Some(format!("[{}]", items.collect::<Vec<_>>().join(", ")))
    }
}

impl Setting for Vec<IpNet> {
    const WANTED: &'static str =
        "a list of addresses and ranges such as [\"10.1.2.3\", \"10.8.0.0/16\", \"fd00::/8\"]";

    fn from_text(text: &str) -> Result<Self, String> {
        split(text).map(guard::network).collect()
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::String(text) => guard::network(text),
                    other => Err(not(other)),
                })
                .collect(),
            Value::Text(text) => Self::from_text(text),
            other => Err(not(other)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(list(self.iter().map(|network| {
            // A range of one is shown as it was written.
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        })))
    }
}

impl Setting for Option<Proxy> {
    const WANTED: &'static str = "the proxy's address, such as \"http://proxy.example:3128\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Proxy::parse(text).map(Some).map_err(str::to_owned)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(|proxy| quoted(&proxy.to_string()))
    }
}

/// The file is read with the configuration, so that `config check` says what is wrong with it.
impl Setting for Option<TrustStore> {
    const WANTED: &'static str = "the path of a file with certificates in PEM";

    fn from_text(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let unread = |error: std::io::Error| format!("{text:?} cannot be read: {error}");
        let mut pem = Vec::new();
        let file = std::fs::File::open(&path).map_err(unread)?;
        file.take(trust::MAX_BYTES + 1).read_to_end(&mut pem).map_err(unread)?;
        if pem.len() as u64 > trust::MAX_BYTES {
            return Err(format!("{text:?} is longer than 4 MiB"));
        }
        TrustStore::parse(path, &pem).map(Some).map_err(|what| format!("{text:?}: {what}"))
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(|store| quoted(&store.path().to_string_lossy()))
    }
}
