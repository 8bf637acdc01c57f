//! The smaller sections, each with its defaults and rules.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::model::{Ladder, Span};

use super::{
    Size,
    keys::{Command, KeyText},
    reader::Reader,
    setting::Setting,
};

/// `[topics]`: names and delays of the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Name of the completions topic; the others begin with it.
    pub prefix: String,
    /// The delay topics.
    pub grades: Ladder,
    /// How long all workers may be away: grades keep their records this much longer than the delay.
    pub outage_budget: Span,
    /// Partitions that `topics create` gives to completions and every grade; without it what there
    /// is stays, since growing maps keys to other partitions.
    pub partitions: Option<u32>,
}

/// `[directory]`: where merchants come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// JSON Lines file instead of the topic.
    pub file: Option<PathBuf>,
    /// File with the keys that seal merchants' secrets.
    pub key_file: Option<PathBuf>,
    /// Program that prints them, with its arguments.
    pub key_command: Command,
    /// The keys themselves, from the environment.
    pub keys: KeyText,
    /// How long events of an unknown merchant wait on the ladder.
    pub unknown_merchant_grace: Span,
    /// No interval of a merchant's schedule may be shorter.
    pub shortest_interval: Span,
    /// No interval of a merchant's schedule may be longer.
    pub longest_interval: Span,
}

/// `[parking]`: deliveries that wait without an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Parked deliveries climb no higher.
    pub longest_grade: Span,
}

/// `[events]`: limits of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// A longer value is a dead letter.
    pub max_bytes: Size,
}

/// `[lanes]`: limits of an endpoint's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    /// Deliveries of one endpoint in memory; the newest beyond it are parked.
    pub max_records: u32,
}

/// `[hold]`: limits of what a worker holds in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Unresolved records of one partition.
    pub max_records_per_partition: u32,
    /// Bytes of all unresolved records.
    pub max_bytes: Size,
}

/// `[commit]`: when positions are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// A partition that changed is committed this often.
    pub interval: Span,
    /// Or after so many finished offsets.
    pub every: u32,
    /// Every held partition is committed again after this, moved or not, so that it never expires.
    pub refresh: Span,
}

/// `[attempts_log]`: the delivery log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptsLog {
    /// Whether attempts are written to their topic.
    pub enabled: bool,
    /// Whether the beginning of failing answers is kept.
    pub excerpts: bool,
}

/// `[admin]`: metrics, health and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address to listen on.
    pub listen: SocketAddr,
}

/// `[shutdown]`: the end of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// How long running attempts may take to finish.
    pub grace: Span,
}

/// `[log]`: the program's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// Directives of tracing's `EnvFilter`.
    pub filter: String,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Topics {
    fn default() -> Self {
        const HOUR: u64 = 3_600;
        Self {
            prefix: "payments.completions".to_owned(),
            grades: Ladder::default(),
            outage_budget: Span::from_secs(7 * 24 * HOUR),
            partitions: None,
        }
    }
}

impl Topics {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("topics.prefix", &mut self.prefix);
        reader.read("topics.grades", &mut self.grades);
        reader.read("topics.outage_budget", &mut self.outage_budget);
        reader.read("topics.partitions", &mut self.partitions);
        // Kafka allows 249 characters; the longest name of ours adds a dot, a word and a grade.
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if self.prefix.len() > 200 || !self.prefix.bytes().all(legal) {
            let what = format!("{:?} is not the name of a topic", self.prefix);
            let remedy = "write at most 200 letters, digits, dots, underscores and hyphens";
            reader.refuse("topics.prefix", what, remedy);
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            file: None,
            key_file: None,
            key_command: Command::default(),
            keys: KeyText::default(),
            unknown_merchant_grace: Span::from_secs(3_600),
            shortest_interval: Span::from_secs(1),
            longest_interval: Span::from_secs(7 * 86_400),
        }
    }
}

