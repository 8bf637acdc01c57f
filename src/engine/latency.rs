//! How long acknowledged attempts take: an estimate of their 99th percentile that follows change.

use crate::model::Span;

/// Buckets are powers of the square root of two, in milliseconds: up to about 46 minutes.
const BUCKETS: usize = 44;
/// After so many the past counts half.
const FADE: u32 = 4_096;

/// Acknowledged attempts by duration.
#[derive(Debug)]
pub struct Latency {
    counts: [u32; BUCKETS],
    total: u32,
    p99: Span,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0, p99: Span::ZERO }
    }
}

impl Latency {
    /// An acknowledged attempt took so long.
    pub fn add(&mut self, took: Span) {
        self.counts[bucket(took)] += 1;
        self.total += 1;
        if self.total.is_multiple_of(64) {
            self.p99 = self.measure();
        }
        if self.total >= FADE {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// What 99 of 100 attempts did not exceed, rounded up by no more than 42 %; zero at first.
    pub fn p99(&self) -> Span {
        self.p99
    }

    fn measure(&self) -> Span {
        let allowed = self.total / 100;
        let mut above = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            above += count;
            if above > allowed {
                return upper(bucket);
            }
        }
        Span::ZERO
    }
}

/// The first bucket whose upper bound is not below.
fn bucket(took: Span) -> usize {
    let squared = took.as_millis().saturating_mul(took.as_millis());
    let exponent = squared.max(1).next_power_of_two().trailing_zeros();
    usize::try_from(exponent).map_or(BUCKETS - 1, |exponent| exponent.min(BUCKETS - 1))
}

fn upper(bucket: usize) -> Span {
    Span::from_millis((1_u64 << bucket).isqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_never_understated_and_overstated_by_half_at_most() {
        for slow in [1_u64, 2, 3, 10, 50, 333, 10_000] {
            let mut latency = Latency::default();
            for at in 0..2_000 {
                latency.add(Span::from_millis(if at % 50 == 0 { slow } else { 1 }));
            }
            let found = latency.p99().as_millis();
            assert!((slow..=slow * 3 / 2 + 2).contains(&found), "{found} for {slow}");
        }
    }

    #[test]
    fn one_of_two_hundred_is_no_99th_percentile() {
        let mut latency = Latency::default();
        (0..2_000)
            .for_each(|at| latency.add(Span::from_millis(if at % 200 == 0 { 5_000 } else { 1 })));
        assert!(latency.p99().as_millis() <= 3);
    }

    #[test]
    fn one_of_a_hundred_may_be_slower_and_no_more() {
        for (slow, found) in [(1, 1), (2, 5_792)] {
            let mut latency = Latency::default();
            (0..slow).for_each(|_| latency.add(Span::from_millis(5_000)));
            (slow..128).for_each(|_| latency.add(Span::from_millis(1)));
            assert_eq!(latency.p99().as_millis(), found, "{slow} of 128");
        }
    }

    #[test]
    fn the_past_counts_half_and_is_not_forgotten() {
        let mut latency = Latency::default();
        (0..FADE).for_each(|_| latency.add(Span::from_millis(1_000)));
        (0..64).for_each(|_| latency.add(Span::from_millis(2)));
        assert!(latency.p99().as_millis() >= 1_000, "{}", latency.p99());
    }

    #[test]
    fn it_follows_when_everything_becomes_slower_or_faster() {
        let mut latency = Latency::default();
        (0..10_000).for_each(|_| latency.add(Span::from_millis(1_000)));
        (0..40_000).for_each(|_| latency.add(Span::from_millis(2)));
        assert!(latency.p99().as_millis() <= 4, "{}", latency.p99());
        (0..500).for_each(|_| latency.add(Span::from_millis(100)));
        assert!(latency.p99().as_millis() >= 100);
    }

    #[test]
    fn the_longest_waits_fit() {
        assert_eq!(bucket(Span::ZERO), 0);
        assert_eq!(bucket(Span::from_secs(86_400)), BUCKETS - 1);
    }
}
