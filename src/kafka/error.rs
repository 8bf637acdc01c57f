//! What can go wrong between us and the broker.

use std::time::Duration;

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

use super::login;

/// A property of the user that would break the promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "kafka.properties.\"{key}\" = \"{value}\" is refused: {why}; remove it from the configuration"
)]
pub struct UnsafeProperty {
    /// Name of the librdkafka property.
    pub key: String,
    /// Its refused value; never a secret, since no secret is ever refused.
    pub value: String,
    /// What would go wrong.
    pub why: &'static str,
}

/// A failed operation on Kafka.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for something unsafe.
    #[error(transparent)]
    Unsafe(#[from] UnsafeProperty),
    /// librdkafka refuses the configuration.
    #[error("cannot create the Kafka {client}: {source}; check kafka.properties")]
    Client {
        /// Which client: `consumer`, `producer`, `admin client`.
        client: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// There is no token to sign in with.
    #[error(transparent)]
    Login(#[from] login::Error),
    /// No answer from any broker.
    #[error(
        "no Kafka broker answers at {servers}: {source}; check kafka.bootstrap_servers and that \
         the broker runs"
    )]
    Unreachable {
        /// `kafka.bootstrap_servers`.
        servers: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// A topic that has to exist does not.
    #[error("topic {topic} does not exist: run `paynotify topics create`")]
    MissingTopic {
        /// Its full name.
        topic: String,
    },
    /// An operation on a topic failed.
    #[error("cannot {action} {topic}: {source}")]
    Operation {
        /// A verb phrase such as `read the settings of`.
        action: &'static str,
        /// The topic or group.
        topic: String,
        /// What librdkafka or the broker says.
        source: KafkaError,
    },
    /// Nothing happened in time.
    #[error("cannot {action} {topic} within {}s: is the broker overloaded or away?", .after.as_secs())]
    Deadline {
        /// A verb phrase.
        action: &'static str,
        /// The topic or group.
        topic: String,
        /// How long we waited.
        after: Duration,
    },
    /// The operating system gave no thread.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Name of the thread.
        name: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the client that said it is beyond repair and must be built anew. Everything else
    /// may pass by itself.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Client { source, .. }
            | Self::Unreachable { source, .. }
            | Self::Operation { source, .. } => is_fatal(source),
            Self::Unsafe(_)
            | Self::Login(_)
            | Self::MissingTopic { .. }
            | Self::Deadline { .. }
            | Self::Thread { .. } => false,
        }
    }
}

/// Whether librdkafka calls this error fatal: its client answers nothing else from then on.
pub fn is_fatal(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced))
        || matches!(error, KafkaError::MessageConsumptionFatal(_))
}

/// Whether nobody answered: the client said it in the broker's stead.
pub fn is_silence(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageTimedOut
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::PurgeQueue
                | RDKafkaErrorCode::PurgeInflight
                | RDKafkaErrorCode::QueueFull
        )
    )
}

/// Whether Kafka answers that it cannot do it for now: another client would hear the same.
pub fn is_kafkas_own(error: &KafkaError) -> bool {
    // Those the client says itself, when it finds no coordinator, or a broker is no more.
    let own = matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::WaitingForCoordinator | RDKafkaErrorCode::DestroyBroker)
    );
    (passes(error) && !own)
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::NotEnoughReplicas
                    | RDKafkaErrorCode::NotEnoughReplicasAfterAppend
                    | RDKafkaErrorCode::BrokerNotAvailable
            )
        )
}

/// Whether it passes by itself: a new topic takes a moment until every broker knows it and leads
/// it, one whose leader fails or loses its disk gets another, and a group has no coordinator for a
/// while. A question falls with a broker that left the cluster.
pub fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::ReplicaNotAvailable
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::OffsetNotAvailable
                | RDKafkaErrorCode::KafkaStorageError
                | RDKafkaErrorCode::DestroyBroker
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_ends_the_client_is_fatal() {
        assert!(is_fatal(&KafkaError::Global(RDKafkaErrorCode::Fatal)));
        assert!(!is_fatal(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown)));
        assert!(!is_fatal(&KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)));
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_timeout_is_none() {
        let of = KafkaError::MessageProduction;
        assert!(is_silence(&of(RDKafkaErrorCode::MessageTimedOut)));
        assert!(!is_silence(&of(RDKafkaErrorCode::MessageSizeTooLarge)));
        assert!(!is_silence(&of(RDKafkaErrorCode::TopicAuthorizationFailed)));
    }

    #[test]
    fn a_question_that_fell_with_its_broker_is_asked_again_and_is_no_answer_of_kafkas() {
        let fell = KafkaError::MetadataFetch(RDKafkaErrorCode::DestroyBroker);
        assert!(passes(&fell));
        assert!(!is_kafkas_own(&fell));
    }

    #[test]
    fn a_leader_that_fails_is_waited_for_until_another_leads() {
        for code in [
            RDKafkaErrorCode::KafkaStorageError,
            RDKafkaErrorCode::OffsetNotAvailable,
            RDKafkaErrorCode::FencedLeaderEpoch,
            RDKafkaErrorCode::UnknownLeaderEpoch,
            RDKafkaErrorCode::ReplicaNotAvailable,
        ] {
            assert!(passes(&KafkaError::MetadataFetch(code)), "{code}");
        }
        assert!(!passes(&KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed)));
    }

    #[test]
    fn a_coordinator_that_cannot_write_is_kafkas_own_trouble_and_a_lost_one_may_be_ours() {
        let of = KafkaError::ConsumerCommit;
        assert!(is_kafkas_own(&of(RDKafkaErrorCode::CoordinatorNotAvailable)));
        assert!(is_kafkas_own(&of(RDKafkaErrorCode::NotEnoughReplicas)));
        assert!(!is_kafkas_own(&of(RDKafkaErrorCode::WaitingForCoordinator)));
        assert!(!is_kafkas_own(&of(RDKafkaErrorCode::OperationTimedOut)));
    }
}
