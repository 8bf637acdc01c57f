//! Worlds drawn from seeds: a virtual clock, a model of broker, group and merchants, and several
//! workers, each with the engine as it is in production. Every promise is checked at every step.
//! `make simulate` runs more of them, or one with its story.

mod broker;
mod checks;
mod costs;
mod coverage;
mod dice;
mod directory;
mod faults;
mod group;
mod ledger;
mod membership;
mod merchants;
mod neighbours;
mod nemesis;
mod order;
mod plan;
mod publisher;
mod reader;
mod runs;
mod shell;
mod shrink;
mod story;
mod summary;
mod worker;
mod world;

#[test]
fn every_world_keeps_every_promise() {
    runs::run(&order::Order::from_environment(10_000));
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 1..=30 {
        let [one, other] =
            [(); 2].map(|()| runs::run_one(seed, &plan::Cut::default(), true).story.lines);
        assert!(one.len() > 10 && one == other, "seed {seed}");
    }
}
