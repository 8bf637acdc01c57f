//! Whether an endpoint is worth more than a probe: the circuit breaker of one lane.

use crate::model::{Span, Timestamp};

/// When a breaker opens, and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many attempts must have failed within the window,
    pub failures: u32,
    /// and so many of a thousand that ended in it.
    pub per_mille: u32,
    /// How far back attempts count; between one and one and a half of it.
    pub window: Span,
    /// After the first success the cap grows from one to the policy's during this time.
    pub ramp: Span,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, per_mille: 800, window: Span::from_secs(60), ramp: Span::from_secs(60) }
    }
}

/// What the attempts of late say about an endpoint.
#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
    /// The present half of the window and the one before.
    halves: [Half; 2],
    half_began: Option<Timestamp>,
}

/// The state of a breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Attempts go as the policy allows.
    #[default]
    Closed,
    /// The endpoint gets probes alone.
    Open,
    /// It answers again; more is asked of it step by step.
    Ramp {
        /// Since when.
        since: Timestamp,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Half {
    ended: u32,
    failed: u32,
}

impl Breaker {
    /// An attempt ended, acknowledged or not.
    pub fn ended(&mut self, now: Timestamp, acknowledged: bool, settings: &BreakerSettings) {
        if self.state == State::Open {
            if acknowledged {
                self.state = State::Ramp { since: now };
            }
            return;
        }
        self.turn_over(now, settings.window);
        self.halves[0].ended += 1;
        self.halves[0].failed += u32::from(!acknowledged);
        let ended = self.halves[0].ended + self.halves[1].ended;
        let failed = self.halves[0].failed + self.halves[1].failed;
        let share = u64::from(failed) * 1_000 >= u64::from(settings.per_mille) * u64::from(ended);
        if !acknowledged && failed >= settings.failures && share {
            *self = Self { state: State::Open, ..Self::default() };
        }
    }

    /// What it is now; a ramp ends by itself.
    pub fn state(&mut self, now: Timestamp, settings: &BreakerSettings) -> State {
        if let State::Ramp { since } = self.state
            && now >= since + settings.ramp
        {
            self.state = State::Closed;
        }
        self.state
    }

    /// Whether it lets probes through alone.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it answers again, and more is asked of it step by step.
    pub fn is_on_ramp(&self) -> bool {
        matches!(self.state, State::Ramp { .. })
    }

    fn turn_over(&mut self, now: Timestamp, window: Span) {
        let half = Span::from_millis(window.as_millis() / 2);
        match self.half_began {
            Some(began) if now < began + half => return,
            Some(began) if now < began + window => self.halves[1] = self.halves[0],
            _ => self.halves[1] = Half::default(),
        }
        self.halves[0] = Half::default();
        self.half_began = Some(now);
    }
}

/// The most attempts at a time on the way from one to `cap`.
pub fn ramped(cap: u32, passed: Span, ramp: Span) -> u32 {
    let (passed, whole) = (passed.as_millis(), ramp.as_millis().max(1));
    let grown = u64::from(cap).saturating_mul(passed) / whole;
    u32::try_from(grown).unwrap_or(u32::MAX).clamp(1, cap.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 5,
        per_mille: 500,
        window: Span::from_secs(60),
        ramp: Span::from_secs(60),
    };

    fn after(ends: &[bool]) -> Breaker {
        let mut breaker = Breaker::default();
        for end in ends {
            breaker.ended(START, *end, &SETTINGS);
        }
        breaker
    }

    fn is_closed(breaker: &Breaker) -> bool {
        breaker.state == State::Closed
    }

    #[test]
    fn it_opens_at_the_count_of_failures_and_no_earlier() {
        assert!(!after(&[false; 4]).is_open());
        assert!(after(&[false; 5]).is_open());
    }

    #[test]
    fn failures_that_are_a_small_share_leave_it_closed() {
        let mut ends = [true, true, false].repeat(100);
        assert!(is_closed(&after(&ends)));
        ends.extend([false; 101]);
        assert!(after(&ends).is_open());
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = after(&[false; 4]);
        breaker.ended(START + Span::from_secs(90), false, &SETTINGS);
        assert!(is_closed(&breaker));
        let mut breaker = after(&[false; 4]);
        breaker.ended(START + Span::from_secs(40), false, &SETTINGS);
        assert!(breaker.is_open(), "within the window, though in its other half");
        let mut breaker = after(&[false; 4]);
        breaker.ended(START + Span::from_secs(60), false, &SETTINGS);
        assert!(is_closed(&breaker), "a window later");
    }

    #[test]
    fn a_half_of_the_window_ends_where_the_next_begins() {
        let mut breaker = after(&[false]);
        for (seconds, failures) in [(30, 3), (80, 2)] {
            let now = START + Span::from_secs(seconds);
            (0..failures).for_each(|_| breaker.ended(now, false, &SETTINGS));
        }
        assert!(breaker.is_open(), "three and two");
    }

    #[test]
    fn a_success_begins_the_ramp_which_ends_by_itself() {
        let mut breaker = after(&[false; 5]);
        breaker.ended(START, false, &SETTINGS);
        assert!(breaker.is_open());
        breaker.ended(START, true, &SETTINGS);
        assert_eq!(breaker.state(START, &SETTINGS), State::Ramp { since: START });
        assert_eq!(breaker.state(START + Span::from_secs(60), &SETTINGS), State::Closed);
    }

    #[test]
    fn failures_on_the_ramp_open_it_again() {
        let mut breaker = after(&[false, false, false, false, false, true]);
        (0..5).for_each(|_| breaker.ended(START, false, &SETTINGS));
        assert!(breaker.is_open());
    }

    #[test]
    fn the_cap_grows_evenly_from_one_to_the_whole() {
        let caps = [0, 1, 8, 30, 59, 60, 999]
            .map(|passed| ramped(8, Span::from_secs(passed), SETTINGS.ramp));
        assert_eq!(caps, [1, 1, 1, 4, 7, 8, 8]);
        assert_eq!(ramped(0, Span::ZERO, Span::ZERO), 1);
    }
}
