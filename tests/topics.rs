//! Topics on a real Kafka: created safely, checked honestly; what is written there arrives.

mod support;

use std::{collections::BTreeMap, time::Duration};

use paynotify::{
    kafka::{
        ClientSettings,
        admin::{Admin, New},
        topics::{self, Beginning, Finding, Settings, create},
    },
    model::{Ladder, Span},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::TopicPartitionListElem,
};
use support::kafka::{Cluster, broker};

const DEADLINE: Duration = Duration::from_secs(30);

fn client(group: &str) -> ClientSettings {
    ClientSettings {
        bootstrap_servers: broker().bootstrap(),
        group: group.to_owned(),
        properties: BTreeMap::new(),
    }
}

fn settings(prefix: &str) -> Settings {
    let grades = Ladder::new(vec![Span::from_secs(5), Span::from_secs(3_600)]).unwrap();
    Settings { partitions: Some(3), ..Settings::new(prefix, grades) }
}

fn committed(client: &ClientSettings, topic: &str, partitions: i32) -> Vec<Offset> {
    let consumer: BaseConsumer = client.consumer().unwrap().create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let list = consumer.committed_offsets(list, DEADLINE).unwrap();
    list.elements().iter().map(TopicPartitionListElem::offset).collect()
}

#[tokio::test]
async fn creating_twice_changes_nothing_and_leaves_nothing_to_find() {
    let prefix = broker().prefix("create");
    let (client, settings) = (client(&prefix), settings(&prefix));
    let first = create(&client, &settings).await.unwrap();
    assert_eq!(first.created.len(), 1 + 2 + 5);
    assert_eq!(first.beginning, Beginning::Committed(9));
    let second = create(&client, &settings).await.unwrap();
    assert!(second.created.is_empty() && second.grown.is_empty(), "{second:?}");
    assert_eq!(second.beginning, Beginning::Committed(0));
    assert_eq!(topics::check(&client, &settings).await.unwrap(), []);
}

#[tokio::test]
async fn the_group_begins_at_the_beginning_of_created_topics() {
    let prefix = broker().prefix("beginning");
    let (client, settings) = (client(&prefix), settings(&prefix));
    create(&client, &settings).await.unwrap();
    for topic in [prefix.clone(), format!("{prefix}.delay.5s"), format!("{prefix}.delay.1h")] {
        assert_eq!(committed(&client, &topic, 3), vec![Offset::Offset(0); 3], "{topic}");
    }
}

#[tokio::test]
async fn completions_grades_and_dead_letters_grow_together() {
    let prefix = broker().prefix("grow");
    let (client, mut settings) = (client(&prefix), settings(&prefix));
    create(&client, &settings).await.unwrap();
    settings.partitions = None;
    let unasked = create(&client, &settings).await.unwrap();
    assert_eq!(unasked.grown, [], "growing maps keys anew, so it is never done unasked");
    settings.partitions = Some(5);
    let report = create(&client, &settings).await.unwrap();
    let grown: Vec<_> = report.grown.iter().map(|one| (one.from, one.to)).collect();
    assert_eq!(grown, [(3, 5); 4]);
    assert_eq!(report.beginning, Beginning::Committed(6));
    assert_eq!(committed(&client, &prefix, 5), vec![Offset::Offset(0); 5]);
    assert_eq!(topics::check(&client, &settings).await.unwrap(), []);
}

#[tokio::test]
async fn a_group_with_members_keeps_its_positions_to_itself() {
    let prefix = broker().prefix("active");
    let (client, mut settings) = (client(&prefix), settings(&prefix));
    create(&client, &settings).await.unwrap();
    let member: BaseConsumer = client.consumer().unwrap().create().unwrap();
    member.subscribe(&[&prefix]).unwrap();
    let end = std::time::Instant::now() + DEADLINE;
    while member.assignment().unwrap().count() == 0 {
        assert!(std::time::Instant::now() < end, "no assignment");
        let _ = member.poll(Duration::from_millis(100));
    }
    settings.partitions = Some(4);
    let report = create(&client, &settings).await.unwrap();
    assert_eq!(report.beginning, Beginning::GroupIsActive);
}

#[tokio::test]
async fn missing_topics_are_found_with_the_remedy() {
    let prefix = broker().prefix("missing");
    let findings = topics::check(&client(&prefix), &settings(&prefix)).await.unwrap();
    assert_eq!(findings.len(), 8);
    assert_eq!(
        findings[0].to_string(),
        format!(
            "{prefix}: existence is missing, but should be a topic: the program reads or writes \
             it; run `paynotify topics create`"
        )
    );
}

