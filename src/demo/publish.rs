//! The payment service: publishes events at an even pace, keyed by merchant.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{EVENTS, PUBLISHING, book::Book};
use crate::{
    clock::Clock,
    kafka::{
        self, ClientSettings,
        producer::{Delivered, Outgoing, Producer},
    },
};

/// How long the broker may take to answer the last of them.
const FLUSH: Duration = Duration::from_secs(15);
/// The types that occur, in turn.
const TYPES: [&str; 3] = ["payment.completed", "refund.completed", "payout.completed"];

/// Writes events to the completions topic.
pub struct Publisher {
    producer: Producer,
    answers: mpsc::Receiver<Delivered>,
    topic: String,
}

impl Publisher {
    /// A publisher to this topic.
    pub fn new(client: &ClientSettings, topic: String) -> Result<Self, kafka::Error> {
        let (producer, answers) = Producer::new(client)?;
        Ok(Self { producer, answers, topic })
    }

    /// Publishes everything, or until `stop`. An event that Kafka refuses stays in the book, so
    /// that the sum shows it.
    pub async fn run(mut self, book: Arc<Book>, stop: CancellationToken) {
        let clock = Clock::without_offset();
        let start = Instant::now();
        for number in 0..EVENTS {
            let share = u32::try_from(number).unwrap_or(u32::MAX);
            let at = start + PUBLISHING * share / u32::try_from(EVENTS).unwrap_or(1);
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = stop.cancelled() => break,
            }
            self.publish(number, &book, &clock);
            while let Ok(answer) = self.answers.try_recv() {
                report(&answer);
            }
        }
        let flushed = tokio::task::spawn_blocking(move || {
            self.producer.flush(FLUSH);
            while let Ok(answer) = self.answers.try_recv() {
                report(&answer);
            }
        });
        if flushed.await.is_err() {
            tracing::warn!("the last events may not have been published");
        }
    }

    fn publish(&self, number: usize, book: &Book, clock: &Clock) {
        let merchant = number % book.merchants().len();
        let key = &book.merchants()[merchant].id;
        let id = format!("evt_{number:05}");
        let event = json!({
            "id": id,
            "type": TYPES[number % TYPES.len()],
            "timestamp": clock.now().to_string(),
            "merchant_id": key,
            "data": { "payment": format!("pay_{number:05}"), "amount": number + 100, "currency": "EUR" },
        });
        let body = event.to_string().into_bytes();
        book.published(id, merchant, body.clone());
        let sent = self.producer.send(&Outgoing {
            token: number as u64,
            topic: &self.topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&body),
            headers: Vec::new(),
        });
        if let Err(error) = sent {
            tracing::error!(%error, number, "an event was not published");
        }
    }
}

fn report(answer: &Delivered) {
    if let Err(failure) = &answer.result {
        tracing::error!(?failure, number = answer.token, "Kafka did not take an event");
    }
}
