use proptest::prelude::*;

use super::scenario::{START, grade, policy, seconds, settings};
use crate::engine::schedule::{Next, Wait, hops, mixed, next, parking_grade, salt, spread, wait};
use crate::model::{Jitter, Span};

fn none(_: Span) -> Span {
    Span::ZERO
}

#[test]
fn the_number_of_attempts_is_the_number_of_intervals_and_one() {
    let policy = policy(&[5, 15]);
    assert_eq!(next(&policy, 1, START, START, None, none), Next::At(START + seconds(5)));
    assert_eq!(next(&policy, 2, START, START, None, none), Next::At(START + seconds(15)));
    assert_eq!(next(&policy, 3, START, START, None, none), Next::Exhausted);
}

#[test]
fn an_interval_counts_from_the_end_of_the_attempt_before() {
    let ended = START + seconds(7);
    assert_eq!(next(&policy(&[5]), 1, START, ended, None, none), Next::At(ended + seconds(5)));
}

#[test]
fn retry_after_only_delays_and_at_most_a_day() {
    let policy = policy(&[60]);
    let sooner = next(&policy, 1, START, START, Some(seconds(1)), none);
    assert_eq!(sooner, Next::At(START + seconds(60)));
    let later = next(&policy, 1, START, START, Some(seconds(90)), none);
    assert_eq!(later, Next::At(START + seconds(90)));
    let ten_years = next(&policy, 1, START, START, Some(seconds(315_360_000)), none);
    assert_eq!(ten_years, Next::At(START + seconds(86_400)));
}

#[test]
fn a_next_attempt_beyond_the_age_limit_is_expired_at_once() {
    let mut policy = policy(&[60, 60]);
    policy.max_age = seconds(120);
    let ended = START + seconds(60);
    assert_eq!(next(&policy, 2, START, ended, None, none), Next::At(START + seconds(120)));
    let ended = ended + Span::from_millis(1);
    assert_eq!(next(&policy, 2, START, ended, None, none), Next::Expired);
}

#[test]
fn an_interval_that_is_a_grade_costs_one_hop_although_routing_took_a_moment() {
    let ladder = settings().ladder;
    let due = START + seconds(15);
    assert_eq!(wait(&ladder, START + Span::from_millis(3), due), Wait::Hop(grade(15)));
    assert_eq!(wait(&ladder, START + seconds(1), START + seconds(120)), Wait::Hop(grade(120)));
}

#[test]
fn a_rest_below_the_smallest_grade_is_held_in_memory() {
    let ladder = settings().ladder;
    assert_eq!(wait(&ladder, START, START + Span::from_millis(4_700)), Wait::Rest);
    assert_eq!(wait(&ladder, START, START + seconds(1)), Wait::Rest);
    assert_eq!(wait(&ladder, START, START), Wait::Over);
}

#[test]
fn parking_climbs_a_grade_each_time_up_to_the_longest() {
    let ladder = settings().ladder;
    let steps: Vec<_> = (0..5).map(|step| parking_grade(&ladder, step, seconds(120))).collect();
    assert_eq!(steps, [grade(5), grade(15), grade(30), grade(120), grade(120)]);
}

#[test]
fn jitter_comes_on_top_of_the_interval_and_below_what_the_merchant_asks_for() {
    let policy = policy(&[60]);
    let two = |_| seconds(2);
    assert_eq!(next(&policy, 1, START, START, None, two), Next::At(START + seconds(62)));
    let asked = next(&policy, 1, START, START, Some(seconds(61)), two);
    assert_eq!(asked, Next::At(START + seconds(62)));
    let asked = next(&policy, 1, START, START, Some(seconds(90)), two);
    assert_eq!(asked, Next::At(START + seconds(90)));
}

#[test]
fn jitter_is_uniform_over_deliveries_and_the_same_for_the_same_attempt() {
    let smallest = settings().ladder.smallest();
    let jitter = Jitter::parse(0.5).unwrap();
    let at = |n: u32, made| {
        spread(jitter, seconds(4), smallest, salt(&format!("evt_{n}"), "main", made)).as_millis()
    };
    let all: Vec<_> = (0..4_000).map(|n| at(n, 1)).collect();
    assert!(all.iter().all(|spread| *spread <= 2_000), "half of the interval at most");
    let mean = all.iter().sum::<u64>() / 4_000;
    assert!((950..=1_050).contains(&mean), "{mean}");
    for quarter in 0..4 {
        let within = |spread: &&u64| (quarter * 500..quarter * 500 + 500).contains(*spread);
        let count = all.iter().filter(within).count();
        assert!((900..=1_100).contains(&count), "{count} in quarter {quarter}");
    }
    assert_eq!(at(7, 1), at(7, 1));
    assert_ne!(at(7, 1), at(7, 2));
    let capped = spread(jitter, seconds(86_400), smallest, 12_345);
    assert!(capped <= smallest.delay());
    assert_eq!(spread(Jitter::NONE, seconds(60), smallest, 12_345), Span::ZERO);
}

/// The first numbers of `SplitMix64` from the seed 0, as its author's program prints them.
#[test]
fn salts_are_mixed_as_splitmix64_does() {
    let step = 0x9e37_79b9_7f4a_7c15_u64;
    assert_eq!(mixed(step), 0xe220_a839_7b1d_cdaf);
    assert_eq!(mixed(step.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    assert_eq!(mixed(step.wrapping_mul(3)), 0x06c4_5d18_8009_454f);
}

#[test]
fn hops_are_counted_up_to_a_bound() {
    let ladder = settings().ladder;
    assert_eq!(hops(&ladder, seconds(15), 17), 1);
    assert_eq!(hops(&ladder, seconds(180), 17), 3, "2m, 30s, 30s");
    assert_eq!(hops(&ladder, seconds(3), 17), 0, "held in memory");
    assert_eq!(hops(&ladder, seconds(7 * 86_400), 17), 17);
}

proptest! {
    #[test]
    fn hops_end_at_the_due_time_never_early_and_late_by_a_trifle(
        millis in 1_u64..86_400_000,
        routing in 0_u64..90,
    ) {
        let ladder = settings().ladder;
        let due = START + Span::from_millis(millis);
        let mut now = START;
        let mut hops = 0;
        loop {
            match wait(&ladder, now, due) {
                Wait::Over => break,
                Wait::Rest => now = due,
                Wait::Hop(grade) => now = now + Span::from_millis(routing) + grade.delay(),
            }
            hops += 1;
            prop_assert!(hops < 70);
        }
        prop_assert!(now >= due);
        let trifle = 500_u64.max(millis / 100) + routing;
        prop_assert!(now.since(due).as_millis() <= trifle, "late by {}", now.since(due));
    }
}
