//! How far the broker's clock is from ours, judged by append times. No clock is read here.
//!
//! A record appended at *a* (broker time) that we send at *s* and see acknowledged at *r* (local
//! time) bounds the offset `broker − local`: at least *a − r*, at most *a − s*.

use std::collections::VecDeque;

/// Samples older than this say nothing: the clocks drift.
pub const WINDOW_MILLIS: i64 = 600_000;

/// Samples are kept as the best of each stretch of this length.
const BUCKET_MILLIS: i64 = 60_000;

/// Evidence that the broker is further ahead than the upper bound allows is another broker's
/// clock, up to here; beyond it, one of the clocks jumped (or we were suspended).
const JUMP_MILLIS: i64 = 30_000;

/// Estimates `broker − local` in milliseconds, never too high as far as can be known.
#[derive(Debug, Default)]
pub struct Estimate {
    buckets: VecDeque<Bucket>,
    acknowledged: bool,
}

/// The best bounds of one stretch of local time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    begins: i64,
    /// The highest lower bound.
    lower: i64,
    /// The lowest upper bound; only acknowledgements give one.
    upper: i64,
}

impl Estimate {
    /// Takes the sample of a produced record: sent and acknowledged in local time, appended in
    /// broker time, all in milliseconds.
    pub fn acknowledged(&mut self, appended: i64, sent: i64, received: i64) {
        let (lower, upper) = (appended.saturating_sub(received), appended.saturating_sub(sent));
        if upper < lower {
            return; // acknowledged before it was sent: no sample
        }
        if lower.saturating_sub(JUMP_MILLIS) > self.upper() {
            self.buckets.clear();
        }
        self.acknowledged = true;
        // Append times are cut to whole milliseconds, so the truth is up to one higher.
        self.insert(received, lower, upper.saturating_add(1));
    }

    /// Takes the append time of a consumed record: the broker's clock is at least there by now.
    pub fn consumed(&mut self, appended: i64, received: i64) {
        self.insert(received, appended.saturating_sub(received), i64::MAX);
    }

    /// The offset to add to local time. `stand_in` is the offset of the wall clock: it serves
    /// until the first acknowledgement, and consumed records may only raise it.
    pub fn offset(&self, stand_in: i64) -> i64 {
        let lower = self.buckets.iter().map(|bucket| bucket.lower).max();
        match lower {
            None => stand_in,
            Some(lower) if self.acknowledged => lower.min(self.upper()),
            Some(lower) => lower.max(stand_in),
        }
    }

    /// Whether an acknowledgement has been seen, so that the wall clock no longer stands in.
    pub fn is_measured(&self) -> bool {
        self.acknowledged
    }

    fn upper(&self) -> i64 {
        self.buckets.iter().map(|bucket| bucket.upper).min().unwrap_or(i64::MAX)
    }

    fn insert(&mut self, at: i64, lower: i64, upper: i64) {
        let begins = at - at.rem_euclid(BUCKET_MILLIS);
        match self.buckets.back_mut() {
            Some(last) if last.begins >= begins => {
                last.lower = last.lower.max(lower);
                last.upper = last.upper.min(upper);
            }
            _ => self.buckets.push_back(Bucket { begins, lower, upper }),
        }
        self.forget(at);
    }

    /// Drops what has left the window, but never the last acknowledged bound: a quiet hour must
    /// not bring the wall clock back.
    fn forget(&mut self, now: i64) {
        while let Some(first) = self.buckets.front() {
            let bounded = self.buckets.iter().skip(1).any(|bucket| bucket.upper < i64::MAX);
            let old = first.begins + BUCKET_MILLIS + WINDOW_MILLIS <= now;
            if !old || (first.upper < i64::MAX && !bounded) {
                break;
            }
            self.buckets.pop_front();
        }
        // A bucket that must stay may hold the front for long; the rest stays bounded.
        while self.buckets.len() > 2 + usize::try_from(WINDOW_MILLIS / BUCKET_MILLIS).unwrap_or(10)
        {
            self.buckets.remove(1);
        }
    }
}