/// What is found when one topic was created otherwise than planned.
async fn found(name: &str, topic: &str, partitions: i32, setting: (&'static str, &str)) -> Finding {
    let prefix = broker().prefix(name);
    let (client, settings) = (client(&prefix), settings(&prefix));
    let full = format!("{prefix}{topic}");
    let plan = topics::plan::plan(&settings, 1).into_iter().find(|plan| plan.name == full);
    let mut new: New = plan.unwrap().to_new(partitions);
    new.settings.insert(setting.0, setting.1.to_owned());
    Admin::new(&client).await.unwrap().create(&[new]).await.unwrap();
    create(&client, &settings).await.unwrap();
    let mut findings = topics::check(&client, &settings).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[tokio::test]
async fn each_unsafe_setting_of_a_delay_topic_is_found_with_its_reason() {
    for (setting, value, wanted, why) in [
        ("retention.ms", "604799999", "604805000", "before they are due"),
        ("retention.bytes", "1000000000", "-1", "for want of space"),
        ("cleanup.policy", "compact", "delete", "all but the newest record of each"),
        ("message.timestamp.type", "CreateTime", "LogAppendTime", "clocks of producers"),
        ("max.message.bytes", "393215", "at least 393216", "would not fit"),
        ("unclean.leader.election.enable", "true", "false", "may become the leader"),
    ] {
        let finding = found("unsafe", ".delay.5s", 3, (setting, value)).await;
        assert!(finding.unsafe_, "{finding}");
        assert_eq!((finding.setting, &*finding.found, &*finding.wanted), (setting, value, wanted));
        assert!(finding.to_string().contains(why), "{finding}");
        assert!(finding.to_string().contains("kafka-configs.sh"), "{finding}");
    }
}

#[tokio::test]
async fn a_directory_that_forgets_is_unsafe_and_a_short_delivery_log_is_not() {
    let merchants = found("unsafe", ".merchants", 1, ("cleanup.policy", "delete")).await;
    assert!(merchants.unsafe_, "{merchants}");
    let attempts = found("unsafe", ".attempts", 3, ("retention.ms", "1000")).await;
    assert!(!attempts.unsafe_, "{attempts}");
}

#[tokio::test]
async fn unequal_partition_counts_are_found() {
    let prefix = broker().prefix("unequal");
    let (client, settings) = (client(&prefix), settings(&prefix));
    create(&client, &settings).await.unwrap();
    Admin::new(&client).await.unwrap().grow(&format!("{prefix}.delay.1h"), 4).await.unwrap();
    let findings = topics::check(&client, &settings).await.unwrap();
    let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [format!(
            "{prefix}.delay.1h: partitions is 4, but should be 3: a worker holds the same \
             partition numbers of completions and of every grade; run `paynotify topics create`"
        )]
    );
}

#[tokio::test]
async fn on_a_cluster_a_record_must_be_on_two_brokers() {
    let cluster = Cluster::start(3, &[]);
    let client = ClientSettings { bootstrap_servers: cluster.bootstrap(), ..client("cluster") };
    let safe = settings("safe");
    create(&client, &safe).await.unwrap();
    assert_eq!(topics::check(&client, &safe).await.unwrap(), []);
    let single = Settings { replication_factor: Some(1), ..settings("single") };
    create(&client, &single).await.unwrap();
    let findings = topics::check(&client, &single).await.unwrap();
    assert!(findings.iter().all(|finding| finding.unsafe_), "{findings:?}");
    let texts: Vec<_> = findings.iter().take(2).map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "single: replication factor is 1, but should be 3: the loss of one broker loses \
             records; use kafka-reassign-partitions.sh",
            "single: min.insync.replicas is 1, but should be 2: an acknowledged record may be on \
             one broker only, and lost with it; use kafka-configs.sh --entity-type topics \
             --entity-name single --alter",
        ]
    );
}

#[tokio::test]
async fn an_unreachable_broker_is_said_with_its_address() {
    let mut client = client("nobody");
    client.bootstrap_servers = "127.0.0.1:1".into();
    client.properties.insert("socket.connection.setup.timeout.ms".into(), "1000".into());
    let error = topics::check(&client, &settings("nobody")).await.unwrap_err().to_string();
    assert!(error.starts_with("no Kafka broker answers at 127.0.0.1:1: "), "{error}");
}
