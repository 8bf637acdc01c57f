//! What deliveries cost the brokers, where no machine of ours reaches: `docs/scale.md` reckons with it.

use std::sync::Arc;

use paynotify::{
    engine::{BreakerSettings, HoldBounds, Settings},
    model::{Class, Dialect, Ladder, Policy, Span},
};

use super::{
    directory::{NOTIFY_URL, Version, ordinary},
    merchants::Manner,
    plan::{CLUSTER, Cut, Plan},
    world::{START, What, World},
};

const COMMIT_INTERVAL: Span = Span::from_millis(200);
const HOUR: Span = Span::from_secs(3_600);
/// Until then the group forms.
const SETTLED: Span = Span::from_secs(30);

fn settings() -> Settings {
    let grades = [5, 15, 30, 120, 600, 1_800];
    Settings {
        cluster: CLUSTER.to_owned(),
        max_in_flight: 2_048,
        max_suspects: 1_024,
        classes: vec![Class::standard()],
        breaker: BreakerSettings::default(),
        flood_brake: true,
        lane_records: 64,
        hold: HoldBounds { records: 1_000, bytes: 256 << 20, with_directory: usize::MAX },
        unknown_merchant_grace: Span::from_secs(60),
        longest_parking: Span::from_secs(1_800),
        ladder: Ladder::new(grades.map(Span::from_secs).to_vec()).unwrap(),
        commit_interval: COMMIT_INTERVAL,
        commit_every: 500,
        commit_refresh: Span::from_secs(12 * 3_600),
    }
}

/// What is lived through.
struct Life {
    workers: usize,
    /// Partitions of each topic.
    indexes: i32,
    merchants: usize,
    events: usize,
    /// How long they are published, evenly.
    published: Span,
    /// How long it is until everybody is well.
    lasts: Span,
    policy: Policy,
    /// How everybody answers until the end.
    manner: Manner,
}

/// What it cost.
#[derive(Debug)]
struct Cost {
    /// Events that were attempted: some name an address that their merchant does not allow.
    events: u64,
    attempts: u64,
    /// Records written to the ladder.
    hops: u64,
    commits: u64,
}

impl Life {
    /// A world without a fault of ours, and with merchants alike.
    fn live(self) -> Cost {
        let Self { workers, indexes, merchants, events, published, lasts, policy, manner } = self;
        let mut world = World::new(Plan {
            seed: 1,
            cut: Cut::default(),
            settings: settings(),
            indexes,
            workers,
            merchants,
            events: 0,
            horizon: SETTLED.plus(lasts),
            batch: 64,
            eager: false,
            wire: false,
            session: Span::from_secs(10),
            latency: 2,
            control_records: false,
            bad_endpoints: 0,
            faults: Vec::new(),
            fault_count: 0,
        });
        for merchant in 0..merchants {
            let mut entry = ordinary(merchant);
            Arc::make_mut(&mut entry.endpoints[0]).policy = policy.clone();
            let entry = Some(Arc::new(entry));
            world.directory.merchants[merchant] = vec![Version { from: START, entry }];
            world.merchants.manners.insert((merchant, 0), manner);
            world.merchants.manners.insert((merchant, NOTIFY_URL), manner);
        }
        let count = u64::try_from(events).unwrap();
        for number in 0..count {
            let after = Span::from_millis(published.as_millis() * number / count);
            world.schedule(START + SETTLED + after, What::Publish);
        }
        world.run();
        assert_eq!(world.violation, None);
        let count = |what| world.coverage.counts.get(&what).copied().unwrap_or(0);
        let begun = world.ledger.events.iter().filter(|truth| !truth.first.is_empty()).count();
        Cost {
            events: u64::try_from(begun).unwrap(),
            attempts: world.attempts,
            hops: world.routes - count(("route", "dead letter")),
            commits: count(("commit", "accepted")),
        }
    }
}

fn policy(intervals: Vec<Span>) -> Policy {
    Policy { intervals, dialect: Dialect::None, ..Policy::default() }
}

fn usual(manner: Manner) -> Life {
    Life {
        workers: 2,
        indexes: 12,
        merchants: 120,
        events: 10_000,
        published: Span::from_secs(60),
        lasts: Span::from_secs(60),
        policy: policy([5, 15, 30].map(Span::from_secs).to_vec()),
        manner,
    }
}

#[test]
fn at_once_costs_no_write_and_at_most_five_commits_a_second_for_each_partition() {
    let (indexes, published) = (200, Span::from_secs(20));
    let usual = usual(Manner::Good);
    let life = Life { workers: 40, indexes, merchants: 2_000, events: 40_000, published, ..usual };
    let cost = life.live();
    assert_eq!((cost.attempts, cost.hops), (cost.events, 0));
    let intervals = published.as_millis() / COMMIT_INTERVAL.as_millis();
    let most = intervals * u64::try_from(indexes).unwrap();
    assert!((most / 2..=most).contains(&cost.commits), "{cost:?}, of {most} commits");
}

#[test]
fn where_little_moves_an_event_costs_one_commit_and_a_partition_one_at_its_beginning() {
    let usual = usual(Manner::Good);
    let topics = 1 + u64::try_from(settings().ladder.grades().len()).unwrap();
    let partitions = u64::try_from(usual.indexes).unwrap() * topics;
    let cost = Life { events: 100, published: HOUR, ..usual }.live();
    assert!(cost.commits <= 100 + partitions, "{cost:?}");
}

#[test]
fn an_attempt_that_fails_costs_one_hop_where_its_interval_is_a_grade() {
    let cost = usual(Manner::Flaky(97)).live();
    assert!(cost.attempts > cost.events + 200, "{cost:?}");
    assert_eq!(cost.hops, cost.attempts - cost.events);
}

#[test]
fn an_event_of_a_merchant_that_hangs_for_a_day_costs_two_hops_an_hour_and_some_for_the_way_there() {
    let hours = 24;
    let lasts = Span::from_millis(hours * HOUR.as_millis());
    let (published, policy) = (Span::from_secs(1), policy(vec![HOUR; 48]));
    let usual = usual(Manner::Hang);
    let cost = Life { events: 400, merchants: 1, published, lasts, policy, ..usual }.live();
    let hours_waited = cost.events * hours;
    assert!((2 * hours_waited..hours_waited * 5 / 2).contains(&cost.hops), "{cost:?}");
}
