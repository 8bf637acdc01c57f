//! What the committer needs of the consumer.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
};

use super::{Input, context::Context, shared::Shared};
use crate::{
    engine::Commit,
    fail_point::{self, Point},
    kafka::committer::{Broker, Error},
    model::Partition,
};

/// How long the broker may take to say that it is there.
const PROBE: Duration = Duration::from_secs(4);

/// The consumer, as the committer sees it.
pub struct Link {
    pub shared: Arc<Shared>,
    pub consumer: Arc<BaseConsumer<Context>>,
}

impl Broker for Link {
    fn commit(&self, positions: &TopicPartitionList) -> Result<(), KafkaError> {
        let set = |since| {
            *self.shared.committing.lock().unwrap_or_else(PoisonError::into_inner) = since;
        };
        set(Some(self.shared.clock.instant()));
        fail_point::reach(Point::Committing);
        let result = self.consumer.commit(positions, CommitMode::Sync);
        if result.is_ok() {
            fail_point::reach(Point::Committed);
        }
        set(None);
        result
    }

    fn topic(&self, partition: Partition) -> Arc<str> {
        self.shared.topic(partition.source)
    }

    fn committed(&self, commit: Commit, result: Result<(), Error>) {
        // Only a worker that is gone does not take it.
        let _ = self.shared.inputs.blocking_send(Input::Committed { commit, result });
    }

    fn health(&self, ask: bool, last: Option<&Error>) -> bool {
        if ask {
            let topic = &self.shared.topics.completions();
            if let Err(error) = self.consumer.fetch_metadata(Some(topic), PROBE) {
                let last = last.map(|last| format!(" ({last})")).unwrap_or_default();
                self.shared.trouble(format!("no broker answers: {error}{last}"));
                return false;
            }
        }
        self.shared.healthy();
        !self.shared.troubled.load(Ordering::Acquire)
    }
}
