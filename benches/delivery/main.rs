//! Deliveries per second from a filled topic of a real Kafka, beside a bare HTTP client.
//!
//! Worker, receiver and bare client are processes of their own: the worker so that its processor
//! time and memory are its alone, the others by executing this binary again with a role. Every
//! ratio is of two measurements seconds apart, since other load on the machine moves both.
//!
//! Writes `target/bench/summary.json` and prints where the worker's processor time goes.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod support;

mod bare;
mod bare_loop;
mod events;
mod publisher;
mod runs;
mod worker;

use std::{fs, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use self::{
    runs::{Bench, FULL_LOAD},
    support::{receiver, summary::Summary},
};

/// Measures delivery from a real Kafka.
#[derive(Debug, Parser)]
struct Arguments {
    /// Repetitions of every measurement
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Events in the filled topic: many, so that growing the memory at the start counts little
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Measures only the latency, while so many events a second are published
    #[arg(long)]
    rate: Option<f64>,
    /// Another build of the program, whose drains are measured beside ours
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// One drain more, under `perf`, with its hottest functions
    #[arg(long)]
    perf: bool,
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
    Bare { address: String, in_flight: usize, seconds: u64 },
    /// Posts what comes into a topic
    BareLoop { bootstrap: String, topic: String, address: String, in_flight: usize },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Receiver) => receiver::serve(),
        Some(Role::Bare { address, in_flight, seconds }) => {
            bare::run(&address, in_flight, Duration::from_secs(seconds))
        }
        Some(Role::BareLoop { bootstrap, topic, address, in_flight }) => {
            bare_loop::run(&bootstrap, &topic, &address, in_flight)
        }
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = output_directory();
    fs::create_dir_all(&directory)?;
    let mut summary = Summary::default();
    let mut bench = Bench::prepare(&directory, arguments.events)?;
    let drains = if arguments.rate.is_some() { 0 } else { arguments.runs };
    for run in 1..=drains {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        eprintln!("run {run} of {}, load average {load}", arguments.runs);
        for in_flight in [64, 256] {
            bench.ratio(in_flight, arguments.against.as_deref(), &mut summary)?;
        }
    }
    for _ in 0..drains {
        bench.full_load(&mut summary)?;
    }
    let half = || summary.median(FULL_LOAD).unwrap_or_default() / 2.0;
    let rate = arguments.rate.unwrap_or_else(half);
    for _ in 0..arguments.runs {
        bench.latency(rate, &mut summary)?;
    }
    summary.print();
    if drains > 0 {
        bench.print_profile();
    }
    if arguments.perf {
        bench.perf()?;
    }
    let path = directory.join("summary.json");
    fs::write(&path, summary.json())?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// `target/bench`.
fn output_directory() -> PathBuf {
    let mut directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    directory.set_file_name("bench");
    directory
}
