//! Settings of every Kafka client: safe defaults, whatever the user adds, and what is refused.

use std::{collections::BTreeMap, fmt};

use rdkafka::{
    ClientConfig, ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext,
    error::KafkaError, types::RDKafkaErrorCode,
};

use super::{
    Error, UnsafeProperty,
    login::{Login, properties},
};

/// How to reach Kafka, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Comma-separated `host:port`.
    pub bootstrap_servers: String,
    /// Consumer group of the workers.
    pub group: String,
    /// Any librdkafka property; those that break the promise are refused.
    pub properties: BTreeMap<String, String>,
}

/// Sends librdkafka's log lines and errors to `tracing`; the context of clients without another.
#[derive(Debug, Default)]
pub struct LogContext {
    /// What it hears about its tokens.
    pub login: Login,
}

/// Defaults of every client. The user's properties come over them.
const COMMON: &[(&str, &str)] = &[
    ("client.id", "paynotify"),
    // A broker that comes back is noticed within the bound of `/readyz`.
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "5000"),
    ("socket.keepalive.enable", "true"),
];

const CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("group.protocol", "classic"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
    // Many partitions whose heads come fast: small fetches, refilled at once. The bound of the
    // prefetch counts per partition, since each partition has its own queue.
    ("max.partition.fetch.bytes", "65536"),
    ("queued.min.messages", "1000"),
    ("queued.max.messages.kbytes", "1024"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.wait.max.ms", "100"),
];

const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("partitioner", "murmur2_random"),
    // As much as is fetched of a partition at a time: heads of the ladder come fast. Every topic of the
    // ladder takes more, or an oversize batch would take innocent records with it.
    ("batch.size", "65536"),
    // Retries of a partition that has trouble go together: each batch is a request of its own, here and
    // to whoever reads it. The shortest grade is a second.
    ("linger.ms", "25"),
    ("message.timeout.ms", "30000"),
    // An absent topic is told as such, before the timeout makes it look like a passing trouble.
    ("topic.metadata.propagation.max.ms", "10000"),
    // The topic's own limit decides about sizes, not the client's.
    ("message.max.bytes", "10485760"),
    ("compression.type", "lz4"),
];

/// A property with the only values that are allowed.
struct Rule {
    key: &'static str,
    allowed: &'static [&'static str],
    why: &'static str,
}

