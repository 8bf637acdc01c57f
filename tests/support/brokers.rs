//! Which broker does what, by the word of the cluster. Brokers are counted from 0.

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    metadata::{MetadataPartition, MetadataTopic},
};

use super::system::{DEADLINE, System, poll};

/// Which broker leads a partition. Positions of every group are on one partition, so whoever
/// leads that is everybody's coordinator.
pub fn leader(system: &System, topic: &str, index: i32) -> usize {
    let client: BaseConsumer = system.clients().consumer().unwrap().create().unwrap();
    let mut found = 0;
    let known = poll(DEADLINE, || {
        let Ok(metadata) = client.fetch_metadata(Some(topic), DEADLINE) else { return false };
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        found = partitions.filter(|one| one.id() == index).map(MetadataPartition::leader).sum();
        found > 0
    });
    assert!(known, "{topic}/{index} has no leader");
    usize::try_from(found).unwrap() - 1
}

/// Whoever coordinates every group.
pub fn coordinator(system: &System) -> usize {
    leader(system, "__consumer_offsets", 0)
}

/// Waits until every partition has all its replicas again.
pub fn await_replicas(system: &System) {
    let client: BaseConsumer = system.clients().consumer().unwrap().create().unwrap();
    let whole = poll(DEADLINE, || {
        let Ok(metadata) = client.fetch_metadata(None, DEADLINE) else { return false };
        let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        partitions.all(|one| one.isr().len() == one.replicas().len())
    });
    assert!(whole, "replicas do not catch up");
}

/// Another one of three.
pub fn other_than(index: usize, who: u64) -> usize {
    (index + 1 + usize::from(who.is_multiple_of(2))) % 3
}
