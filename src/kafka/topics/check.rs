//! What is different from the plan, and whether that is dangerous (decision 18).

use std::{collections::BTreeMap, fmt};

use super::{
    Settings,
    plan::{HEADER_ROOM, Kind, Plan, completions_max_bytes, plan, retention},
};
use crate::kafka::{
    ClientSettings, Error,
    admin::{Admin, Layout, Shape, TopicConfigs},
};

/// A setting that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Full name of the topic.
    pub topic: String,
    /// Kafka's name of the setting, or `partitions`, `replication factor`, `existence`.
    pub setting: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// Whether events can be lost or misled, so that a worker must refuse to start.
    pub unsafe_: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, setting, found, wanted, why, .. } = self;
        write!(f, "{topic}: {setting} is {found}, but should be {wanted}: {why}; ")?;
        match *setting {
            "existence" | "partitions" => f.write_str("run `paynotify topics create`"),
            "replication factor" => f.write_str("use kafka-reassign-partitions.sh"),
            _ => {
                write!(f, "use kafka-configs.sh --entity-type topics --entity-name {topic} --alter")
            }
        }
    }
}

/// Compares the topics of the cluster with the plan.
pub async fn check(client: &ClientSettings, settings: &Settings) -> Result<Vec<Finding>, Error> {
    let admin = Admin::new(client).await?;
    let layout = admin.layout().await?;
    let names = plan(settings, layout.brokers).into_iter().map(|plan| plan.name);
    let existing: Vec<_> = names.filter(|name| layout.topics.contains_key(name)).collect();
    let configs =
        if existing.is_empty() { TopicConfigs::new() } else { admin.configs(&existing).await? };
    Ok(judge(settings, &layout, &configs))
}

/// The same for a cluster that was looked at before.
pub fn judge(settings: &Settings, layout: &Layout, configs: &TopicConfigs) -> Vec<Finding> {
    let completions = settings.names().completions();
    let number = |name: &str| configs.get(&completions)?.get(name)?.parse().ok();
    let case = Case {
        settings,
        brokers: layout.brokers,
        partitions: layout.topics.get(&completions).map(|shape| shape.partitions),
        completions_max: number("max.message.bytes")
            .unwrap_or_else(|| completions_max_bytes(settings)),
    };
    let mut findings = Vec::new();
    for plan in plan(settings, layout.brokers) {
        let mut topic = Topic { plan: &plan, findings: &mut findings };
        match (layout.topics.get(&plan.name), configs.get(&plan.name)) {
            (Some(shape), Some(config)) => {
                case.judge_shape(&mut topic, *shape);
                case.judge_config(&mut topic, config);
            }
            _ => {
                topic.add(
                    "existence",
                    "missing",
                    "a topic",
                    "the program reads or writes it",
                    true,
                );
            }
        }
    }
    findings
}

struct Case<'a> {
    settings: &'a Settings,
    brokers: usize,
    /// Of completions.
    partitions: Option<i32>,
    /// `max.message.bytes` of completions.
    completions_max: u64,
}

struct Topic<'a> {
    plan: &'a Plan,
    findings: &'a mut Vec<Finding>,
}

impl Topic<'_> {
    fn add(
        &mut self,
        setting: &'static str,
        found: &str,
        wanted: &str,
        why: &'static str,
        unsafe_: bool,
    ) {
        let (topic, found, wanted) = (self.plan.name.clone(), found.to_owned(), wanted.to_owned());
        self.findings.push(Finding { topic, setting, found, wanted, why, unsafe_ });
    }
}

