//! How every topic should be (`design`, "Topics").

use std::collections::BTreeMap;

use super::Settings;
use crate::{
    kafka::admin::New,
    model::{Grade, Span},
};

/// Grades and dead letters carry headers of ours, so they take records larger by this.
pub const HEADER_ROOM: u64 = 64 * 1024;

/// What a topic is for; its settings follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input.
    Completions,
    /// A delay topic.
    Grade(Grade),
    /// Dead letters.
    DeadLetters,
    /// The delivery log.
    Attempts,
    /// The directory.
    Merchants,
    /// Another compacted table: endpoint health, marks.
    Table,
}

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Full name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Replicas of each partition.
    pub replicas: i32,
    /// Settings by Kafka's names.
    pub settings: BTreeMap<&'static str, String>,
}

/// Every topic on a cluster of so many brokers.
pub fn plan(settings: &Settings, brokers: usize) -> Vec<Plan> {
    let names = settings.names();
    let grades = settings.grades.grades().iter();
    let mut topics = vec![(names.completions(), Kind::Completions)];
    topics.extend(grades.map(|grade| (names.grade(*grade), Kind::Grade(*grade))));
    topics.extend([
        (names.dead_letters(), Kind::DeadLetters),
        (names.attempts(), Kind::Attempts),
        (names.merchants(), Kind::Merchants),
        (names.endpoints(), Kind::Table),
        (names.marks(), Kind::Table),
    ]);
    let brokers = i32::try_from(brokers).unwrap_or(i32::MAX);
    let replicas = settings.replication_factor.unwrap_or_else(|| brokers.clamp(1, 3));
    let plan =
        |(name, kind)| Plan { name, kind, replicas, settings: wanted(settings, kind, replicas) };
    topics.into_iter().map(plan).collect()
}

impl Plan {
    /// Whether workers consume it under the group.
    pub fn is_consumed(&self) -> bool {
        matches!(self.kind, Kind::Completions | Kind::Grade(_))
    }

    /// Whether it needs every partition number of completions, because routes name it.
    pub fn is_indexed(&self) -> bool {
        self.is_consumed() || self.kind == Kind::DeadLetters
    }

    /// The request that creates it, where completions have `partitions`.
    pub fn to_new(&self, partitions: i32) -> New {
        let keyed = self.is_indexed() || self.kind == Kind::Attempts;
        New {
            name: self.name.clone(),
            // A table is small and read as a whole; one partition keeps it in one order.
            partitions: if keyed { partitions } else { 1 },
            replicas: self.replicas,
            settings: self.settings.clone(),
        }
    }
}

/// Largest batch that completions take: an event, its key and the publisher's headers.
pub fn completions_max_bytes(settings: &Settings) -> u64 {
    u64::try_from(settings.events_max_bytes).unwrap_or(u64::MAX).saturating_add(HEADER_ROOM)
}

/// How long records of this kind must be kept, where that is bounded.
pub fn retention(settings: &Settings, kind: Kind) -> Option<Span> {
    match kind {
        Kind::Completions => Some(settings.outage_budget),
        Kind::Grade(grade) => Some(grade.delay().plus(settings.outage_budget)),
        Kind::DeadLetters => Some(settings.dead_letter_retention),
        Kind::Attempts => Some(settings.attempts_retention),
        Kind::Merchants | Kind::Table => None,
    }
}

fn wanted(settings: &Settings, kind: Kind, replicas: i32) -> BTreeMap<&'static str, String> {
    let mut wanted = BTreeMap::new();
    if replicas > 1 {
        wanted.insert("min.insync.replicas", "2".to_owned());
    }
    wanted.insert("unclean.leader.election.enable", "false".to_owned());
    if let Some(retention) = retention(settings, kind) {
        wanted.insert("cleanup.policy", "delete".to_owned());
        wanted.insert("message.timestamp.type", "LogAppendTime".to_owned());
        wanted.insert("retention.ms", retention.as_millis().to_string());
        wanted.insert("retention.bytes", "-1".to_owned());
    } else {
        wanted.insert("cleanup.policy", "compact".to_owned());
    }
    let completions = completions_max_bytes(settings);
    match kind {
        Kind::Completions => {
            wanted.insert("max.message.bytes", completions.to_string());
        }
        Kind::Grade(_) | Kind::DeadLetters => {
            let larger = completions.saturating_add(HEADER_ROOM);
            wanted.insert("max.message.bytes", larger.to_string());
        }
        Kind::Attempts | Kind::Merchants | Kind::Table => {}
    }
    if !matches!(kind, Kind::Completions | Kind::DeadLetters | Kind::Attempts) {
        // Only closed segments are deleted or compacted, and by default a quiet one stays open
        // for a week.
        wanted.insert("segment.ms", Span::from_secs(86_400).as_millis().to_string());
    }
    wanted
}
