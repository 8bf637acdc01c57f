//! What a delivery costs beside processor time: bytes on the network and bytes on the broker's disk, of
//! events that are delivered at once, with the delivery log, and while three of ten attempts fail.
//! What was fetched twice is a share of what was needed. Nothing is compressed.
//!
//! Writes `target/bench/cost.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use paynotify::kafka::TopicNames;

use self::support::{
    admin::Admin,
    kafka::fast_broker,
    plan::{self, GRADES, Plan},
    publisher::Publisher,
    receiver::{LIVE, STORM},
    role::Role,
    stage::Stage,
    summary::Summary,
    time, topics,
    workload::Workload,
};

/// What a payment service waits for before it sends a batch.
const LINGER: &str = "5";
/// What is made up compresses better than what happens; and what was fetched is told soon.
const PROPERTIES: &str = "kafka.properties.\"compression.type\" = \"none\"\n\
                          kafka.properties.\"statistics.interval.ms\" = \"500\"\n";
/// Statistics, and gauges once a second, are up to date after so long.
const TOLD: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(120);

/// Measures what a delivery costs in bytes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Events of each path
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// A way that deliveries take.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    /// Path of the merchants' URLs.
    path: &'static str,
    attempts_log: bool,
}

const WAYS: [Way; 3] = [
    Way { name: "at_once", path: LIVE, attempts_log: false },
    Way { name: "logged", path: LIVE, attempts_log: true },
    Way { name: "three_of_ten_fail", path: STORM, attempts_log: false },
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(role) => role.play(),
        None => measure(arguments.events),
    }
}

fn measure(events: u64) -> anyhow::Result<()> {
    let mut stage = Stage::set()?;
    let mut summary = Summary::default();
    for way in WAYS {
        drain(&mut stage, way, events, &mut summary)?;
    }
    stage.tell("cost.json", &summary)
}

/// Events are published, and then delivered by a worker that had nothing else to do.
fn drain(stage: &mut Stage, way: Way, events: u64, to: &mut Summary) -> anyhow::Result<()> {
    let Way { name, path, attempts_log } = way;
    let names = TopicNames::new(name);
    topics::create(&stage.bootstrap, name, &GRADES)?;
    let workload = Workload { in_flight: 256, attempts_log, ..Workload::USUAL };
    Publisher::new(&stage.bootstrap, name, workload.events, LINGER)?.fill(events)?;
    stage.receiver.forget()?;

    let on_network = loopback_bytes()?;
    let admin = Admin::free()?;
    let plan = Plan {
        prefix: name,
        grades: &GRADES,
        path,
        new_group: true,
        workload,
        program: None,
        more: PROPERTIES,
        admin: admin.address(),
    };
    let mut worker = plan::start(plan, &stage.bootstrap, &stage.receiver, &stage.directory)?;
    let deadline = Instant::now() + DEADLINE;
    while stage.receiver.stats()?.acknowledged < events {
        worker.check()?;
        anyhow::ensure!(Instant::now() < deadline, "not all delivered in {DEADLINE:?}");
        time::pause(Duration::from_millis(50));
    }
    let hops = admin.metric(&format!("paynotify_routed_total{{grade={:?}}}", GRADES[0]))?;
    let failed = "paynotify_attempts_total{outcome=\"retry\",reason=\"status\"}";
    let attempts = as_f64(events) + admin.metric(failed)?;
    time::pause(TOLD);
    let received = admin.metric("paynotify_kafka_received_bytes_total")?;
    let fetched = admin.metric("paynotify_fetched_bytes_total")?;
    let taken = admin.metric("paynotify_taken_bytes_total")?;
    worker.stop()?;
    let on_network = loopback_bytes()? - on_network;

    let stats = stage.receiver.stats()?;
    let on_disk = |topic: &str| disk_bytes(&fast_broker().logs(), topic);
    let mut add = |figure: &str, value: f64| to.add(format!("{name}_{figure}"), "bytes", value);
    let mut needed = on_disk(&names.completions())?;
    add("network_per_event", on_network / as_f64(events));
    add("request", as_f64(stats.bytes) / attempts);
    add("event_on_disk", needed / as_f64(events));
    if attempts_log {
        add("log_line_on_disk", on_disk(&names.attempts())? / attempts);
    }
    if hops > 0.0 {
        let topic = format!("{name}.delay.{}", GRADES[0]);
        let hopped = on_disk(&topic)?;
        add("hop_on_disk", hopped / hops);
        needed += hopped;
        to.add(format!("{name}_attempts_per_event"), "attempts", attempts / as_f64(events));
        to.add(format!("{name}_hops_per_event"), "records", hops / as_f64(events));
    }
    // Batches that were cut off, and the heads of answers.
    to.add(format!("{name}_received_beyond_needed"), "of what was needed", received / needed - 1.0);
    to.add(format!("{name}_fetched_beyond_taken"), "of what was taken", fetched / taken - 1.0);
    Ok(())
}

/// Bytes that went over the loopback so far, heads of all layers included.
fn loopback_bytes() -> anyhow::Result<f64> {
    let table = fs::read_to_string("/proc/net/dev")?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let received = line.and_then(|line| line.split_whitespace().next());
    Ok(received.context("/proc/net/dev has the loopback")?.parse()?)
}

/// Bytes of the records of a topic, as the broker keeps them.
fn disk_bytes(logs: &Path, topic: &str) -> anyhow::Result<f64> {
    let mut bytes = 0;
    for index in 0..topics::PARTITIONS {
        for file in fs::read_dir(logs.join(format!("{topic}-{index}")))? {
            let file = file?;
            if file.path().extension().is_some_and(|end| end == "log") {
                bytes += file.metadata()?.len();
            }
        }
    }
    Ok(as_f64(bytes))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
