//! The flood brake: an outage of ours must not use up merchants' attempts or fill the dead letters.
//! Whatever fails for most of the endpoints at once is no merchant's fault.

use std::collections::BTreeSet;

use super::{DeadReason, fair_queue::LaneId};
use crate::model::{Span, Timestamp};

/// How far back is looked; between one and one and a half of it.
const WINDOW: Span = Span::from_secs(30);
/// Of a hundred attempts so many must have met no answer,
const PERCENT: u64 = 80;
/// at so many endpoints
const ENDPOINTS: usize = 20;
/// on so many hosts.
const HOSTS: usize = 10;
/// So many dead letters that only an outage explains,
const LETTERS: u64 = 100;
/// of so many merchants, are a burst.
const MERCHANTS: usize = 20;
/// After a burst they are parked for so long.
const LETTERS_PAUSE: Span = Span::from_secs(300);
/// So many more answers than failures end the brake on attempts.
const RECOVERED: u32 = 10;
/// Attempts at a time while it holds.
pub const TRICKLE: usize = 8;

/// Which brakes hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Braked {
    /// Most attempts meet no answer: they trickle, and those that fail are not counted.
    pub attempts: bool,
    /// Too many events were given up for what may be an outage: they are parked.
    pub letters: bool,
}

/// What failed of late, and what follows.
#[derive(Debug, Default)]
pub struct Brake {
    enabled: bool,
    attempts: Window,
    letters: Window,
    recovery: Option<Recovery>,
    /// Without an attempt for so long, the brake on attempts ends.
    memory: Span,
    letters_until: Option<Timestamp>,
}

/// The brake on attempts holds.
#[derive(Debug, Clone, Copy)]
struct Recovery {
    /// Answers beyond failures.
    ahead: u32,
    /// When an attempt last ended.
    heard: Timestamp,
}

/// The present half of the window and the one before.
#[derive(Debug, Default)]
struct Window {
    began: Option<Timestamp>,
    halves: [Half; 2],
}

/// Sets stop growing where they are large enough.
#[derive(Debug, Default)]
struct Half {
    all: u64,
    failed: u64,
    who: BTreeSet<u64>,
    hosts: BTreeSet<u64>,
}

impl Brake {
    /// A brake that does not hold, or never will. Whatever it parks comes back within `longest`.
    pub fn new(enabled: bool, longest: Span) -> Self {
        Self { enabled, memory: longest.plus(WINDOW), ..Self::default() }
    }

    /// Which brakes hold now.
    pub fn braked(&self, now: Timestamp) -> Braked {
        let letters = self.letters_until.is_some_and(|until| now < until);
        Braked { attempts: self.recovering(now).is_some(), letters }
    }

    /// What is left to attempt may all be too old to be attempted, and then no answer would end it.
    fn recovering(&self, now: Timestamp) -> Option<Recovery> {
        self.recovery.filter(|recovery| now < recovery.heard + self.memory)
    }

    /// An attempt met an answer, whatever it was.
    pub fn answered(&mut self, now: Timestamp) {
        self.attempts.half(now).all += 1;
        let Some(recovery) = self.recovering(now) else { return };
        let ahead = recovery.ahead + 1;
        if ahead < RECOVERED {
            self.recovery = Some(Recovery { ahead, heard: now });
        } else {
            (self.attempts, self.recovery) = (Window::default(), None);
        }
    }

    /// An attempt of this lane to this host met none.
    pub fn unanswered(&mut self, now: Timestamp, lane: LaneId, host: &str) {
        self.attempts.fail(now, lane as u64, number_of(host));
        let ahead = match self.recovering(now) {
            Some(recovery) => Some(recovery.ahead.saturating_sub(1)),
            None => (self.enabled && self.attempts.is_flood()).then_some(0),
        };
        self.recovery = ahead.map(|ahead| Recovery { ahead, heard: now });
    }

