//! The merchants that fail most, counted in bounded memory.
//!
//! A space-saving sketch decides who is among the worst; each of them has a series of its own as
//! long as it is, and everybody else counts as `other`. Counters therefore only grow, until their
//! series ends. No clock: the past fades by halving all counts after every `FADE` failures.

use std::collections::{BTreeSet, HashMap};

use crate::model::MerchantId;

/// Merchants with a series of their own.
pub const SHOWN: usize = 20;

/// Merchants that are watched; a share of more than 1/256 of the failures is never overlooked.
const WATCHED: usize = 256;

/// After so many failures all counts are halved.
const FADE: u64 = 65_536;

/// Who fails most.
#[derive(Debug, Default)]
pub struct Worst {
    watched: HashMap<MerchantId, u64>,
    /// The same by their counts: those with a series of their own, and those without.
    shown: BTreeSet<(u64, MerchantId)>,
    hidden: BTreeSet<(u64, MerchantId)>,
    seen: u64,
}

/// Where to count one failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Whether the merchant has its own series; otherwise count it as `other`.
    pub own: bool,
    /// The series of this merchant ends.
    pub ended: Option<MerchantId>,
}

impl Worst {
    /// Takes note of one failure.
    pub fn observe(&mut self, merchant: &MerchantId) -> Counted {
        self.seen += 1;
        if self.seen.is_multiple_of(FADE) {
            self.fade();
        }
        let before = self.watched.get(merchant).map(|count| (*count, merchant.clone()));
        let own = before.as_ref().is_some_and(|before| self.shown.remove(before));
        let count = 1 + match before {
            Some(before) => {
                self.hidden.remove(&before);
                before.0
            }
            None => self.inherited(),
        };
        self.watched.insert(merchant.clone(), count);
        let failing = (count, merchant.clone());
        if own || self.shown.len() < SHOWN {
            self.shown.insert(failing);
            return Counted { own: true, ended: None };
        }
        match self.shown.pop_first() {
            Some(least) if least.0 < count => {
                self.shown.insert(failing);
                self.hidden.insert(least.clone());
                Counted { own: true, ended: Some(least.1) }
            }
            least => {
                self.shown.extend(least);
                self.hidden.insert(failing);
                Counted { own: false, ended: None }
            }
        }
    }

    /// What a newcomer begins with: where as many are watched as may be, it takes the place of the
    /// one that fails least, and inherits its count, as the sketch demands. Those shown stay watched, or
    /// their series would flap.
    fn inherited(&mut self) -> u64 {
        if self.watched.len() < WATCHED {
            return 0;
        }
        self.hidden.pop_first().map_or(0, |(count, least)| {
            self.watched.remove(&least);
            count
        })
    }

    fn fade(&mut self) {
        self.watched.values_mut().for_each(|count| *count /= 2);
        for counts in [&mut self.shown, &mut self.hidden] {
            *counts =
                std::mem::take(counts).into_iter().map(|(count, id)| (count / 2, id)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MerchantId {
        MerchantId::parse(&format!("m_{number}")).unwrap()
    }

    #[test]
    fn the_first_twenty_have_their_own_series() {
        let mut worst = Worst::default();
        for number in 0..SHOWN {
            assert_eq!(worst.observe(&id(number)), Counted { own: true, ended: None });
        }
        assert_eq!(worst.observe(&id(SHOWN)), Counted { own: false, ended: None });
    }

    #[test]
    fn who_fails_more_takes_the_place_of_who_fails_less() {
        let mut worst = Worst::default();
        for number in 0..SHOWN {
            worst.observe(&id(number));
            worst.observe(&id(number));
        }
        worst.observe(&id(0));
        assert!(!worst.observe(&id(99)).own);
        assert!(!worst.observe(&id(99)).own);
        let third = worst.observe(&id(99));
        assert!(third.own);
        assert!(third.ended.is_some_and(|ended| ended != id(0)));
    }

    #[test]
    fn memory_is_bounded_and_a_heavy_failer_is_found_among_a_crowd() {
        let mut worst = Worst::default();
        let mut own = 0;
        for number in 0..20_000 {
            worst.observe(&id(number));
            own += u32::from(number % 10 == 0 && worst.observe(&id(7_000_000)).own);
        }
        assert!(worst.watched.len() <= WATCHED);
        assert_eq!(worst.shown.len(), SHOWN);
        assert!(own > 1_900, "{own}");
    }

    #[test]
    fn the_past_fades() {
        let mut worst = Worst::default();
        for _ in 0..FADE {
            worst.observe(&id(1));
        }
        assert_eq!(worst.watched[&id(1)], FADE.div_ceil(2));
    }

    #[test]
    fn everybody_who_is_watched_is_in_order_of_the_count_shown_or_not() {
        let mut worst = Worst::default();
        let mut random = 1_usize;
        for _ in 0..2 * usize::try_from(FADE).unwrap() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few fail often, many seldom.
            worst.observe(&id((random >> 40) % 1_000 * ((random >> 33) % 3)));
        }
        let ordered = worst.shown.iter().chain(&worst.hidden).cloned();
        let ordered: HashMap<_, _> = ordered.map(|(count, id)| (id, count)).collect();
        assert_eq!(ordered, worst.watched);
        assert_eq!((worst.shown.len(), worst.watched.len()), (SHOWN, WATCHED));
    }
}
