//! The publisher: events at a steady pace, and what became of each.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use paynotify::kafka::producer::{Outgoing, Producer};

use super::{cast, dice::Dice};
use crate::support::system::{System, event};

const PACE: Duration = Duration::from_millis(25);
const ANSWERS: Duration = Duration::from_secs(45);

/// One event as it was published.
pub struct Published {
    pub id: String,
    pub body: String,
    /// Whether Kafka said that it has it; otherwise it may be there or not.
    pub acknowledged: bool,
}

/// Publishes in the background.
pub struct Load(JoinHandle<Vec<Published>>);

impl Load {
    /// `count` events within `span`, their ids from `prefix`.
    pub fn start(
        system: &System,
        mut dice: Dice,
        prefix: &str,
        count: usize,
        span: Duration,
    ) -> Self {
        let (producer, mut answers) = Producer::new(&system.clients()).unwrap();
        let (topic, prefix) = (system.topics().completions(), prefix.to_owned());
        let turns = (span.as_millis() / PACE.as_millis()).max(1) as usize;
        let work = move || {
            let mut published = Vec::with_capacity(count);
            let began = Instant::now();
            for turn in 1..=turns {
                while published.len() < count * turn / turns {
                    let merchant = merchant(&mut dice);
                    let id = format!("{prefix}_{}", published.len());
                    let body = event(&id, &merchant);
                    let outgoing = Outgoing {
                        token: published.len() as u64,
                        topic: &topic,
                        partition: None,
                        key: Some(merchant.as_bytes()),
                        value: Some(body.as_bytes()),
                        headers: Vec::new(),
                    };
                    producer.send(&outgoing).unwrap();
                    published.push(Published { id, body, acknowledged: false });
                }
                let next = began + PACE * u32::try_from(turn).unwrap();
                std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            }
            producer.flush(ANSWERS);
            while let Ok(answer) = answers.try_recv() {
                let index = usize::try_from(answer.token).unwrap();
                published[index].acknowledged = answer.result.is_ok();
            }
            published
        };
        Self(std::thread::spawn(work))
    }

    /// Waits for the end.
    pub fn finish(self) -> Vec<Published> {
        self.0.join().unwrap()
    }
}

/// Most are for regular merchants.
fn merchant(dice: &mut Dice) -> String {
    match dice.below(200) {
        0..=7 => cast::TWO.to_owned(),
        8..=11 => cast::FILTERED.to_owned(),
        12 => cast::NEVER.to_owned(),
        _ => cast::regular(dice.index(cast::REGULAR)),
    }
}