    /// An event of this merchant is to be given up; true if it is better parked.
    pub fn holds(&mut self, now: Timestamp, reason: DeadReason, merchant: &str) -> bool {
        let braked = self.braked(now);
        let doubtful = matches!(
            reason,
            DeadReason::UnknownMerchant | DeadReason::AddressDenied | DeadReason::System
        );
        let used_up = matches!(reason, DeadReason::Exhausted | DeadReason::Expired);
        if doubtful && self.enabled && !braked.letters {
            self.letters.fail(now, number_of(merchant), 0);
            if self.letters.is_burst() {
                self.letters = Window::default();
                self.letters_until = Some(now + LETTERS_PAUSE);
                return true;
            }
        }
        (braked.letters && doubtful) || (braked.attempts && (doubtful || used_up))
    }
}

impl Window {
    fn half(&mut self, now: Timestamp) -> &mut Half {
        let half = Span::from_millis(WINDOW.as_millis() / 2);
        match self.began {
            Some(began) if now < began + half => {}
            Some(began) if now < began + WINDOW => {
                self.halves.swap(0, 1);
                (self.halves[0], self.began) = (Half::default(), Some(now));
            }
            _ => (self.halves, self.began) = (Default::default(), Some(now)),
        }
        &mut self.halves[0]
    }

    fn fail(&mut self, now: Timestamp, who: u64, host: u64) {
        let half = self.half(now);
        half.all += 1;
        half.failed += 1;
        if half.who.len() < ENDPOINTS.max(MERCHANTS) {
            half.who.insert(who);
        }
        if half.hosts.len() < HOSTS {
            half.hosts.insert(host);
        }
    }

    fn is_flood(&self) -> bool {
        let [one, other] = &self.halves;
        let (all, failed) = (one.all + other.all, one.failed + other.failed);
        failed * 100 >= all * PERCENT
            && one.who.union(&other.who).count() >= ENDPOINTS
            && one.hosts.union(&other.hosts).count() >= HOSTS
    }

    fn is_burst(&self) -> bool {
        let [one, other] = &self.halves;
        one.failed + other.failed >= LETTERS && one.who.union(&other.who).count() >= MERCHANTS
    }
}

