//! The measurements.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use paynotify::kafka::TopicNames;

use super::{
    bare,
    bare_loop::BareLoop,
    publisher::Publisher,
    support::{
        kafka::fast_broker,
        process::{self, Cpu},
        receiver::{DRAIN, LIVE, Receiver, Stats},
        summary::Summary,
        time, topics,
        worker::Worker,
    },
    worker::{self, Plan},
};

const FILLED: &str = "bench";
const PACED: &str = "bench-live";
/// The bare loop has a topic of its own: a worker would find there what it has never committed.
const PACED_BARE: &str = "bench-live-bare";
/// How long the bare client runs.
const BARE: Duration = Duration::from_secs(5);
/// Name of the figure of which half is half load.
pub const FULL_LOAD: &str = "full_load_per_second";
/// Milliseconds that a publisher gathers a batch, where only how many counts.
const FILLING_LINGER: &str = "20";
/// The same where latency is measured: librdkafka's default, which payment services have too.
const ORDINARY_LINGER: &str = "5";
/// How long events are published at half load.
const LIVE_TIME: Duration = Duration::from_secs(6);
/// Attempts at a time while latency is measured.
const LIVE_IN_FLIGHT: usize = 256;
/// Events that open connections before latency is measured.
const WARM: u64 = 2_000;
/// How long a drain may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Broker, receiver and a filled topic.
pub struct Bench {
    bootstrap: String,
    receiver: Receiver,
    events: u64,
    directory: PathBuf,
    profile: BTreeMap<String, f64>,
}

/// What a drain cost.
struct Drained {
    per_second: f64,
    cpu: Cpu,
    rss_mib: f64,
}

impl Bench {
    /// Starts everything and fills the topic.
    pub fn prepare(directory: &Path, events: u64) -> anyhow::Result<Self> {
        let bootstrap = fast_broker().bootstrap();
        topics::create(&bootstrap, FILLED, &worker::GRADES)?;
        topics::create(&bootstrap, PACED, &worker::GRADES)?;
        topics::create(&bootstrap, PACED_BARE, &worker::GRADES)?;
        eprintln!("filling a topic with {events} events");
        Publisher::new(&bootstrap, FILLED, FILLING_LINGER)?.fill(events)?;
        let receiver = Receiver::start()?;
        let directory = directory.to_owned();
        Ok(Self { bootstrap, receiver, events, directory, profile: BTreeMap::new() })
    }

    /// The bare client, a drain, and a drain with the attempts log, one after the other; each drain
    /// beside that of another build of the program, if there is one.
    pub fn ratio(
        &mut self,
        in_flight: usize,
        against: Option<&Path>,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        self.receiver.reset()?;
        let bare_cpu = bare::spawn(self.receiver.address(), in_flight, BARE)?;
        let came = self.receiver.stats()?;
        let bare = per_second(&came);
        let bare_cpu = bare_cpu * 1e6 / as_f64(came.count);
        summary.add(format!("bare_cpu_s_per_million_{in_flight}"), "s", bare_cpu);
        summary.add(format!("bare_per_second_{in_flight}"), "requests/s", bare);
        for (attempts_log, suffix) in [(false, ""), (true, "_attempts_log")] {
            let plan = Plan { attempts_log, ..drain_plan(in_flight) };
            let drained = self.drain(plan, |_| Ok(()))?;
            if let Some(other) = against {
                let other = self.drain(Plan { program: Some(other), ..plan }, |_| Ok(()))?;
                let ratio = drained.per_second / other.per_second;
                let cpu = drained.cpu.total / other.cpu.total;
                eprintln!(
                    "{in_flight}{suffix}: {:.0}/s of the other, ratio {ratio:.3}, processor time {cpu:.3}",
                    other.per_second
                );
                summary.add(format!("against_drain_ratio_{in_flight}{suffix}"), "of other", ratio);
                summary.add(format!("against_cpu_ratio_{in_flight}{suffix}"), "of other", cpu);
            }
            let (rate, ratio) = (drained.per_second, drained.per_second / bare);
            eprintln!("{in_flight}{suffix}: {rate:.0}/s, bare {bare:.0}/s, ratio {ratio:.2}");
            let mut add = |name: &str, unit, value| {
                summary.add(format!("{name}_{in_flight}{suffix}"), unit, value);
            };
            add("drain_per_second", "deliveries/s", rate);
            add("drain_ratio", "of bare", ratio);
            let millions = as_f64(self.events) / 1e6;
            let cpu = drained.cpu.total / millions;
            if in_flight == 64 && !attempts_log {
                summary.add("rss_mib", "MiB", drained.rss_mib);
                summary.add("cpu_s_per_million", "s", cpu);
                for (thread, seconds) in &drained.cpu.by_thread {
                    *self.profile.entry(thread.clone()).or_default() += seconds;
                }
            } else {
                summary.add(format!("rss_mib_{in_flight}{suffix}"), "MiB", drained.rss_mib);
                summary.add(format!("cpu_s_per_million_{in_flight}{suffix}"), "s", cpu);
            }
        }
        Ok(())
    }

