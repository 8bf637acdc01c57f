//! `[delivery]`: limits of HTTP requests, and where they may go.

use ipnet::IpNet;

use crate::{
    merchant::{
        guard::{self, Guard, Ports},
        proxy::Proxy,
    },
    model::Span,
};

use super::{
    reader::{Reader, Value},
    setting::{Setting, list, not, quoted, split},
};

/// A single failure must not disable an endpoint.
const SHORTEST_DISABLE: Span = Span::from_secs(1);

/// `[delivery]`: limits of HTTP requests, and where they may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Concurrent attempts of a worker.
    pub max_in_flight: u32,
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
    /// An endpoint of which no attempt succeeded for so long is disabled.
    pub disable_after: Span,
    /// An endpoint that answered only 410 for so long is disabled.
    pub disable_gone_after: Span,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            allow_http: false,
            ports: Ports::default(),
            allow_addresses: Vec::new(),
            deny_addresses: Vec::new(),
            proxy: None,
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

    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("delivery.max_in_flight", &mut self.max_in_flight);
        reader.read("delivery.allow_http", &mut self.allow_http);
        reader.read("delivery.ports", &mut self.ports);
        reader.read("delivery.allow_addresses", &mut self.allow_addresses);
        reader.read("delivery.deny_addresses", &mut self.deny_addresses);
        reader.read("delivery.proxy", &mut self.proxy);
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
