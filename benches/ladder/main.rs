//! What waits on the ladder: how much memory and processor time a backlog takes that is not due, and
//! how late retries are while three of ten attempts fail and a million others wait.
//!
//! Writes `target/bench/ladder.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;
mod waiting;

use std::time::{Duration, Instant};

use clap::Parser;

use self::{
    support::{
        admin::Admin,
        plan::{self, Plan},
        process::{self, Cpu},
        publisher::Publisher,
        receiver::{LIVE, STORM},
        role::Role,
        stage::Stage,
        summary::Summary,
        time, topics,
        worker::Worker,
        workload::Workload,
    },
    waiting::Waiting,
};

/// The grade on which records wait that are not due for as long as anything is measured.
const LONG: &str = "1h";
/// The grade of retries.
const SHORT: &str = "5s";
/// A worker that has joined its group has calmed down after this.
const CALM: Duration = Duration::from_secs(20);
/// How long an idle worker is looked at.
const IDLE: Duration = Duration::from_secs(30);
/// How long retries are due while they are measured.
const STORM_TIME: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(120);

/// Measures what waits on the ladder.
#[derive(Debug, Parser)]
struct Arguments {
    /// Records that wait for a worker with nothing else to do
    #[arg(long, default_value_t = 10_000_000)]
    backlog: u64,
    /// Records that wait beside a storm of retries
    #[arg(long, default_value_t = 1_000_000)]
    waiting: u64,
    /// Events a second of the storm
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

struct Bench(Stage);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(role) => role.play(),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bench = Bench(Stage::set()?);
    let mut summary = Summary::default();
    bench.backlog("empty", 0, &mut summary)?;
    bench.backlog("full", arguments.backlog, &mut summary)?;
    bench.storm(arguments, &mut summary)?;
    bench.0.tell("ladder.json", &summary)
}

impl Bench {
    /// A worker with nothing to do, and so many records on the ladder.
    fn backlog(&mut self, name: &str, records: u64, to: &mut Summary) -> anyhow::Result<()> {
        let prefix = format!("ladder-{name}");
        self.fill(&prefix, records)?;
        let (mut worker, _) = self.start(&prefix, LIVE)?;
        time::pause(CALM);
        let before = Cpu::of(worker.pid())?;
        time::pause(IDLE);
        let used = Cpu::of(worker.pid())?.since(&before).total;
        worker.check()?;
        to.add(format!("{name}_rss_mib"), "MiB", process::peak_mib(worker.pid())?);
        to.add(format!("{name}_idle_cpu"), "% of a core", 100.0 * used / IDLE.as_secs_f64());
        worker.stop()
    }

    /// Steady events of which three of ten attempts fail, beside records that wait.
    fn storm(&mut self, arguments: &Arguments, summary: &mut Summary) -> anyhow::Result<()> {
        let prefix = "ladder-storm";
        self.fill(prefix, arguments.waiting)?;
        self.0.receiver.reset()?;
        let (mut worker, admin) = self.start(prefix, STORM)?;
        let events = Workload::USUAL.events;
        let mut publisher = Publisher::new(&self.0.bootstrap, prefix, events, "5")?;
        let count = publisher.pace(arguments.rate, STORM_TIME)?;
        let deadline = Instant::now() + DEADLINE;
        while self.0.receiver.stats()?.acknowledged < count {
            worker.check()?;
            anyhow::ensure!(Instant::now() < deadline, "not all delivered in {DEADLINE:?}");
            time::pause(Duration::from_millis(20));
        }
        let series = format!("paynotify_lateness_seconds_count{{grade={SHORT:?}}}");
        let all = admin.metric(&series)?;
        summary.add("storm_retries", "attempts", all);
        for bound in ["0.1", "0.3", "1"] {
            let series =
                format!("paynotify_lateness_seconds_bucket{{grade={SHORT:?},le={bound:?}}}");
            let within = 100.0 * admin.metric(&series)? / all;
            summary.add(format!("storm_late_at_most_{bound}_s"), "% of retries", within);
        }
        summary.add("storm_rss_mib", "MiB", process::peak_mib(worker.pid())?);
        worker.stop()
    }

    fn fill(&self, prefix: &str, records: u64) -> anyhow::Result<()> {
        topics::create(&self.0.bootstrap, prefix, &[SHORT, LONG])?;
        eprintln!("writing {records} records that wait");
        Waiting::new(&self.0.bootstrap, prefix, LONG)?.write(records)
    }

    fn start(&self, prefix: &str, path: &str) -> anyhow::Result<(Worker, Admin)> {
        let admin = Admin::free()?;
        let workload = Workload { in_flight: 256, attempts_log: true, ..Workload::USUAL };
        let plan = Plan {
            prefix,
            path,
            new_group: false,
            workload,
            grades: &[SHORT, LONG],
            program: None,
            more: "",
            admin: admin.address(),
        };
        let mut worker = plan::start(plan, &self.0.bootstrap, &self.0.receiver, &self.0.directory)?;
        let deadline = Instant::now() + DEADLINE;
        while admin.readiness().is_none_or(|(status, _)| status != 200) {
            worker.check()?;
            anyhow::ensure!(Instant::now() < deadline, "the worker is not ready");
            time::pause(Duration::from_millis(20));
        }
        Ok((worker, admin))
    }
}
