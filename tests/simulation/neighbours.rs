//! L7, what merchants feel of others in trouble: worlds without a fault of ours, each lived with the
//! trouble and without.

use std::sync::Arc;

use paynotify::{
    engine::{BreakerSettings, HoldBounds, Settings},
    model::{Class, Ladder, Span, Timestamp},
};

use super::{
    dice::Dice,
    directory::{NOTIFY_URL, Version, ordinary},
    merchants::Manner,
    plan::{CLUSTER, Cut, Plan},
    world::{START, What, World},
};

const MERCHANTS: usize = 40;
/// Until then the group may still form.
const SETTLED: Timestamp = Timestamp::from_millis(START.as_millis() + 30_000);

/// What befalls some merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// Every tenth merchant hangs until the timeout.
    SomeHang,
    /// One hangs and has a long queue.
    QueueHangs,
    /// All merchants of a partition fail.
    PartitionFails,
}

impl Trouble {
    fn befalls(self, merchant: usize, indexes: i32) -> bool {
        match self {
            Self::None => false,
            Self::SomeHang => merchant.is_multiple_of(10),
            Self::QueueHangs => merchant == 0,
            Self::PartitionFails => merchant.is_multiple_of(usize::try_from(indexes).unwrap()),
        }
    }
}

/// Slots that suspects may take.
#[derive(Debug, Clone, Copy)]
enum Pool {
    Half,
    All,
}

/// Bounds in the proportions of the usual configuration.
fn settings(dice: &mut Dice, pool: Pool) -> Settings {
    let max_in_flight = dice.pick(&[16, 64]);
    Settings {
        cluster: CLUSTER.to_owned(),
        max_in_flight,
        max_suspects: match pool {
            Pool::Half => max_in_flight / 2,
            Pool::All => max_in_flight,
        },
        classes: vec![Class::standard()],
        breaker: BreakerSettings::default(),
        flood_brake: true,
        lane_records: dice.pick(&[16, 64]),
        hold: HoldBounds {
            records: dice.pick(&[256, 1_024]),
            bytes: 16 << 20,
            with_directory: usize::MAX,
        },
        unknown_merchant_grace: Span::from_secs(60),
        longest_parking: Span::from_secs(120),
        ladder: Ladder::new([5, 15, 30, 120].map(Span::from_secs).to_vec()).unwrap(),
        commit_interval: Span::from_millis(200),
        commit_every: 500,
        commit_refresh: Span::from_secs(3_600),
    }
}

fn plan(seed: u64, pool: Pool) -> Plan {
    let mut dice = Dice::new(seed, "neighbours");
    Plan {
        seed,
        cut: Cut::default(),
        settings: settings(&mut dice, pool),
        indexes: dice.pick(&[2, 4]),
        workers: dice.count(1, 3),
        merchants: MERCHANTS,
        events: 1_500,
        horizon: Span::from_secs(150),
        batch: 256,
        eager: false,
        wire: false,
        session: Span::from_secs(10),
        latency: 40,
        control_records: false,
        bad_endpoints: 0,
        faults: Vec::new(),
        fault_count: 0,
    }
}

/// How long events of merchants without trouble waited for their first attempt, in milliseconds;
/// those of the merchants that `trouble` would befall are left out.
fn waits(seed: u64, pool: Pool, lived: Trouble, trouble: Trouble) -> Vec<u64> {
    let plan = plan(seed, pool);
    let indexes = plan.indexes;
    let mut world = World::new(plan);
    for merchant in 0..MERCHANTS {
        let entry = Some(Arc::new(ordinary(merchant)));
        world.directory.merchants[merchant] = vec![Version { from: START, entry }];
        if lived.befalls(merchant, indexes) {
            let manner = match lived {
                Trouble::PartitionFails => Manner::Status(500),
                _ => Manner::Hang,
            };
            world.merchants.manners.insert((merchant, 0), manner);
            world.merchants.manners.insert((merchant, NOTIFY_URL), manner);
        }
    }
    if lived == Trouble::QueueHangs {
        world.schedule(SETTLED, What::Backlog { merchant: 0, events: 1_000 });
    }
    world.run();
    assert_eq!(world.violation, None, "seed {seed}, {lived:?}");
    let events = world.ledger.events.iter();
    let counted = events
        .filter(|truth| !trouble.befalls(truth.merchant, indexes) && truth.accepted >= SETTLED);
    let begun = counted.flat_map(|truth| {
        truth.first.values().map(|first| first.since(truth.accepted).as_millis())
    });
    begun.collect()
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// What they waited without the trouble and with it: median and 99th percentile.
fn compare(trouble: Trouble, pool: Pool) -> [(u64, u64); 2] {
    let pooled = |lived| {
        let mut all: Vec<_> = (1..=8).flat_map(|seed| waits(seed, pool, lived, trouble)).collect();
        all.sort_unstable();
        all
    };
    let (without, with) = (pooled(Trouble::None), pooled(trouble));
    [50, 99].map(|percent| (percentile(&without, percent), percentile(&with, percent)))
}

fn is_felt(compared: [(u64, u64); 2]) -> bool {
    compared.iter().any(|(without, with)| with * 10 > without * 12)
}

#[track_caller]
fn assert_not_felt(trouble: Trouble) {
    let compared = compare(trouble, Pool::Half);
    println!("{trouble:?}: p50 and p99 in ms, without it and with it: {compared:?}");
    assert!(!is_felt(compared), "{trouble:?} is felt: {compared:?}");
}

#[test]
fn merchants_that_hang_are_not_felt_by_others() {
    assert_not_felt(Trouble::SomeHang);
}

#[test]
fn a_long_queue_that_hangs_is_not_felt_by_others() {
    assert_not_felt(Trouble::QueueHangs);
}

#[test]
fn a_partition_of_merchants_that_fail_is_not_felt_by_others() {
    assert_not_felt(Trouble::PartitionFails);
}

#[test]
fn without_a_pool_for_suspects_a_long_queue_that_hangs_would_be_felt() {
    assert!(is_felt(compare(Trouble::QueueHangs, Pool::All)));
}
