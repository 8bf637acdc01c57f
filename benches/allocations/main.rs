//! How many allocations a delivery takes: two drains of different lengths by a worker whose allocator
//! counts. What the longer one has more is of deliveries alone.
//!
//! Writes `target/bench/allocations.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use self::support::{
    kafka::fast_broker,
    plan::{self, Plan},
    publisher::Publisher,
    receiver::{self, DRAIN, Receiver},
    stage, time, topics,
    workload::Workload,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Beside its configuration a worker that ends writes how many allocations it made.
const FILE: &str = "allocations";
/// Events of the two drains.
const EVENTS: [u64; 2] = [10_000, 40_000];
/// Counting makes a worker some ten times as slow.
const DEADLINE: Duration = Duration::from_secs(180);

fn main() -> anyhow::Result<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some("worker") => count(),
        Some("receiver") => receiver::serve(None).map(|()| ExitCode::SUCCESS),
        _ => measure().map(|()| ExitCode::SUCCESS),
    }
}

/// `paynotify worker` with an allocator that counts.
fn count() -> anyhow::Result<ExitCode> {
    let config = env::args().skip_while(|argument| argument != "--config").nth(1);
    let config = PathBuf::from(config.context("a worker is told where its configuration is")?);
    let _counting = dhat::Profiler::builder().testing().build();
    let status = paynotify::cli::main();
    let total = dhat::HeapStats::get().total_blocks;
    fs::write(config.with_file_name(FILE), total.to_string())?;
    Ok(status)
}

fn measure() -> anyhow::Result<()> {
    let directory = stage::directory()?;
    let bootstrap = fast_broker().bootstrap();
    let mut receiver = Receiver::start()?;
    for events in EVENTS {
        topics::create(&bootstrap, &prefix(events), &plan::GRADES)?;
        Publisher::new(&bootstrap, &prefix(events), Workload::USUAL.events, "20")?.fill(events)?;
    }
    let mut figures = Map::new();
    for attempts_log in [false, true] {
        let workload = Workload { attempts_log, ..Workload::USUAL };
        let mut drained = |events| drain(&bootstrap, &mut receiver, &directory, workload, events);
        let [few, many] = EVENTS.map(&mut drained);
        let each = (many? - few?) / as_f64(EVENTS[1] - EVENTS[0]);
        let name = if attempts_log { "per_delivery_attempts_log" } else { "per_delivery" };
        println!("{name}: {each:.1} allocations");
        figures.insert(name.to_owned(), json!((each * 10.0).round() / 10.0));
    }
    let path = directory.join("allocations.json");
    fs::write(&path, format!("{:#}\n", Value::Object(figures)))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Allocations of a worker that drains so many events.
fn drain(
    bootstrap: &str,
    receiver: &mut Receiver,
    directory: &Path,
    workload: Workload,
    events: u64,
) -> anyhow::Result<f64> {
    let file = directory.join(FILE);
    let (program, prefix) = (env::current_exe()?, prefix(events));
    let (program, admin) = (Some(program.as_path()), plan::ANY_PORT);
    let plan = Plan {
        prefix: &prefix,
        grades: &plan::GRADES,
        path: DRAIN,
        new_group: true,
        workload,
        program,
        more: "",
        admin,
    };
    receiver.reset()?;
    let mut worker = plan::start(plan, bootstrap, receiver, directory)?;
    let deadline = Instant::now() + DEADLINE;
    while receiver.stats()?.count < events {
        worker.check()?;
        anyhow::ensure!(Instant::now() < deadline, "not drained within {DEADLINE:?}");
        time::pause(Duration::from_millis(20));
    }
    worker.stop()?;
    let count = fs::read_to_string(&file).context("the worker wrote how many it made")?;
    fs::remove_file(&file)?;
    Ok(count.parse()?)
}

fn prefix(events: u64) -> String {
    format!("bench-allocations-{events}")
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
