//! How fast the attempts of a lane end while it has work.

use crate::model::{Span, Timestamp};

/// A window is at least so long.
const WINDOW: Span = Span::from_secs(1);

/// Ended attempts per second, measured over windows in which there was always work.
#[derive(Debug, Default)]
pub struct Pace {
    window_start: Option<Timestamp>,
    ended: f64,
    per_second: Option<f64>,
}

impl Pace {
    /// An attempt ended, which stands for so many; `idle` when none can follow it at once.
    pub fn ended(&mut self, now: Timestamp, stands_for: f64, idle: bool) {
        // The first end only opens the window: nothing is known of the time before it.
        if let Some(start) = self.window_start {
            self.ended += stands_for;
            let window = now.since(start);
            if window >= WINDOW {
                let measured = self.ended / window.as_secs_f64();
                let before = self.per_second.unwrap_or(measured);
                self.per_second = Some(f64::midpoint(before, measured));
                (self.window_start, self.ended) = (Some(now), 0.0);
            }
        } else {
            self.window_start = Some(now);
        }
        // A pause says nothing about the endpoint.
        if idle {
            (self.window_start, self.ended) = (None, 0.0);
        }
    }

    /// What was measured last, if anything.
    pub fn per_second(&self) -> Option<f64> {
        self.per_second
    }
}
