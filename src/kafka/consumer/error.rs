//! Why the consumer cannot work.

use rdkafka::error::KafkaError;

/// Why a consumer does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings, brokers or topics are not as they must be.
    #[error(transparent)]
    Kafka(#[from] crate::kafka::Error),
    /// A grade that cannot be co-located.
    #[error(
        "topic {topic} has {found} partitions where {completions} has {expected}: run `paynotify \
         topics check`, then `paynotify topics create`"
    )]
    Partitions {
        /// The grade's topic.
        topic: String,
        /// How many it has.
        found: usize,
        /// The completions topic.
        completions: String,
        /// How many that has.
        expected: usize,
    },
    /// Decision 5: never guess where to begin.
    #[error(
        "group {group} has no committed offset, but {topic} or its delay topics hold records: say \
         with --first-start earliest, latest or a time what is meant"
    )]
    NoFirstStart {
        /// The consumer group.
        group: String,
        /// The completions topic.
        topic: String,
    },
    /// The broker does not let us see a topic.
    #[error("Kafka forbids topic {0}: grant the principal of kafka.properties Read and Describe")]
    Forbidden(String),
    /// The group uses something that cannot co-locate grades.
    #[error(
        "group {0} has members with another assignment strategy: only paynotify workers may use it"
    )]
    Strategy(String),
    /// librdkafka gave up for good.
    #[error("the Kafka consumer failed for good: {0}; it must be rebuilt")]
    Client(KafkaError),
}

impl Error {
    /// Whether no broker answered, or none let us in for want of a token: it may pass by itself.
    pub fn is_away(&self) -> bool {
        use crate::kafka::Error::{Login, Unreachable};
        matches!(self, Self::Kafka(Unreachable { .. } | Login(_)))
    }

    /// Whether a consumer that is built anew may do better without anybody's help.
    pub fn is_curable(&self) -> bool {
        matches!(self, Self::Client(_))
            || matches!(
                self,
                Self::Kafka(
                    crate::kafka::Error::Unreachable { .. }
                        | crate::kafka::Error::Thread { .. }
                        | crate::kafka::Error::Login(_)
                )
            )
    }
}
