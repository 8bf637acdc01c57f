//! The deadline of an attempt, on a timer that is kept for the next one: moving it further away takes no
//! lock of the runtime, while every timer that begins and ends takes two.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep};

/// For one attempt after the other.
#[derive(Default)]
pub struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// What comes of `work` within this time.
    pub(super) async fn within<T>(
        &mut self,
        time: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let at = Instant::now() + time;
        let timer = match &mut self.0 {
            Some(timer) => {
                timer.as_mut().reset(at);
                timer
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(at))),
        };
        tokio::select! {
            biased;
            outcome = work => Some(outcome),
            // Looked at whatever the work has used up of this task's turn.
            () = tokio::task::unconstrained(timer) => None,
        }
    }
}