impl Directory {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("directory.file", &mut self.file);
        reader.read("directory.key_file", &mut self.key_file);
        reader.read("directory.key_command", &mut self.key_command);
        reader.read("directory.keys", &mut self.keys);
        let sources =
            [self.key_file.is_some(), !self.key_command.0.is_empty(), self.keys.is_some()];
        if sources.iter().filter(|given| **given).count() > 1 {
            let what = "there is another source of keys";
            let remedy = "keep one of directory.key_file, key_command and keys";
            reader.refuse("directory.key_file", what, remedy);
        }
        reader.read("directory.unknown_merchant_grace", &mut self.unknown_merchant_grace);
        reader.read("directory.shortest_interval", &mut self.shortest_interval);
        reader.read("directory.longest_interval", &mut self.longest_interval);
        if self.shortest_interval == Span::ZERO || self.shortest_interval > self.longest_interval {
            let what = format!("{} is out of range", self.shortest_interval);
            let remedy = "write a duration from 1ms to directory.longest_interval";
            reader.refuse("directory.shortest_interval", what, remedy);
        }
    }
}

impl Default for Parking {
    fn default() -> Self {
        Self { longest_grade: Span::from_secs(1_800) }
    }
}

impl Parking {
    pub(super) fn read(&mut self, reader: &mut Reader, topics: &Topics) {
        reader.read("parking.longest_grade", &mut self.longest_grade);
        if topics.grades.at_most(self.longest_grade).is_none() {
            let what = format!("no grade is as short as {}", self.longest_grade);
            let remedy = format!("write at least {}, or add a grade", topics.grades.smallest());
            reader.refuse("parking.longest_grade", what, remedy);
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { max_bytes: Size::from_bytes(256 << 10) }
    }
}

impl Events {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("events.max_bytes", &mut self.max_bytes);
        if self.max_bytes > Size::from_bytes(64 << 20) {
            let what = format!("{} is more than a record can be", self.max_bytes);
            reader.refuse("events.max_bytes", what, "write at most 64MiB");
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self { max_records: 500 }
    }
}

impl Lanes {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("lanes.max_records", &mut self.max_records);
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self { max_records_per_partition: 1_000, max_bytes: Size::from_bytes(128 << 20) }
    }
}

impl Hold {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("hold.max_records_per_partition", &mut self.max_records_per_partition);
        reader.read("hold.max_bytes", &mut self.max_bytes);
    }
}

impl Default for Commit {
    fn default() -> Self {
        Self { interval: Span::from_millis(200), every: 500, refresh: Span::from_secs(12 * 3_600) }
    }
}

impl Commit {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("commit.interval", &mut self.interval);
        reader.read("commit.every", &mut self.every);
        reader.read("commit.refresh", &mut self.refresh);
        if self.interval == Span::ZERO || self.interval > Span::from_secs(10) {
            let what = format!("{} is out of range", self.interval);
            reader.refuse("commit.interval", what, "write a duration from 1ms to 10s");
        }
        if self.refresh == Span::ZERO || self.refresh > Span::from_secs(86_400) {
            let what = format!("{} is out of range", self.refresh);
            let remedy = "write a duration up to 1d: positions that rest longer can expire";
            reader.refuse("commit.refresh", what, remedy);
        }
    }
}

impl Default for AttemptsLog {
    fn default() -> Self {
        Self { enabled: true, excerpts: true }
    }
}

impl AttemptsLog {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("attempts_log.enabled", &mut self.enabled);
        reader.read("attempts_log.excerpts", &mut self.excerpts);
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

impl Admin {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("admin.listen", &mut self.listen);
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Span::from_secs(25) }
    }
}

impl Shutdown {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("shutdown.grace", &mut self.grace);
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Log {
    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("log.format", &mut self.format);
        reader.read("log.filter", &mut self.filter);
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.filter) {
            let what = format!("{:?} is not a filter: {error}", self.filter);
            reader.refuse("log.filter", what, "write a level or module=level, such as \"info\"");
        }
    }
}

impl Setting for LogFormat {
    const WANTED: &'static str = "\"text\" or \"json\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is not a log format")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("{:?}", if *self == Self::Text { "text" } else { "json" }))
    }
}
