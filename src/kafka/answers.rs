//! Whether Kafka answers a client that was made just now: then it is the old one that fails.

use std::time::Duration;

use rdkafka::{
    TopicPartitionList, consumer::Consumer as _, error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
};

use super::{
    ClientSettings, Error, TopicNames, open,
    producer::{Outgoing, Producer},
};
use crate::model::Partition;

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Key of a record that says nothing and stands for nobody.
pub const NOBODY: &[u8] = b"paynotify-clock";

/// Whether the partition's leader and the group's coordinator answer. Blocks for half a minute at most.
pub fn to_reader(settings: &ClientSettings, topics: &TopicNames, partition: Partition) -> bool {
    let topic = topics.of(partition.source);
    let ask = || {
        let consumer = open::consumer(settings, &settings.consumer()?)?;
        let failed = |source: KafkaError| Error::Operation {
            action: "ask for the end of",
            topic: topic.to_string(),
            source,
        };
        consumer.fetch_watermarks(&topic, partition.index, PATIENCE).map_err(failed)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&topic, partition.index);
        let committed = consumer.committed_offsets(list, PATIENCE).map_err(failed)?;
        committed.elements().iter().try_for_each(TopicPartitionListElem::error).map_err(failed)
    };
    told(&ask())
}

/// Whether a record is acknowledged: a tombstone on the endpoints topic for a key that nobody has.
/// Blocks for some seconds.
pub fn to_writer(settings: &ClientSettings, topics: &TopicNames) -> bool {
    let ask = || {
        let (producer, mut answers) = Producer::new(settings)?;
        let topic = topics.endpoints();
        let (key, headers) = (Some(NOBODY), Vec::new());
        let record =
            Outgoing { token: 0, topic: &topic, partition: None, key, value: None, headers };
        let sent = producer.send(&record);
        producer.flush(PATIENCE);
        let answer = answers.try_recv();
        producer.leave_behind();
        let after = PATIENCE;
        match (sent, answer.map(|answer: super::producer::Delivered| answer.result)) {
            (Ok(()), Ok(Err(error))) if error.is_answer() => Ok(()),
            (Ok(()), Ok(Ok(_))) => Ok(()),
            _ => Err(Error::Deadline { action: "write to", topic, after }),
        }
    };
    told(&ask())
}

fn told(answer: &Result<(), Error>) -> bool {
    match answer {
        Ok(()) => tracing::debug!("Kafka answers a new client"),
        Err(error) => tracing::warn!(%error, "Kafka answers a new client neither"),
    }
    answer.is_ok()
}
