//! A token bucket without tokens: the generic cell rate algorithm (ITU-T I.371), which keeps one
//! time. Exact however long it runs, since that time is in nanoseconds.

use crate::model::{Rate, Span, Timestamp};

const MILLI: i128 = 1_000_000;

/// The state of one bucket.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Rate,
    /// When it is full again, in nanoseconds of the epoch.
    full_at: i128,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: i128::MIN }
    }

    /// The same at another rate: as many tokens are missing as before.
    pub fn change(&mut self, now: Timestamp, rate: Rate) {
        let debt = self.full_at.saturating_sub(nanos(now)).max(0);
        let (old, new) = (self.rate.interval_nanos(), rate.interval_nanos());
        // Parts of a token too, or each edit would give one away.
        self.full_at = nanos(now) + debt.saturating_mul(i128::from(new)) / i128::from(old);
        self.rate = rate;
    }

    /// Takes a token, whether there is one or not.
    pub fn take(&mut self, now: Timestamp) {
        self.full_at = self.full_at.max(nanos(now)) + i128::from(self.rate.interval_nanos());
    }

    /// Puts back the token that was taken last.
    pub fn give_back(&mut self) {
        self.full_at = self.full_at.saturating_sub(i128::from(self.rate.interval_nanos()));
    }

    /// When there is a token, if there is none now.
    pub fn empty_until(&self, now: Timestamp) -> Option<Timestamp> {
        let interval = i128::from(self.rate.interval_nanos());
        let next = self.full_at.saturating_sub(interval * i128::from(self.rate.burst() - 1));
        later(next, now)
    }

    /// When it is full, if it is not now.
    pub fn filling_until(&self, now: Timestamp) -> Option<Timestamp> {
        later(self.full_at, now)
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.as_millis()) * MILLI
}

/// In whole milliseconds, rounded up.
fn later(at: i128, now: Timestamp) -> Option<Timestamp> {
    let remains = at.saturating_sub(nanos(now));
    let millis = u64::try_from(remains.saturating_add(MILLI - 1) / MILLI).ok()?;
    (millis > 0).then(|| now + Span::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_full_bucket_gives_its_burst_at_once_and_then_one_token_an_interval() {
        let mut bucket = Bucket::new(Rate::parse(50.0, Some(3.0)).unwrap());
        assert_eq!(bucket.filling_until(START), None);
        for _ in 0..3 {
            assert_eq!(bucket.empty_until(START), None);
            bucket.take(START);
        }
        assert_eq!(bucket.empty_until(START), Some(START + Span::from_millis(20)));
        assert_eq!(bucket.filling_until(START), Some(START + Span::from_millis(60)));
    }

    #[test]
    fn a_rest_fills_it_up_to_the_burst_and_no_more() {
        let mut bucket = Bucket::new(Rate::parse(1.0, Some(2.0)).unwrap());
        bucket.take(START);
        let later = START + Span::from_secs(3_600);
        bucket.take(later);
        assert_eq!(bucket.empty_until(later), None);
        bucket.take(later);
        assert_eq!(bucket.empty_until(later), Some(later + Span::from_secs(1)));
    }

    #[test]
    fn a_change_of_rate_keeps_what_is_missing_of_a_token() {
        let rate = Rate::parse(0.5, Some(1.0)).unwrap();
        let mut bucket = Bucket::new(rate);
        bucket.take(START);
        let later = START + Span::from_millis(500);
        bucket.change(later, rate);
        assert_eq!(bucket.empty_until(later), Some(START + Span::from_secs(2)));
        bucket.change(later, Rate::parse(1.0, Some(1.0)).unwrap());
        assert_eq!(bucket.empty_until(later), Some(later + Span::from_millis(750)));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_burst_and_what_its_length_brings(
            per_second in 0.01_f64..3_000.0,
            burst in 1_u32..50,
            pauses in proptest::collection::vec(0_u64..200, 1..200),
        ) {
            let rate = Rate::parse(per_second, Some(f64::from(burst))).unwrap();
            let mut bucket = Bucket::new(rate);
            let (mut now, mut taken) = (START, Vec::new());
            for pause in pauses {
                now = now + Span::from_millis(pause);
                // As eager as allowed.
                while bucket.empty_until(now).is_none() {
                    bucket.take(now);
                    taken.push(now);
                }
            }
            for (at, first) in taken.iter().enumerate() {
                for (n, last) in taken[at..].iter().enumerate() {
                    let window = last.since(*first).as_secs_f64() + 0.001;
                    let most = f64::from(burst) + window * rate.per_second() + 1e-6;
                    #[expect(clippy::cast_precision_loss, reason = "few")]
                    let found = (n + 1) as f64;
                    prop_assert!(found <= most, "{found} in {window} s, {most} allowed");
                }
            }
        }
    }
}