    /// Deliveries per second while the machine publishes as fast as it can beside them: the full
    /// load of which latency is measured at half.
    pub fn full_load(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        let (mut worker, mut publisher) = self.warm()?;
        let count = self.events;
        publisher.fill(count)?;
        let stats = self.until(|stats| stats.count >= count, || worker.check())?;
        worker.stop()?;
        eprintln!("published and delivered at once: {:.0}/s", per_second(&stats));
        summary.add(FULL_LOAD, "deliveries/s", per_second(&stats));
        Ok(())
    }

    /// From publish to acknowledgement while events come at this rate, and the same of a bare loop.
    pub fn latency(&mut self, rate: f64, summary: &mut Summary) -> anyhow::Result<()> {
        let bare = self.bare_latency(rate)?;
        let (mut worker, mut publisher) = self.warm()?;
        let count = publisher.pace(rate, LIVE_TIME)?;
        let stats = self.until(|stats| stats.count >= count, || worker.check())?;
        worker.stop()?;
        eprintln!(
            "{rate:.0}/s: p50 {} µs, p99 {} µs; bare loop {} and {} µs",
            stats.p50_us, stats.p99_us, bare.p50_us, bare.p99_us
        );
        summary.add("latency_load_per_second", "events/s", rate);
        let all = [("p50", stats.p50_us, bare.p50_us), ("p99", stats.p99_us, bare.p99_us)];
        for (name, ours, bare) in all.map(|(name, ours, bare)| (name, as_f64(ours), as_f64(bare))) {
            summary.add(format!("latency_{name}_ms"), "ms", ours / 1_000.0);
            summary.add(format!("bare_loop_latency_{name}_ms"), "ms", bare / 1_000.0);
            summary.add(format!("latency_{name}_ratio"), "of bare loop", ours / bare);
        }
        Ok(())
    }

    fn bare_latency(&mut self, rate: f64) -> anyhow::Result<Stats> {
        self.receiver.reset()?;
        let topic = TopicNames::new(PACED_BARE).completions();
        let address = self.receiver.address();
        let mut bare = BareLoop::start(&self.bootstrap, &topic, address, LIVE_IN_FLIGHT)?;
        let mut publisher = Publisher::new(&self.bootstrap, PACED_BARE, ORDINARY_LINGER)?;
        publisher.fill(WARM)?;
        self.until(|stats| stats.count >= WARM, || bare.check())?;
        self.receiver.reset()?;
        let count = publisher.pace(rate, LIVE_TIME)?;
        self.until(|stats| stats.count >= count, || bare.check())
    }

    /// A worker that has opened its connections, and its publisher; nothing is counted yet.
    fn warm(&mut self) -> anyhow::Result<(Worker, Publisher)> {
        self.receiver.reset()?;
        let plan = Plan {
            prefix: PACED,
            path: LIVE,
            new_group: false,
            in_flight: LIVE_IN_FLIGHT,
            attempts_log: true,
            program: None,
        };
        let mut worker = self.start(plan)?;
        let mut publisher = Publisher::new(&self.bootstrap, PACED, ORDINARY_LINGER)?;
        publisher.fill(WARM)?;
        self.until(|stats| stats.count >= WARM, || worker.check())?;
        self.receiver.reset()?;
        Ok((worker, publisher))
    }

