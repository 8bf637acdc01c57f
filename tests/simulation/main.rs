//! Worlds drawn from seeds: a virtual clock, a model of broker, group and merchants, and several
//! workers, each with the engine as it is in production. Every promise is checked at every step.

mod broker;
mod checks;
mod coverage;
mod dice;
mod directory;
mod faults;
mod group;
mod ledger;
mod merchants;
mod nemesis;
mod plan;
mod publisher;
mod runs;
mod shell;
mod story;
mod worker;
mod world;

#[test]
fn every_world_keeps_every_promise() {
    runs::run(&runs::Order::from_environment(10_000));
}
