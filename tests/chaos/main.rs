//! Workers on three real brokers while everything goes wrong: which faults, from a seed; what
//! became of every event, from what publisher, merchants and broker wrote down.
//!
//! `CHAOS_SEED` (1), `CHAOS_ROUNDS` (9), `CHAOS_EVENTS` in each (1500), `CHAOS_WORKERS` (3),
//! `CHAOS_FROM` (the first round; after those of the summary, where one is kept),
//! `CHAOS_STORM` (seconds of the storm, 10), `CHAOS_STORM_WORKERS` (6), and `CHAOS_SUMMARY`, a
//! file that keeps the sums over runs.

#[path = "../support/pki.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod pki;
#[path = "../support/mod.rs"]
mod support;

mod cast;
mod checks;
mod commits;
mod crew;
#[path = "../simulation/dice.rs"]
#[allow(dead_code, reason = "the simulator needs more of it")]
mod dice;
mod doors;
mod evidence;
mod faults;
mod fish;
mod load;
mod nemesis;
mod offsets;
mod outbox;
mod repeats;
mod run;
mod storm;
mod summary;
mod tail;
mod truth;

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use run::Run;
use storm::Storm;
use summary::Summary;
use tokio::sync::Mutex;

/// Three brokers and their workers are enough for two cores.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok().filter(|text| !text.is_empty());
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn summary() -> Summary {
    let path = std::env::var("CHAOS_SUMMARY").ok().filter(|path| !path.is_empty());
    Summary::open(path.map(PathBuf::from))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_nothing_is_lost_and_little_is_repeated() {
    let _turn = TURN.lock().await;
    let seed = number("CHAOS_SEED", 1);
    let mut summary = summary();
    let from = number("CHAOS_FROM", summary.next_round());
    let events = usize::try_from(number("CHAOS_EVENTS", 1_500)).unwrap();
    let workers = usize::try_from(number("CHAOS_WORKERS", 3)).unwrap();
    let rounds = from..from + number("CHAOS_ROUNDS", 9);
    if rounds.is_empty() {
        return;
    }
    let mut run = Run::start(seed, workers, 6).await;
    let mut wrong = Vec::new();
    for number in rounds {
        let round = run.round(number, events).await;
        println!(
            "round {number}: {} events, {}; repeated {} of {}, at rest after {} ms",
            round.events,
            round.faults.join(", "),
            round.repeated.extra,
            round.repeated.allowed,
            round.healed.as_millis(),
        );
        summary.add(number, &round);
        wrong.extend(round.wrong.into_iter().map(|one| format!("round {number}: {one}")));
        if !wrong.is_empty() {
            break;
        }
    }
    summary.print();
    wrong.extend(run.stop());
    assert!(wrong.is_empty(), "seed {seed}: {:#?}", &wrong[..wrong.len().min(30)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_come_and_go_repeat_next_to_nothing() {
    let _turn = TURN.lock().await;
    let seed = number("CHAOS_SEED", 1);
    let mut summary = summary();
    let span = Duration::from_secs(number("CHAOS_STORM", 10));
    if span.is_zero() {
        return;
    }
    let storm = Storm {
        workers: usize::try_from(number("CHAOS_STORM_WORKERS", 6)).unwrap(),
        span,
        events: usize::try_from(number("CHAOS_STORM_RATE", 200) * span.as_secs()).unwrap(),
    };
    let mut run = Run::start(seed, 2, 12).await;
    let storm = storm.play(&mut run, summary.next_round()).await;
    let round = &storm.round;
    println!(
        "storm: {} joined, {} left, {} events, {} attempts again, {} acknowledged again",
        storm.joined, storm.left, round.events, round.again, round.repeated.extra
    );
    summary.add_storm(&storm);
    let mut wrong = storm.round.wrong;
    wrong.extend(run.stop());
    assert!(wrong.is_empty(), "seed {seed}: {:#?}", &wrong[..wrong.len().min(30)]);
}

#[test]
fn the_same_seed_plans_the_same_faults() {
    for round in 0..200 {
        assert_eq!(faults::draw(7, round), faults::draw(7, round));
    }
    assert_ne!(faults::draw(7, 1), faults::draw(8, 1));
}

#[test]
fn forty_rounds_have_every_kind_of_fault() {
    let kinds = |rounds| {
        let all = (0..rounds).flat_map(|round| faults::draw(3, round));
        all.map(|fault| fault.kind).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(kinds(40), kinds(1_000));
    assert!(kinds(40).len() >= 14);
}