const fn rule(key: &'static str, allowed: &'static [&'static str], why: &'static str) -> Rule {
    Rule { key, allowed, why }
}

const AUTO_COMMIT: &str =
    "offsets would be committed before merchants acknowledged, and events would be lost";
const OWN_KEY: &str = "it has a key of its own, kafka.bootstrap_servers";
const ACKS: &str = "a record that only some replicas hold can be lost with them";
const TIMEOUT: &str = "a route that never ends would hold its partition for ever";

const RULES: &[Rule] = &[
    rule("bootstrap.servers", &[], OWN_KEY),
    rule("metadata.broker.list", &[], OWN_KEY),
    rule("group.id", &[], "it has a key of its own, kafka.group"),
    rule("enable.idempotence", &["true"], "records could be written twice or out of order"),
    rule("acks", &["all", "-1"], ACKS),
    rule("request.required.acks", &["all", "-1"], ACKS),
    rule("enable.auto.commit", &["false"], AUTO_COMMIT),
    rule("auto.commit.enable", &["false"], AUTO_COMMIT),
    rule("enable.auto.offset.store", &["false"], AUTO_COMMIT),
    rule("isolation.level", &["read_committed"], "payments that were rolled back would be told"),
    rule(
        "auto.offset.reset",
        &["error"],
        "a lost position would silently skip or repeat events; say --first-start for a new group",
    ),
    rule(
        "partition.assignment.strategy",
        &["cooperative-sticky"],
        "delay topics are assigned beside completions, which is proven for cooperative-sticky only",
    ),
    rule(
        "group.protocol",
        &["classic"],
        "librdkafka's KIP-848 client ends fatally after an exceeded max.poll.interval.ms",
    ),
    rule("transactional.id", &[], "paynotify uses no transactions of its own"),
    rule(
        "delivery.report.only.error",
        &["false"],
        "offsets are committed after delivery reports, which would never come",
    ),
    rule("message.timeout.ms", &["!0"], TIMEOUT),
    rule("delivery.timeout.ms", &["!0"], TIMEOUT),
    rule(
        "partitioner",
        &["murmur2_random"],
        "keys would map to other partitions than those of Java producers",
    ),
    rule(
        "allow.auto.create.topics",
        &["false"],
        "topics must be created with safe settings, by `paynotify topics create`",
    ),
    rule(
        "enable.sasl.oauthbearer.unsecure.jwt",
        &["false"],
        "tokens that nobody signed prove nothing",
    ),
    rule("enable.partition.eof", &["false"], "paynotify sets it itself where it needs it"),
];

impl ClientSettings {
    /// Refuses properties that break the promise; the message names key, value and reason.
    pub fn check(&self) -> Result<(), UnsafeProperty> {
        for (key, value) in &self.properties {
            let Some(rule) = RULES.iter().find(|rule| rule.key == key) else { continue };
            let allowed = rule.allowed.iter().any(|allowed| match allowed.strip_prefix('!') {
                Some(refused) => value.trim() != refused,
                None => value.trim().eq_ignore_ascii_case(allowed),
            });
            if !allowed {
                let (key, value) = (key.clone(), value.clone());
                return Err(UnsafeProperty { key, value, why: rule.why });
            }
        }
        Ok(())
    }

    /// For a consumer that is a member of the group, or an unsubscribed one that reads and commits
    /// positions of the group.
    pub fn consumer(&self) -> Result<ClientConfig, Error> {
        let mut config = self.configuration(CONSUMER)?;
        config.set("group.id", &self.group);
        Ok(config)
    }

    /// For a producer: idempotent, acknowledged by all replicas in sync.
    pub fn producer(&self) -> Result<ClientConfig, Error> {
        self.configuration(PRODUCER)
    }

    /// For an admin client.
    pub fn admin(&self) -> Result<ClientConfig, Error> {
        self.configuration(&[])
    }

    /// Whether clients sign in with OAUTHBEARER.
    pub fn uses_tokens(&self) -> bool {
        properties::uses_tokens(&self.properties)
    }

    /// For the context of one client.
    pub fn login(&self) -> Login {
        Login::new(properties::shown_endpoint(&self.properties))
    }

    fn configuration(&self, defaults: &[(&str, &str)]) -> Result<ClientConfig, Error> {
        self.check()?;
        let mut config = ClientConfig::new();
        for (key, value) in COMMON.iter().chain(defaults) {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        // OpenSSL is linked statically and knows no default path.
        if self.uses_tls() && !self.names_authorities("ssl.ca.") {
            config.set("ssl.ca.location", "probe");
        }
        if self.uses_tokens() && !self.names_authorities("https.ca.") {
            config.set("https.ca.location", "probe");
        }
        // Without this, librdkafka's level would be that of the `log` crate, which nobody sets.
        let debug = self.properties.contains_key("debug");
        config.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
        Ok(config)
    }

    fn uses_tls(&self) -> bool {
        let protocol = self.properties.get("security.protocol");
        protocol.is_some_and(|name| name.trim().to_ascii_lowercase().ends_with("ssl"))
    }

    fn names_authorities(&self, prefix: &str) -> bool {
        self.properties.keys().any(|key| key.starts_with(prefix))
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): (&String, &String)| {
            let shown = if is_secret(key) { "[redacted]".to_owned() } else { value.clone() };
            (key.clone(), shown)
        };
        f.debug_struct("ClientSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group", &self.group)
            .field("properties", &self.properties.iter().map(shown).collect::<BTreeMap<_, _>>())
            .finish()
    }
}

/// Whether the value of this librdkafka property must never be shown.
pub fn is_secret(key: &str) -> bool {
    // Rather a path too many than a secret too few.
    const MARKS: &[&str] = &[
        "password",
        "secret",
        "key",
        "token",
        "jaas",
        "credentials",
        ".pem",
        "oauthbearer.config",
    ];
    let key = key.to_ascii_lowercase();
    key != properties::ENDPOINT && MARKS.iter().any(|mark| key.contains(mark))
}

/// Writes a log line of librdkafka to `tracing`, for [`ClientContext::log`].
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // One configuration serves every kind of client, so this notice is expected.
    if facility == "CONFWARN" && message.contains("will be ignored by this") {
        tracing::debug!(target: "librdkafka", facility, "{message}");
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Writes a client-wide error of librdkafka to `tracing`, for [`ClientContext::error`].
pub fn log_error(error: &KafkaError, reason: &str) {
    // Who asks for ends of partitions gets them as results; they are no errors.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
        return;
    }
    tracing::warn!(target: "librdkafka", %error, "{reason}");
}

impl LogContext {
    /// For one client with these settings.
    pub fn new(settings: &ClientSettings) -> Self {
        Self { login: settings.login() }
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.login.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, &self.login.reason(reason));
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for LogContext {}

#[cfg(test)]
mod tests;
