use std::collections::BTreeSet;
use std::hash::Hasher;

use crate::engine::numbered::Spread;

fn hash(number: u64) -> u64 {
    let mut spread = Spread::default();
    spread.write_u64(number);
    spread.finish()
}

#[test]
fn consecutive_numbers_are_spread_over_the_low_and_the_high_bits() {
    // A table takes the place from the low bits and seven of the highest to tell entries apart.
    let low: BTreeSet<u64> = (0..1_024).map(|number| hash(number) % 1_024).collect();
    let high: BTreeSet<u64> = (0..1_024).map(|number| hash(number) >> 57).collect();
    assert!(low.len() > 600 && high.len() == 128, "{} and {}", low.len(), high.len());
}

#[test]
fn every_part_of_a_key_counts() {
    let mut spread = Spread::default();
    spread.write(&[1, 2]);
    let mut other = Spread::default();
    other.write_u64(1);
    other.write_u64(2);
    assert_eq!(spread.finish(), other.finish());
    assert_ne!(spread.finish(), hash(2));
}