impl Case<'_> {
    fn judge_shape(&self, topic: &mut Topic<'_>, shape: Shape) {
        if let Some(wanted) = self.partitions {
            let found = shape.partitions;
            let (differs, why) = match topic.plan.kind {
                Kind::Grade(_) => (
                    found != wanted,
                    "a worker holds the same partition numbers of completions and of every grade",
                ),
                Kind::DeadLetters => {
                    (found < wanted, "dead letters go to the partition number of their event")
                }
                _ => (false, ""),
            };
            if differs {
                topic.add("partitions", &found.to_string(), &wanted.to_string(), why, true);
            }
        }
        if self.brokers > 1 && shape.replicas < 2 {
            let why = "the loss of one broker loses records";
            let wanted = self.brokers.min(3).to_string();
            topic.add("replication factor", &shape.replicas.to_string(), &wanted, why, true);
        }
    }

    fn judge_config(&self, topic: &mut Topic<'_>, config: &BTreeMap<String, String>) {
        let kind = topic.plan.kind;
        let text = |name: &str| config.get(name).map_or("", String::as_str);
        // An unreadable number counts as the smallest, so that it is found.
        let number = |name: &str| text(name).parse::<i64>().unwrap_or(i64::MIN);
        if number("min.insync.replicas") < 2 && self.brokers > 1 {
            let why = "an acknowledged record may be on one broker only, and lost with it";
            topic.add("min.insync.replicas", text("min.insync.replicas"), "2", why, true);
        }
        if text("unclean.leader.election.enable") == "true" {
            let why = "a replica that misses acknowledged records may become the leader";
            topic.add("unclean.leader.election.enable", "true", "false", why, true);
        }
        judge_cleanup(topic, text("cleanup.policy"));
        let reads = matches!(kind, Kind::Completions | Kind::Grade(_));
        if reads && text("message.timestamp.type") != "LogAppendTime" {
            let why = "due times would count from clocks of producers, not of the broker";
            let found = text("message.timestamp.type");
            topic.add("message.timestamp.type", found, "LogAppendTime", why, true);
        }
        self.judge_retention(topic, number("retention.ms"), number("retention.bytes"));
        self.judge_size(topic, number("max.message.bytes"));
        let segment = 7 * 86_400_000;
        if matches!(kind, Kind::Grade(_)) && number("segment.ms") >= segment {
            let why = "records that are done stay on disk until their segment is closed";
            topic.add("segment.ms", text("segment.ms"), "86400000", why, false);
        }
    }

    fn judge_retention(&self, topic: &mut Topic<'_>, millis: i64, bytes: i64) {
        let kind = topic.plan.kind;
        let Some(wanted) = retention(self.settings, kind) else { return };
        let wanted = i64::try_from(wanted.as_millis()).unwrap_or(i64::MAX);
        let waits = matches!(kind, Kind::Completions | Kind::Grade(_));
        if millis != -1 && millis < wanted {
            let why = match kind {
                Kind::Grade(_) => "records could be deleted before they are due, or in an outage",
                Kind::Completions => "events could be deleted before they are read, in an outage",
                _ => "records are kept for less time than the configuration says",
            };
            topic.add("retention.ms", &millis.to_string(), &wanted.to_string(), why, waits);
        }
        if bytes != -1 && kind != Kind::Attempts {
            let why = "records could be deleted for want of space before they are done";
            topic.add("retention.bytes", &bytes.to_string(), "-1", why, true);
        }
    }

    fn judge_size(&self, topic: &mut Topic<'_>, found: i64) {
        let found = u64::try_from(found).unwrap_or(0);
        let (wanted, why, unsafe_) = match topic.plan.kind {
            Kind::Completions => (
                u64::try_from(self.settings.events_max_bytes).unwrap_or(u64::MAX),
                "events as large as events.max_bytes allows could not be published",
                false,
            ),
            Kind::Grade(_) | Kind::DeadLetters => (
                self.completions_max.saturating_add(HEADER_ROOM),
                "a large event with our headers would not fit, and could not leave its partition",
                true,
            ),
            _ => return,
        };
        if found < wanted {
            let wanted = format!("at least {wanted}");
            topic.add("max.message.bytes", &found.to_string(), &wanted, why, unsafe_);
        }
    }
}

fn judge_cleanup(topic: &mut Topic<'_>, found: &str) {
    let has = |policy: &str| found.split(',').any(|one| one.trim() == policy);
    match topic.plan.kind {
        Kind::Merchants | Kind::Table if has("delete") => {
            let why = "entries of a table would vanish with age";
            let unsafe_ = topic.plan.kind == Kind::Merchants;
            topic.add("cleanup.policy", found, "compact", why, unsafe_);
        }
        Kind::Completions | Kind::Grade(_) | Kind::DeadLetters | Kind::Attempts
            if has("compact") =>
        {
            let why = "keys are merchants, so all but the newest record of each would be deleted";
            let unsafe_ = topic.plan.kind != Kind::Attempts;
            topic.add("cleanup.policy", found, "delete", why, unsafe_);
        }
        _ => {}
    }
}
