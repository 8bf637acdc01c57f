//! librdkafka's callbacks.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::TopicPartitionListElem as Entry,
    types::RDKafkaRespErr,
};

use super::{membership::Membership, shared::Shared};
use crate::kafka::client;

/// Hands rebalances to the membership, and errors to the worker.
#[derive(Debug)]
pub struct Context {
    pub shared: Arc<Shared>,
    pub membership: Mutex<Membership>,
}

impl Context {
    pub fn membership(&self) -> std::sync::MutexGuard<'_, Membership> {
        self.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.shared.login.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.shared.traffic.told(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = self.shared.login.reason(reason);
        match error.rdkafka_error_code() {
            // Ends of partitions come by this way too.
            Some(RDKafkaErrorCode::PartitionEOF) => {}
            Some(
                RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition,
            ) => self.shared.trouble(format!("{error}: {reason}")),
            _ => client::log_error(&error, &reason),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let indexes = partitions.elements().iter().map(Entry::partition).collect();
        let mut membership = self.membership();
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            membership.assigned(consumer, indexes);
        } else {
            membership.revoked(consumer, &indexes);
        }
        drop(membership);
        self.shared.wake();
    }
}
