//! Many worlds on every core, and what they have in common.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::Mutex,
    time::Instant,
};

use super::{
    coverage::Coverage,
    plan::{Cut, Plan},
    world::{START, Violation, World},
};

/// What is to be run.
pub struct Order {
    pub from: u64,
    pub seeds: u64,
    pub stop: bool,
    pub only: Vec<u64>,
}

impl Order {
    /// As the environment says.
    pub fn from_environment(seeds: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
        Self {
            from: number("SIMULATE_FROM").unwrap_or(1),
            seeds: number("SIMULATE_SEEDS").unwrap_or(seeds),
            only: std::env::var("ONLY").map(|t| t.split(',').map(|n| n.parse().unwrap()).collect()).unwrap_or_default(),
            stop: std::env::var_os("SIMULATE_STOP").is_some(),
        }
    }
}

/// Sums over worlds.
#[derive(Default)]
pub struct Sums {
    pub coverage: Coverage,
    pub violations: Vec<(u64, Violation)>,
    pub steps: u64,
    pub millis: u64,
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

/// Runs the worlds of an order.
pub fn run(order: &Order) {
    let next = AtomicU64::new(order.from);
    let end = order.from + order.seeds;
    let stop = AtomicBool::new(false);
    let sums = Mutex::new(Sums::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !order.only.is_empty() && seed < end && !order.only.contains(&seed) { continue; }
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let world = run_one(seed, &Cut::default(), false);
                    let mut sums = sums.lock().unwrap();
                    sums.coverage.add(&world.coverage);
                    sums.steps += world.steps;
                    sums.millis += world.now.since(START).as_millis();
                    if let Some(violation) = world.violation {
                        sums.violations.push((seed, violation));
                        stop.store(order.stop, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut sums = sums.into_inner().unwrap();
    sums.violations.sort_by_key(|(seed, _)| *seed);
    println!(
        "{} seeds, {} steps, {} hours, {:?}",
        order.seeds,
        sums.steps,
        sums.millis / 3_600_000,
        began.elapsed()
    );
    for (seed, violation) in sums.violations.iter().take(40) {
        println!("{} seed={seed}: {}", violation.invariant, violation.detail);
    }
    println!("missing: {:?}", sums.coverage.missing());
    println!("missing pairs: {}", sums.coverage.missing_pairs().len());
    if let (Ok(_), Some((seed, _))) = (std::env::var("STORY"), sums.violations.first()) {
        let world = run_one(*seed, &Cut::default(), true);
        for line in &world.story.lines {
            println!("{line}");
        }
        println!("{:#?}", world.plan);
    }
    assert!(sums.violations.is_empty(), "{} violations", sums.violations.len());
}
