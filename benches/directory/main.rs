//! A directory of a million merchants on a real Kafka: how long a worker reads it, what it costs in
//! memory, and how soon a change takes effect.
//!
//! Writes `target/bench/directory.json`.

mod entries;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;

use self::{
    entries::{GRADES, State, Writer},
    support::{
        admin::Admin, kafka::fast_broker, process, receiver::Receiver, role::Role, stage, time,
        worker::Worker,
    },
};

/// How long reading the directory may take.
const LOADING: Duration = Duration::from_secs(600);
/// How long a change may take.
const CHANGE: Duration = Duration::from_secs(30);
/// Changes that are timed.
const CHANGES: usize = 5;

/// Measures a worker with a large directory.
#[derive(Debug, Parser)]
struct Arguments {
    /// Merchants of the directory
    #[arg(long, default_value_t = 1_000_000)]
    merchants: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// A worker that has read its directory.
struct Loaded {
    worker: Worker,
    admin: Admin,
    /// From its start until it was ready.
    ready: Duration,
    /// What `/readyz` said while it read.
    waited_for: Option<String>,
    rss_mib: f64,
    peak_mib: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(role) => role.play(),
        None => measure(arguments.merchants),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn measure(merchants: u64) -> anyhow::Result<()> {
    let directory = stage::directory()?;
    let bootstrap = fast_broker().bootstrap();
    let mut receiver = Receiver::start()?;

    let few = Writer::new(&bootstrap, "few", receiver.address())?;
    few.write(0, State::Disabled)?;
    few.flush()?;
    let one = load(&bootstrap, "few", &directory)?;
    one.worker.stop()?;

    let mut all = Writer::new(&bootstrap, "many", receiver.address())?;
    for number in 0..merchants {
        all.write(number, State::Disabled)?;
    }
    all.flush()?;
    println!("{merchants} entries are written");
    let many = load(&bootstrap, "many", &directory)?;
    let per_merchant = |mib: f64| (mib - one.rss_mib) * 1024.0 * 1024.0 / merchants as f64;
    let (resident, peak) = (per_merchant(many.rss_mib), per_merchant(many.peak_mib));
    println!(
        "ready after {:.1} s (with one merchant {:.1} s), {:.0} MiB, {resident:.0} bytes a merchant, \
         {peak:.0} at the peak",
        many.ready.as_secs_f64(),
        one.ready.as_secs_f64(),
        many.rss_mib
    );
    println!("/readyz meanwhile: {:?}", many.waited_for);
    let mut changes = Vec::new();
    for number in 0..CHANGES {
        let took = change(&mut all, &mut receiver, merchants / 2 + number as u64)?;
        println!("a change takes effect after {:.0} ms", took.as_secs_f64() * 1_000.0);
        changes.push(took.as_secs_f64() * 1_000.0);
    }
    // By now the gauges are renewed.
    let said = many.admin.metric("paynotify_memory_bytes{part=\"directory\"}")? / merchants as f64;
    println!("paynotify_memory_bytes says {said:.0} bytes a merchant");
    many.worker.stop()?;
    let figures = json!({
        "merchants": merchants, "entry_bytes": all.longest(),
        "ready_seconds": many.ready.as_secs_f64(),
        "ready_seconds_with_one": one.ready.as_secs_f64(), "rss_mib": many.rss_mib,
        "bytes_per_merchant": resident, "said_bytes_per_merchant": said, "peak_bytes_per_merchant": peak,
        "change_ms": changes, "readyz_meanwhile": many.waited_for,
    });
    let path = directory.join("directory.json");
    fs::write(&path, format!("{figures:#}\n"))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Starts a worker and waits until it is ready.
fn load(bootstrap: &str, prefix: &str, directory: &Path) -> anyhow::Result<Loaded> {
    let admin = Admin::free()?;
    let config = format!(
        "kafka.bootstrap_servers = {bootstrap:?}\nkafka.group = {prefix:?}\n\
         topics.prefix = {prefix:?}\ntopics.grades = {GRADES:?}\nparking.longest_grade = \"1h\"\n\
         defaults.policy.intervals = [\"5s\"]\ndelivery.allow_http = true\n\
         delivery.allow_addresses = [\"127.0.0.0/8\"]\ndelivery.ports = [\"1-65535\"]\n\
         admin.listen = \"{}\"\nshutdown.grace = \"5s\"\n",
        admin.address(),
    );
    let begun = Instant::now();
    let mut worker = Worker::start(&config, directory)?;
    let mut waited_for = None;
    loop {
        match admin.readiness() {
            Some((200, _)) => break,
            Some((_, why)) if why.contains("is being read") => waited_for = Some(why),
            _ => {}
        }
        worker.check()?;
        anyhow::ensure!(begun.elapsed() < LOADING, "the worker is not ready after {LOADING:?}");
        time::pause(Duration::from_millis(20));
    }
    let ready = begun.elapsed();
    let (rss_mib, peak_mib) =
        (process::resident_mib(worker.pid())?, process::peak_mib(worker.pid())?);
    Ok(Loaded { worker, admin, ready, waited_for, rss_mib, peak_mib })
}

/// From before the write of an entry until an event is delivered as it says: a merchant that was
/// disabled is enabled.
fn change(writer: &mut Writer, receiver: &mut Receiver, merchant: u64) -> anyhow::Result<Duration> {
    let before = receiver.stats()?.acknowledged;
    let written = Instant::now();
    writer.write(merchant, State::Active)?;
    writer.flush()?;
    while receiver.stats()?.acknowledged == before {
        anyhow::ensure!(written.elapsed() < CHANGE, "a change has no effect after {CHANGE:?}");
        writer.publish(merchant)?;
        time::pause(Duration::from_millis(5));
    }
    Ok(written.elapsed())
}
