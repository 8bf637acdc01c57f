//! What healthy merchants feel of others that hang, fail or flood: the time from publish to
//! acknowledgement, on a real Kafka, in pairs of runs seconds apart, with and without the trouble.
//!
//! Writes `target/bench/isolation.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod support;

mod limited;
mod run;
mod scenario;
mod traffic;

use std::{collections::BTreeMap, fs};

use clap::Parser;
use serde_json::{Value, json};

use self::{
    run::{Bench, Outcome},
    scenario::Scenario,
    support::{role::Role, stage},
};

/// How often every kind of trouble is made before anything counts. Each leads Kafka's JVM through code
/// that it has compiled for other loads; compiling it again takes one of few processors for a while.
const WARM_UPS: usize = 2;

/// Measures what merchants feel of each other.
#[derive(Debug, Parser)]
struct Arguments {
    /// Pairs of runs of every scenario
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Only these scenarios
    #[arg(long)]
    only: Vec<Scenario>,
    /// Events a second; without it, half of what the machine can
    #[arg(long)]
    rate: Option<f64>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(role) => role.play(),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = stage::directory()?;
    let mut bench = Bench::prepare(&directory)?;
    let rate = match arguments.rate {
        Some(rate) => rate,
        None => bench.half_load()?,
    };
    let all = if arguments.only.is_empty() { &Scenario::ALL[..] } else { &arguments.only[..] };
    for _ in 0..WARM_UPS {
        for scenario in all {
            println!("warming, {}: {}", scenario.name(), bench.run(*scenario, rate, true)?);
        }
    }
    let mut pairs: BTreeMap<Scenario, Vec<(Outcome, Outcome)>> = BTreeMap::new();
    // One pair of each after the other, so that a slow hour of the machine meets all alike.
    for pair in 1..=arguments.pairs {
        for scenario in all {
            let quiet = bench.run(*scenario, rate, false)?;
            let troubled = bench.run(*scenario, rate, true)?;
            println!("pair {pair}, {}: {quiet} | {troubled}", scenario.name());
            pairs.entry(*scenario).or_default().push((quiet, troubled));
        }
    }
    let mut figures: serde_json::Map<String, Value> =
        pairs.iter().map(|(scenario, pairs)| (scenario.name().to_owned(), figure(pairs))).collect();
    let limited = bench.limited()?;
    println!("{limited}");
    figures.insert("limited".to_owned(), limited);
    let path = directory.join("isolation.json");
    fs::write(&path, format!("{:#}\n", Value::Object(figures)))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Medians and spread of the ratios of pairs.
fn figure(pairs: &[(Outcome, Outcome)]) -> Value {
    let ratios = |of: fn(&Outcome) -> f64| -> Vec<f64> {
        let mut ratios: Vec<f64> =
            pairs.iter().map(|(quiet, troubled)| of(troubled) / of(quiet)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    };
    let (p50, p99) = (ratios(|one| one.p50_ms), ratios(|one| one.p99_ms));
    let rss = pairs.iter().map(|(_, troubled)| troubled.rss_mib).fold(0.0, f64::max);
    let lost: u64 = pairs.iter().map(|(quiet, troubled)| quiet.lost + troubled.lost).sum();
    let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let rounded = |sorted: &[f64]| -> Vec<f64> { sorted.iter().map(|one| round(*one)).collect() };
    json!({
        "p50_ratio": round(median(&p50)),
        "p99_ratio": round(median(&p99)),
        "p50_ratios": rounded(&p50),
        "p99_ratios": rounded(&p99),
        "p50_ms": pairs.iter().map(|(quiet, troubled)| [quiet.p50_ms, troubled.p50_ms]).collect::<Vec<_>>(),
        "p99_ms": pairs.iter().map(|(quiet, troubled)| [quiet.p99_ms, troubled.p99_ms]).collect::<Vec<_>>(),
        "burst_passed_ms": troubled(pairs, |one| one.passed.as_secs_f64() * 1_000.0),
        "recovery_s": troubled(pairs, |one| one.recovery.as_secs_f64()),
        "rss_mib": round(rss),
        "lost": lost,
    })
}

fn troubled(pairs: &[(Outcome, Outcome)], of: fn(&Outcome) -> f64) -> Vec<f64> {
    pairs.iter().map(|(_, troubled)| round(of(troubled))).collect()
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
