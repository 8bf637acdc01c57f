//! The topics of a worker on the real broker.

use std::time::Duration;

use paynotify::kafka::TopicNames;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

/// Partitions of every topic.
pub const PARTITIONS: i32 = 8;
const DEADLINE: Duration = Duration::from_secs(30);

/// Creates every topic under `prefix`, with these delay topics.
pub fn create(bootstrap: &str, prefix: &str, grades: &[&str]) -> anyhow::Result<()> {
    let names = TopicNames::new(prefix);
    let mut topics = vec![
        (names.completions(), false),
        (names.dead_letters(), false),
        (names.attempts(), false),
        (names.merchants(), true),
        (names.endpoints(), true),
        (names.marks(), true),
    ];
    topics.extend(grades.iter().map(|grade| (format!("{prefix}.delay.{grade}"), false)));
    let new = topics.iter().map(|(name, compacted)| {
        let policy = if *compacted { "compact" } else { "delete" };
        NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime")
            .set("cleanup.policy", policy)
    });
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
    let new: Vec<_> = new.collect();
    for created in runtime.block_on(admin.create_topics(&new, &options))? {
        created.map_err(|(name, code)| anyhow::anyhow!("topic {name}: {code}"))?;
    }
    Ok(())
}
