//! Deliveries per second from a filled topic of a real Kafka, beside a bare HTTP client.
//!
//! Worker, receiver and bare client are processes of their own: the worker so that its processor
//! time and memory are its alone, the others by executing this binary again with a role. Every
//! ratio is of two measurements seconds apart, since other load on the machine moves both.
//!
//! Writes `target/bench/summary.json` and prints which threads of the worker take the processors.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod support;

mod bare_loop;
mod runs;

use std::{fs, path::PathBuf};

use clap::{Parser, Subcommand};

use self::{
    runs::{Bench, FULL_LOAD},
    support::{
        bare, receiver, stage,
        summary::Summary,
        workload::{MANY_MERCHANTS, ONE_MERCHANT, Workload},
    },
};

/// Measures delivery from a real Kafka.
#[derive(Debug, Parser)]
struct Arguments {
    /// Repetitions of every measurement
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Events in a filled topic: many, so that growing the memory at the start counts little
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Measures only the drains whose names begin with one of these, such as 64 or `256_tls`
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Measures only the latency, while so many events a second are published
    #[arg(long)]
    rate: Option<f64>,
    /// Two builds of the program, whose drains are measured in turn: this one,
    #[arg(long, value_name = "PROGRAM", requires = "against")]
    ours: Option<PathBuf>,
    /// and another
    #[arg(long, value_name = "PROGRAM", requires = "ours")]
    against: Option<PathBuf>,
    /// Only one drain, under `perf`, whose samples go to this file
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
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
    Receiver { certificate: Option<PathBuf> },
    /// Posts to the receiver for a while
    Bare(bare::Arguments),
    /// Posts what comes into a topic
    BareLoop { bootstrap: String, topic: String, address: String, in_flight: usize },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Receiver { certificate }) => receiver::serve(certificate.as_deref()),
        Some(Role::Bare(arguments)) => bare::run(&arguments),
        Some(Role::BareLoop { bootstrap, topic, address, in_flight }) => {
            bare_loop::run(&bootstrap, &topic, &address, in_flight)
        }
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = stage::directory()?;
    let mut summary = Summary::default();
    let mut bench = Bench::prepare(&directory, arguments.events)?;
    if let Some(samples) = &arguments.profile {
        return bench.profile(samples);
    }
    let drains = if arguments.rate.is_some() { 0 } else { arguments.runs };
    let builds = arguments.ours.as_deref().zip(arguments.against.as_deref());
    if drains > 0 {
        bench.warm_up()?;
    }
    for run in 1..=drains {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        eprintln!("run {run} of {}, load average {load}", arguments.runs);
        for workload in Workload::all().filter(|one| arguments.wants(one.name)) {
            bench.ratio(workload, builds, &mut summary)?;
        }
    }
    if arguments.only.is_empty() {
        for _ in 0..drains {
            bench.full_load(&mut summary)?;
        }
        let half = || summary.median(FULL_LOAD).unwrap_or_default() / 2.0;
        let rate = arguments.rate.unwrap_or_else(half);
        for _ in 0..arguments.runs {
            bench.latency(rate, &mut summary)?;
        }
    }
    let cost = |name| summary.median(&format!("cpu_s_per_million_{name}"));
    if let Some((many, one)) = cost(MANY_MERCHANTS).zip(cost(ONE_MERCHANT)) {
        summary.add("cpu_ratio_100000_merchants", "of one", many / one);
    }
    summary.print();
    bench.print_threads();
    let path = directory.join("summary.json");
    fs::write(&path, summary.json())?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| name.starts_with(wanted.as_str()))
    }
}
