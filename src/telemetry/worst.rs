//! The merchants that fail most, counted in bounded memory.
//!
//! A space-saving sketch decides who is among the worst; each of them has a series of its own as
//! long as it is, and everybody else counts as `other`. Counters therefore only grow, until their
//! series ends. No clock: the past fades by halving all counts after every `FADE` failures.

use std::collections::{HashMap, HashSet};

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
    shown: HashSet<MerchantId>,
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
            self.watched.values_mut().for_each(|count| *count /= 2);
        }
        let count = self.count(merchant);
        if self.shown.contains(merchant) {
            return Counted { own: true, ended: None };
        }
        if self.shown.len() < SHOWN {
            self.shown.insert(merchant.clone());
            return Counted { own: true, ended: None };
        }
        let counts = self.shown.iter().map(|id| (self.watched.get(id).copied().unwrap_or(0), id));
        let least = counts.min().filter(|(least, _)| count > *least).map(|(_, id)| id.clone());
        if let Some(least) = &least {
            self.shown.remove(least);
            self.shown.insert(merchant.clone());
        }
        Counted { own: least.is_some(), ended: least }
    }

    /// One more for this merchant; a newcomer inherits the least count, as the sketch demands.
    fn count(&mut self, merchant: &MerchantId) -> u64 {
        if let Some(count) = self.watched.get_mut(merchant) {
            *count += 1;
            return *count;
        }
        let mut inherited = 0;
        if self.watched.len() >= WATCHED {
            // Those shown stay watched, or their series would flap.
            let hidden = self.watched.iter().filter(|(id, _)| !self.shown.contains(*id));
            let least = hidden.min_by_key(|(id, count)| (**count, *id));
            if let Some((id, count)) = least.map(|(id, count)| (id.clone(), *count)) {
                self.watched.remove(&id);
                inherited = count;
            }
        }
        self.watched.insert(merchant.clone(), inherited + 1);
        inherited + 1
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
}
