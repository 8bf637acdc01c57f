//! The topics: created with safe settings, grown together, and checked.
//!
//! [`plan`] says how every topic should be, [`check()`] what is different and whether that is
//! dangerous; both decide without a broker. Nothing here changes a setting of a topic that exists.

mod beginning;
pub mod check;
pub mod plan;
mod retired;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub use beginning::Beginning;
pub use check::{Finding, check};
pub use retired::retired;

use self::plan::Plan;
use super::{
    ClientSettings, Error, TopicNames,
    admin::{Admin, DEADLINE, Layout, New},
};
use crate::model::{Ladder, Span};

/// Partitions of completions where nothing else is said: the most replicas that can share them.
pub const DEFAULT_PARTITIONS: i32 = 12;

/// Pause between looks at what a broker knows.
const GLANCE: Duration = Duration::from_millis(50);

/// How the topics should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the completions topic; all others begin with it.
    pub prefix: String,
    /// The delay topics.
    pub grades: Ladder,
    /// Partitions of completions and every grade. None: [`DEFAULT_PARTITIONS`] for new topics and
    /// what there is for existing ones, since growing them maps keys to other partitions.
    pub partitions: Option<i32>,
    /// Replicas of each partition. None: 3, or the number of brokers where fewer.
    pub replication_factor: Option<i32>,
    /// How long all workers may be away without loss.
    pub outage_budget: Span,
    /// Largest value of an event, in bytes.
    pub events_max_bytes: usize,
    /// How long dead letters are kept.
    pub dead_letter_retention: Span,
    /// How long the delivery log is kept.
    pub attempts_retention: Span,
}

/// What [`create`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Topics that were missing.
    pub created: Vec<String>,
    /// Topics that got more partitions.
    pub grown: Vec<Grown>,
    /// What was done about the group's positions.
    pub beginning: Beginning,
}

/// A topic that got more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Its full name.
    pub topic: String,
    /// Partitions before.
    pub from: i32,
    /// Partitions now.
    pub to: i32,
}

impl Settings {
    /// The defaults of the design for these names.
    pub fn new(prefix: &str, grades: Ladder) -> Self {
        Self {
            prefix: prefix.to_owned(),
            grades,
            partitions: None,
            replication_factor: None,
            outage_budget: Span::from_secs(7 * 86_400),
            events_max_bytes: 262_144,
            dead_letter_retention: Span::from_secs(30 * 86_400),
            attempts_retention: Span::from_secs(14 * 86_400),
        }
    }

    /// Names of the topics.
    pub fn names(&self) -> TopicNames {
        TopicNames::new(&self.prefix)
    }
}

/// Creates what is missing, gives completions, grades and dead letters the same partition count,
/// and commits the beginning for the group wherever nothing was ever written or committed
/// (decision 5). A second run changes nothing.
pub async fn create(client: &ClientSettings, settings: &Settings) -> Result<Report, Error> {
    let admin = Admin::new(client).await?;
    let layout = admin.layout().await?;
    let count = partition_count(settings, &layout);
    let plans = plan::plan(settings, layout.brokers);
    let missing: Vec<New> = plans
        .iter()
        .filter(|plan| !layout.topics.contains_key(&plan.name))
        .map(|plan| plan.to_new(count))
        .collect();
    let created = if missing.is_empty() { Vec::new() } else { admin.create(&missing).await? };
    let mut grown = Vec::new();
    for plan in plans.iter().filter(|plan| plan.is_indexed()) {
        let Some(shape) = layout.topics.get(&plan.name) else { continue };
        if shape.partitions < count {
            admin.grow(&plan.name, count).await?;
            grown.push(Grown { topic: plan.name.clone(), from: shape.partitions, to: count });
        }
    }
    await_visible(&admin, &plans, count).await?;
    let names = settings.names();
    let grades = settings.grades.grades().iter().map(|grade| names.grade(*grade));
    let consumed: BTreeSet<String> = std::iter::once(names.completions()).chain(grades).collect();
    let beginning = beginning::commit(client, consumed, count).await?;
    Ok(Report { created, grown, beginning })
}

/// A broker may answer before it knows what the controller has just made; whoever is told that the
/// topics exist must find them.
async fn await_visible(admin: &Admin, plans: &[Plan], count: i32) -> Result<(), Error> {
    let end = Instant::now() + DEADLINE;
    loop {
        let layout = admin.layout().await?;
        let unseen = plans.iter().find(|plan| {
            let wanted = if plan.is_indexed() { count } else { 1 };
            layout.topics.get(&plan.name).is_none_or(|shape| shape.partitions < wanted)
        });
        let Some(unseen) = unseen else { return Ok(()) };
        if Instant::now() >= end {
            let (action, topic) = ("see the new topic", unseen.name.clone());
            return Err(Error::Deadline { action, topic, after: DEADLINE });
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Partitions can be added, never removed: the most of what is wanted and what there is.
fn partition_count(settings: &Settings, layout: &Layout) -> i32 {
    let plans = plan::plan(settings, layout.brokers);
    let found = plans.iter().filter(|plan| plan.is_consumed());
    let found =
        found.filter_map(|plan| layout.topics.get(&plan.name)).map(|shape| shape.partitions);
    let most = found.max();
    match (settings.partitions, most) {
        (Some(wanted), found) => wanted.max(found.unwrap_or(1)),
        (None, Some(found)) => found,
        (None, None) => DEFAULT_PARTITIONS,
    }
}
