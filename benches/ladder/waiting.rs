//! Records on a delay topic, as a worker writes them after a first attempt that failed.

use paynotify::{
    envelope::Envelope,
    kafka::TopicNames,
    model::{Coordinates, EndpointId, Grade, Offset, Span, Timestamp},
};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord},
};

use super::support::{events::Events, publish, time};

/// Writes to one delay topic.
pub struct Waiting {
    producer: BaseProducer,
    names: TopicNames,
    grade: Grade,
}

impl Waiting {
    /// To the delay topic of this grade.
    pub fn new(bootstrap: &str, prefix: &str, grade: &str) -> anyhow::Result<Self> {
        let producer = publish::producer(bootstrap, "20")?;
        let grade = Grade::new(Span::parse(grade)?);
        Ok(Self { producer, names: TopicNames::new(prefix), grade })
    }

    /// So many, which are due when they have waited for the grade's time.
    pub fn write(&self, records: u64) -> anyhow::Result<()> {
        let topic = self.names.grade(self.grade);
        for number in 0..records {
            let sent_us = time::now_us();
            let (partition, key, value) = Events::USUAL.event(number, sent_us);
            let now = Timestamp::from_millis(sent_us / 1_000);
            let origin = Coordinates {
                topic: self.names.completions().into(),
                partition,
                offset: Offset(i64::try_from(number)?),
            };
            let envelope = Envelope {
                endpoint: Some(EndpointId::parse("ep_0")?),
                attempts: 1,
                due: Some(now + self.grade.delay()),
                first_attempt: Some(now),
                last_attempt: Some(now),
                last_reason: Some("status".to_owned()),
                last_status: Some(503),
                ..Envelope::fresh(now, origin)
            };
            let headers =
                envelope.write().into_iter().fold(OwnedHeaders::new(), |all, (key, value)| {
                    all.insert(Header { key: &key, value: Some(value.as_ref()) })
                });
            let record = BaseRecord::to(&topic).partition(partition).key(&key).payload(&value);
            publish::send(&self.producer, record.headers(headers))?;
        }
        publish::flush(&self.producer)
    }
}
