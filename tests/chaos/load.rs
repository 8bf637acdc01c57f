//! The publisher: events at a steady pace, and what became of each.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{cast, dice::Dice, outbox::Outbox};
use crate::support::system::{System, event};

const PACE: Duration = Duration::from_millis(25);

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
        let (mut outbox, prefix) = (Outbox::open(system), prefix.to_owned());
        let turns = (span.as_millis() / PACE.as_millis()).max(1) as usize;
        let work = move || {
            let began = Instant::now();
            for turn in 1..=turns {
                while outbox.len() < count * turn / turns {
                    let merchant = merchant(&mut dice);
                    let id = format!("{prefix}_{}", outbox.len());
                    let body = event(&id, &merchant);
                    outbox.event(&merchant, id, body);
                }
                let next = began + PACE * u32::try_from(turn).unwrap();
                std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            }
            outbox.close()
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
