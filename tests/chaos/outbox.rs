//! Publishes without waiting for a broker, and knows in the end what became of each record.

use std::time::Duration;

use bytes::Bytes;
use paynotify::kafka::producer::{Delivered, Outgoing, Producer};
use tokio::sync::mpsc::Receiver;

use super::load::Published;
use crate::support::system::System;

const ANSWERS: Duration = Duration::from_secs(45);

/// Records on their way to completions.
pub struct Outbox {
    producer: Producer,
    answers: Receiver<Delivered>,
    topic: String,
    /// By token; nothing for what is no event.
    sent: Vec<Option<Published>>,
}

impl Outbox {
    pub fn open(system: &System) -> Self {
        let (producer, answers) = Producer::new(&system.clients()).unwrap();
        Self { producer, answers, topic: system.topics().completions(), sent: Vec::new() }
    }

    /// How many were sent.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// An event of this merchant.
    pub fn event(&mut self, merchant: &str, id: String, body: String) {
        let (key, value) = (Some(merchant.as_bytes()), Some(body.as_bytes()));
        self.send(&Outgoing { key, value, ..self.record() });
        self.sent.push(Some(Published { id, body, acknowledged: false }));
    }

    /// Bytes that are no event, to partition 0.
    pub fn raw(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let headers = vec![("x".to_owned(), Bytes::from_static(b"y"))];
        self.send(&Outgoing { partition: Some(0), key, value, headers, ..self.record() });
        self.sent.push(None);
    }

    fn record(&self) -> Outgoing<'_> {
        let (token, topic) = (self.sent.len() as u64, self.topic.as_str());
        Outgoing { token, topic, partition: None, key: None, value: None, headers: Vec::new() }
    }

    fn send(&self, outgoing: &Outgoing<'_>) {
        self.producer.send(outgoing).unwrap();
    }

    /// Waits for the answers; gives the events.
    pub fn close(self) -> Vec<Published> {
        let Self { producer, mut answers, mut sent, .. } = self;
        producer.flush(ANSWERS);
        while let Ok(answer) = answers.try_recv() {
            if let Some(published) = &mut sent[usize::try_from(answer.token).unwrap()] {
                published.acknowledged = answer.result.is_ok();
            }
        }
        sent.into_iter().flatten().collect()
    }
}
