//! Many worlds on every core, and what they have in common.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    coverage::Coverage,
    order::{Order, again},
    plan::{Cut, Plan},
    shrink::shrink,
    summary,
    world::{START, Violation, World},
};

/// From so many seeds on, everything that can happen has to.
const ALL_IS_SEEN: u64 = 10_000;

/// A world that breaks a promise is shortened for so long.
const SHORTENING: Duration = Duration::from_secs(60);

/// Sums over worlds.
#[derive(Default)]
pub struct Sums {
    pub seeds: u64,
    pub coverage: Coverage,
    /// By seed, the first of each world.
    pub violations: Vec<(u64, Violation)>,
    pub steps: u64,
    /// Virtual time.
    pub millis: u64,
    pub events: u64,
    pub attempts: u64,
    pub routes: u64,
    pub repeated: u64,
    /// Repeats that the faults excused.
    pub allowed: u64,
    pub took: Duration,
}

/// Runs one world to its end.
pub fn run_one(seed: u64, cut: &Cut, story: bool) -> World {
    let mut world = World::new(Plan::draw(seed, cut));
    world.story.wanted = story;
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    if result.is_err() {
        world.fail("panic", "see above".to_owned());
    }
    world
}

/// Runs the worlds of an order; one alone tells its story.
///
/// # Panics
/// Where a promise was broken, or something that should happen never did.
pub fn run(order: &Order) {
    if let Some(seed) = order.only {
        return tell_story(seed, &order.cut);
    }
    let sums = run_all(order);
    summary::print(&sums);
    if let Some(path) = &order.summary {
        summary::write(path, order, &sums);
    }
    if let Some((seed, violation)) = sums.violations.first() {
        let cut = shortened(*seed, violation);
        println!("\nshortest: {}", again(*seed, &cut));
    }
    assert!(sums.violations.is_empty(), "{} worlds broke a promise", sums.violations.len());
    let missing = [sums.coverage.missing(), sums.coverage.missing_pairs()].concat();
    let complete = order.seeds < ALL_IS_SEEN || missing.is_empty();
    assert!(complete, "never seen in {} worlds: {}", order.seeds, missing.join(", "));
}

fn run_all(order: &Order) -> Sums {
    let next = AtomicU64::new(order.from);
    let end = order.from + order.seeds;
    let sums = Mutex::new(Sums::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sums.lock().unwrap().violations.len() >= order.enough {
                        return;
                    }
                    let world = run_one(seed, &order.cut, false);
                    sums.lock().unwrap().add(seed, world);
                }
            });
        }
    });
    let mut sums = sums.into_inner().unwrap();
    sums.violations.sort_by_key(|(seed, _)| *seed);
    sums.took = began.elapsed();
    sums
}

impl Sums {
    fn add(&mut self, seed: u64, world: World) {
        self.seeds += 1;
        self.coverage.add(&world.coverage);
        self.steps += world.steps;
        self.millis += world.now.since(START).as_millis();
        self.events += world.ledger.events.len() as u64;
        self.attempts += world.attempts;
        self.routes += world.routes;
        self.repeated += world.ledger.extra;
        self.allowed += world.ledger.allowed(&world.directory);
        self.violations.extend(world.violation.map(|violation| (seed, violation)));
    }
}

fn tell_story(seed: u64, cut: &Cut) {
    let world = run_one(seed, cut, true);
    println!("{:#?}", world.plan);
    for line in &world.story.lines {
        println!("{line}");
    }
    let broken = world.violation.map(|broken| format!("{}: {}", broken.invariant, broken.detail));
    assert_eq!(broken, None, "{}", again(seed, cut));
}

fn shortened(seed: u64, violation: &Violation) -> Cut {
    let began = Instant::now();
    let plan = Plan::draw(seed, &Cut::default());
    shrink(&plan.faults, plan.fault_count, plan.events, |cut| {
        if began.elapsed() > SHORTENING {
            return false;
        }
        let broken = run_one(seed, cut, false).violation;
        broken.is_some_and(|broken| broken.invariant == violation.invariant)
    })
}
