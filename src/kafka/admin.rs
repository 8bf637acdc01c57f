//! What is asked of the cluster itself: which topics there are, how they are set, new ones.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, NewPartitions, NewTopic, OwnedResourceSpecifier,
        ResourceSpecifier, TopicReplication,
    },
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{ClientSettings, Error, LogContext, open};

/// No question to the cluster takes longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A cluster that does not answer this long is away.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// An admin client whose every call has a deadline.
pub struct Admin {
    client: Arc<AdminClient<LogContext>>,
    servers: String,
}

/// The topics of a cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// How many brokers are alive.
    pub brokers: usize,
    /// Every topic by its name.
    pub topics: BTreeMap<String, Shape>,
}

/// Size of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the partition that has the fewest.
    pub replicas: usize,
}

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Full name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replicas: i32,
    /// Its settings by Kafka's names.
    pub settings: BTreeMap<&'static str, String>,
}

/// Settings of topics, by topic and Kafka's name of the setting; defaults are included.
pub type TopicConfigs = BTreeMap<String, BTreeMap<String, String>>;

impl Admin {
    /// Makes the client, which connects later; only tokens have to be there.
    pub async fn new(settings: &ClientSettings) -> Result<Self, Error> {
        let probe = settings.clone();
        let cancelled = |_| unreachable(&settings.bootstrap_servers, KafkaError::Canceled);
        spawn_blocking(move || open::sign_in(&probe)).await.map_err(cancelled)??;
        let context = LogContext::new(settings);
        let client = open::client("admin client", &settings.admin()?, context)?;
        Ok(Self { client: Arc::new(client), servers: settings.bootstrap_servers.clone() })
    }

    /// Which brokers and topics there are.
    pub async fn layout(&self) -> Result<Layout, Error> {
        let client = Arc::clone(&self.client);
        // All topics: asking for one by name could create it on a careless cluster.
        let metadata = spawn_blocking(move || {
            client.inner().fetch_metadata(None, FIRST_ANSWER).map(|metadata| Layout {
                brokers: metadata.brokers().len(),
                topics: metadata.topics().iter().map(shape).collect(),
            })
        });
        let answer = metadata.await.unwrap_or(Err(KafkaError::Canceled));
        answer.map_err(|source| unreachable(&self.servers, source))
    }

    /// Creates topics; says which were new, since another run may come first.
    pub async fn create(&self, topics: &[New]) -> Result<Vec<String>, Error> {
        let requests: Vec<_> = topics.iter().map(New::request).collect();
        let answers = self.client.create_topics(&requests, &options());
        let mut created = Vec::new();
        for answer in within("create topics on", &self.servers, answers).await? {
            match answer {
                Ok(name) => created.push(name),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(failed("create topic", &name, code)),
            }
        }
        Ok(created)
    }

    /// Gives a topic more partitions.
    pub async fn grow(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        let request = NewPartitions::new(topic, usize::try_from(partitions).unwrap_or(0));
        let requests = [request];
        let options = options();
        let answers = self.client.create_partitions(&requests, &options);
        for answer in within("add partitions to", topic, answers).await? {
            answer.map_err(|(name, code)| failed("add partitions to", &name, code))?;
        }
        Ok(())
    }

    /// Deletes topics; those that are gone already are no error.
    pub async fn delete(&self, topics: &[String]) -> Result<(), Error> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let answers = self.client.delete_topics(&names, &options());
        for answer in within("delete topics on", &self.servers, answers).await? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => return Err(failed("delete topic", &name, code)),
            }
        }
        Ok(())
    }

    /// Effective settings of existing topics.
    pub async fn configs(&self, topics: &[String]) -> Result<TopicConfigs, Error> {
        let resources: Vec<_> = topics.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = self.client.describe_configs(&resources, &options());
        let mut configs = TopicConfigs::new();
        for answer in within("read topic settings on", &self.servers, answers).await? {
            let resource =
                answer.map_err(|code| failed("read topic settings on", &self.servers, code))?;
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { continue };
            let entries = resource.entries.into_iter();
            let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
            configs.insert(name, entries.collect());
        }
        Ok(configs)
    }
}

impl New {
    fn request(&self) -> NewTopic<'_> {
        let replication = TopicReplication::Fixed(self.replicas);
        let topic = NewTopic::new(&self.name, self.partitions, replication);
        self.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
    }
}

fn shape(topic: &rdkafka::metadata::MetadataTopic) -> (String, Shape) {
    let partitions = topic.partitions();
    let shape = Shape {
        partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replicas: partitions.iter().map(|one| one.replicas().len()).min().unwrap_or(0),
    };
    (topic.name().to_owned(), shape)
}

fn options() -> AdminOptions {
    // The broker answers when the controller is done, not when it has heard.
    AdminOptions::new().operation_timeout(Some(DEADLINE)).request_timeout(Some(DEADLINE))
}

async fn within<T>(
    action: &'static str,
    topic: &str,
    answer: impl Future<Output = KafkaResult<T>>,
) -> Result<T, Error> {
    let topic = || topic.to_owned();
    match timeout(DEADLINE, answer).await {
        Ok(answer) => answer.map_err(|source| Error::Operation { action, topic: topic(), source }),
        Err(_) => Err(Error::Deadline { action, topic: topic(), after: DEADLINE }),
    }
}

fn unreachable(servers: &str, source: KafkaError) -> Error {
    Error::Unreachable { servers: servers.to_owned(), source }
}

fn failed(action: &'static str, topic: &str, code: RDKafkaErrorCode) -> Error {
    Error::Operation { action, topic: topic.to_owned(), source: KafkaError::AdminOp(code) }
}