/// FNV-1a: the same number for the same name, without randomness.
fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LONGEST: Span = Span::from_secs(600);

    fn unanswered(brake: &mut Brake, endpoints: usize, hosts: usize) {
        for lane in 0..endpoints {
            brake.unanswered(NOW, lane, &format!("host-{}", lane % hosts));
        }
    }

    fn holds_attempts(endpoints: usize, hosts: usize, answered: usize) -> bool {
        let mut brake = Brake::new(true, LONGEST);
        (0..answered).for_each(|_| brake.answered(NOW));
        unanswered(&mut brake, endpoints, hosts);
        brake.braked(NOW).attempts
    }

    #[test]
    fn it_takes_twenty_endpoints_on_ten_hosts_and_four_of_five_attempts() {
        assert!(holds_attempts(20, 10, 5));
        assert!(!holds_attempts(19, 10, 0), "too few endpoints");
        assert!(!holds_attempts(20, 9, 0), "too few hosts");
        assert!(!holds_attempts(20, 10, 6), "too many answers");
    }

    /// Whether it holds when one endpoint failed at first and so many more after each of these spans.
    fn holds_after(failures: &[(u64, usize)]) -> bool {
        let mut brake = Brake::new(true, LONGEST);
        brake.unanswered(NOW, 0, "first");
        let mut lane = 0;
        for (seconds, count) in failures {
            for _ in 0..*count {
                lane += 1;
                let now = NOW + Span::from_secs(*seconds);
                brake.unanswered(now, lane, &format!("host-{lane}"));
            }
        }
        brake.recovery.is_some()
    }

    #[test]
    fn a_failure_counts_for_half_a_window_at_least_and_for_less_than_a_whole_one() {
        assert!(holds_after(&[(0, 9), (15, 10)]));
        assert!(holds_after(&[(14, 9), (29, 10)]));
        assert!(!holds_after(&[(0, 18), (30, 1)]), "a window later");
        assert!(holds_after(&[(15, 10), (40, 10)]), "the second half began with the 16th second");
        assert!(!holds_after(&[(15, 10), (45, 10)]));
    }

    #[test]
    fn answers_of_the_half_before_count_as_the_failures_do() {
        let mut brake = Brake::new(true, LONGEST);
        (0..6).for_each(|_| brake.answered(NOW));
        for lane in 0..20 {
            brake.unanswered(NOW + Span::from_secs(20), lane, &format!("host-{lane}"));
        }
        assert!(brake.recovery.is_none());
        (20..24).for_each(|lane| brake.unanswered(NOW + Span::from_secs(20), lane, "host-0"));
        assert!(brake.recovery.is_some(), "24 of 30");
    }

    #[test]
    fn ten_more_answers_than_failures_end_it() {
        let mut brake = Brake::new(true, LONGEST);
        unanswered(&mut brake, 20, 20);
        (0..9).for_each(|_| brake.answered(NOW));
        brake.unanswered(NOW, 1, "a");
        brake.answered(NOW);
        assert!(brake.braked(NOW).attempts);
        brake.answered(NOW);
        assert!(!brake.braked(NOW).attempts);
    }

    #[test]
    fn it_ends_where_nothing_is_attempted_for_longer_than_anything_is_parked() {
        let mut brake = Brake::new(true, LONGEST);
        unanswered(&mut brake, 20, 20);
        let later = NOW + LONGEST;
        assert!(brake.holds(later, DeadReason::Expired, "m"));
        brake.unanswered(later, 1, "a");
        assert!(brake.holds(later + LONGEST, DeadReason::Expired, "m"), "the failure was heard");
        let silent = later + LONGEST.plus(WINDOW);
        assert!(!brake.holds(silent, DeadReason::Expired, "m"));
        brake.unanswered(silent, 1, "a");
        assert!(!brake.braked(silent).attempts, "one failure is no outage");
    }

    #[test]
    fn a_burst_of_doubtful_dead_letters_of_many_merchants_is_parked_for_a_while() {
        let mut brake = Brake::new(true, LONGEST);
        let give_up = |brake: &mut Brake, now, merchant: u64, reason| {
            brake.holds(now, reason, &format!("m{merchant}"))
        };
        let held = (0..100)
            .filter(|n| give_up(&mut brake, NOW, n % 20, DeadReason::UnknownMerchant))
            .count();
        assert_eq!(held, 1, "the hundredth");
        assert!(give_up(&mut brake, NOW, 1, DeadReason::AddressDenied));
        assert!(!give_up(&mut brake, NOW, 1, DeadReason::Exhausted), "attempts were made");
        assert!(!give_up(&mut brake, NOW, 1, DeadReason::Undecodable));
        let later = NOW + LETTERS_PAUSE;
        assert!(!give_up(&mut brake, later, 1, DeadReason::UnknownMerchant));
    }

    #[test]
    fn doubtful_dead_letters_of_both_halves_of_a_window_are_one_burst() {
        let mut brake = Brake::new(true, LONGEST);
        let held = (0..100).filter(|n| {
            let now = NOW + Span::from_secs(if *n < 50 { 0 } else { 20 });
            brake.holds(now, DeadReason::UnknownMerchant, &format!("m{}", n % 20))
        });
        assert_eq!(held.count(), 1);
    }

    #[test]
    fn one_merchant_alone_is_no_burst_and_without_the_brake_nothing_is() {
        let mut brake = Brake::new(true, LONGEST);
        assert!(!(0..1_000).any(|_| brake.holds(NOW, DeadReason::UnknownMerchant, "m")));
        let mut off = Brake::new(false, LONGEST);
        unanswered(&mut off, 100, 100);
        assert!(!off.braked(NOW).attempts);
        assert!(!(0..1_000).any(|n| off.holds(NOW, DeadReason::System, &n.to_string())));
    }
}