    /// Where the worker's processor time went, by thread.
    pub fn print_profile(&self) {
        let all: f64 = self.profile.values().sum();
        println!("\nthe worker's processor time at 64 in flight, by thread");
        let mut threads: Vec<_> = self.profile.iter().collect();
        threads.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        for (thread, seconds) in threads {
            let meaning = match thread.as_str() {
                "tokio-rt-worker" => "the worker loop, requests and their signatures",
                "kafka-consumer" => "takes records out of librdkafka",
                "kafka-committer" => "commits",
                "producer pollin" => "answers of the producers",
                name if name.starts_with("rdk:") => "librdkafka: fetching, parsing, producing",
                _ => "",
            };
            println!("{:>5.1} %  {thread:<18} {meaning}", 100.0 * seconds / all);
        }
    }

    /// A drain under `perf`, and its hottest functions.
    pub fn perf(&mut self) -> anyhow::Result<()> {
        let data = self.directory.join("perf.data");
        let plan = drain_plan(64);
        let mut recorder = None;
        let record = |pid: u32| {
            let mut command = Command::new("perf");
            command.args(["record", "-q", "-F", "999", "-g", "-p", &pid.to_string(), "-o"]);
            recorder = Some(command.arg(&data).spawn()?);
            Ok(())
        };
        self.drain(plan, record)?;
        if let Some(mut recorder) = recorder {
            recorder.wait()?;
        }
        let mut report = Command::new("perf");
        report.args(["report", "--stdio", "--no-children", "-g", "none", "-i"]).arg(&data);
        let text = String::from_utf8_lossy(&report.output()?.stdout).into_owned();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        println!("\nhottest functions");
        lines.take(50).for_each(|line| println!("{}", line.trim_end()));
        Ok(())
    }

    fn drain(
        &mut self,
        plan: Plan<'_>,
        begun: impl FnOnce(u32) -> anyhow::Result<()>,
    ) -> anyhow::Result<Drained> {
        self.receiver.reset()?;
        let mut worker = self.start(plan)?;
        self.until(|stats| stats.count > 0, || worker.check())?;
        let before = Cpu::of(worker.pid())?;
        begun(worker.pid())?;
        let events = self.events;
        let stats = self.until(|stats| stats.count >= events, || worker.check())?;
        let cpu = Cpu::of(worker.pid())?.since(&before);
        let rss_mib = process::peak_mib(worker.pid())?;
        worker.stop()?;
        let after = self.receiver.stats()?;
        anyhow::ensure!(after.count == events, "{} requests for {events} events", after.count);
        anyhow::ensure!(after.signed == events, "only {} requests were signed", after.signed);
        Ok(Drained { per_second: per_second(&stats), cpu, rss_mib })
    }

    fn start(&self, plan: Plan<'_>) -> anyhow::Result<Worker> {
        worker::start(plan, &self.bootstrap, self.receiver.address(), &self.directory)
    }

    /// Looks at the receiver until `enough`, and whether who delivers lives.
    fn until(
        &mut self,
        enough: impl Fn(&Stats) -> bool,
        mut lives: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Stats> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stats = self.receiver.stats()?;
            if enough(&stats) {
                return Ok(stats);
            }
            lives()?;
            let count = stats.count;
            anyhow::ensure!(Instant::now() < deadline, "only {count} requests in {DEADLINE:?}");
            time::pause(Duration::from_millis(20));
        }
    }
}

/// A new group that drains the filled topic.
fn drain_plan(in_flight: usize) -> Plan<'static> {
    Plan {
        prefix: FILLED,
        path: DRAIN,
        new_group: true,
        in_flight,
        attempts_log: false,
        program: None,
    }
}

/// Requests per second between the first and the last.
fn per_second(stats: &Stats) -> f64 {
    let micros = u64::try_from(stats.last_us - stats.first_us).unwrap_or(0).max(1);
    as_f64(stats.count) * 1e6 / as_f64(micros)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
