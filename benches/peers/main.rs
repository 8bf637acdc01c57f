//! What other programs make of the same work, from a real Kafka to the same receiver: a filled topic is
//! drained, and steady load is delivered with and without merchants that hang, one in every partition.
//! None of the others signs, knows merchants or keeps retries.
//!
//! `tools/bench-peers` fetches them. Writes `target/bench/peers.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

mod contender;
mod runs;

use std::time::Duration;

use clap::{Parser, Subcommand};

use self::{
    contender::Contender,
    runs::{Bench, WIDE},
    support::{bare, receiver, summary::Summary},
};

/// Requests at a time.
const IN_FLIGHT: [usize; 2] = [64, WIDE];

/// Measures other programs beside this one.
#[derive(Debug, Parser)]
struct Arguments {
    /// Repetitions of every drain
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of steady load with merchants that hang, and as many without, for this program
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The same for each of the others
    #[arg(long, default_value_t = 60)]
    peer_seconds: u64,
    /// Events a second; without it, half of what the slowest drains
    #[arg(long)]
    rate: Option<f64>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a process of this binary is instead of the benchmark itself.
#[derive(Debug, Clone, Subcommand)]
enum Role {
    /// Answers 200 to everything and counts
    Receiver,
    /// Posts to the receiver for a while
    Bare(bare::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Receiver) => receiver::serve(None),
        Some(Role::Bare(arguments)) => bare::run(&arguments),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let (mut bench, mut summary) = (Bench::prepare()?, Summary::default());
    for _ in 0..arguments.runs {
        for in_flight in IN_FLIGHT {
            for contender in Contender::ALL {
                bench.drain(contender, in_flight, &mut summary)?;
            }
        }
    }
    for in_flight in IN_FLIGHT {
        let best = most(&summary, in_flight);
        let ours = summary.median(&runs::drain_of(Contender::Paynotify, in_flight));
        if let Some(ours) = ours {
            summary.add(format!("drain_of_best_peer_{in_flight}"), "of peer", ours / best);
        }
    }
    let rate = arguments.rate.unwrap_or_else(|| least(&summary, WIDE) / 2.0);
    anyhow::ensure!(rate.is_finite(), "without a drain, --rate says how many events a second");
    summary.add("steady_per_second", "events/s", rate);
    let mut ours = None;
    for contender in Contender::ALL {
        let is_ours = contender == Contender::Paynotify;
        let seconds = if is_ours { arguments.seconds } else { arguments.peer_seconds };
        let share = bench.steady(contender, rate, Duration::from_secs(seconds), &mut summary)?;
        if is_ours {
            ours = Some(share);
        } else if let Some(ours) = ours.filter(|_| contender.is_ordinary_peer()) {
            let name = format!("healthy_with_holes_of_{}", contender.name());
            summary.add(name, "of peer", ours / share);
        }
    }
    bench.stage.tell("peers.json", &summary)
}

/// The drains of all, at so many in flight.
fn drains(summary: &Summary, in_flight: usize) -> impl Iterator<Item = (Contender, f64)> {
    let drain = move |who| Some((who, summary.median(&runs::drain_of(who, in_flight))?));
    Contender::ALL.into_iter().filter_map(drain)
}

fn most(summary: &Summary, in_flight: usize) -> f64 {
    let peers = drains(summary, in_flight).filter(|(who, _)| *who != Contender::Paynotify);
    peers.map(|(_, drain)| drain).fold(0.0, f64::max)
}

fn least(summary: &Summary, in_flight: usize) -> f64 {
    drains(summary, in_flight).map(|(_, drain)| drain).fold(f64::INFINITY, f64::min)
}
