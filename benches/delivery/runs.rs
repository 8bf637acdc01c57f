//! The measurements.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use paynotify::kafka::TopicNames;

use super::{
    bare_loop::BareLoop,
    support::{
        bare,
        events::Events,
        kafka::fast_broker,
        plan::{self, Plan},
        process::{self, Cpu},
        publisher::Publisher,
        receiver::{DRAIN, LIVE, Receiver, Stats},
        summary::Summary,
        time, topics,
        worker::Worker,
        workload::Workload,
    },
};

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
/// What is sent how while latency is measured.
const LIVE_WORKLOAD: Workload =
    Workload { name: "live", in_flight: 256, attempts_log: true, ..Workload::USUAL };
/// Drains before those that count.
const WARM_UPS: usize = 3;
/// Events that open connections before latency is measured.
const WARM: u64 = 2_000;
/// How long a drain may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Broker, receiver and filled topics.
pub struct Bench {
    bootstrap: String,
    receiver: Receiver,
    /// How many are published of the usual size.
    events: u64,
    filled: BTreeSet<Events>,
    directory: PathBuf,
    by_thread: BTreeMap<String, f64>,
}

/// What a drain cost.
struct Drained {
    per_second: f64,
    cpu: Cpu,
    rss_mib: f64,
}

impl Bench {
    /// Starts everything.
    pub fn prepare(directory: &Path, events: u64) -> anyhow::Result<Self> {
        let bootstrap = fast_broker().bootstrap();
        topics::create(&bootstrap, PACED, &plan::GRADES)?;
        topics::create(&bootstrap, PACED_BARE, &plan::GRADES)?;
        let receiver = Receiver::start_secured(directory)?;
        let (directory, filled) = (directory.to_owned(), BTreeSet::new());
        Ok(Self { bootstrap, receiver, events, filled, directory, by_thread: BTreeMap::new() })
    }

    /// Drains that do not count: a broker that has just started is slow while the JVM compiles.
    pub fn warm_up(&mut self) -> anyhow::Result<()> {
        let workload = Workload { attempts_log: true, ..Workload::USUAL };
        self.fill(workload.events)?;
        for _ in 0..WARM_UPS {
            let drained = self.drain(workload, None, |_| Ok(()))?;
            eprintln!("warming up: {:.0}/s", drained.per_second);
        }
        Ok(())
    }

    /// The bare client, then a drain; and of two builds of the program, if they are given, which is how
    /// much faster.
    pub fn ratio(
        &mut self,
        workload: Workload,
        builds: Option<(&Path, &Path)>,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let name = workload.name;
        self.fill(workload.events)?;
        self.receiver.reset()?;
        let bare_cpu = bare::spawn(&self.receiver, workload, BARE)?;
        let came = self.receiver.stats()?;
        let bare = came.per_second();
        let drained = self.drain(workload, None, |_| Ok(()))?;
        let (rate, ratio) = (drained.per_second, drained.per_second / bare);
        eprintln!("{name}: {rate:.0}/s, bare {bare:.0}/s, ratio {ratio:.2}");
        let mut add = |figure: &str, unit, value| {
            summary.add(format!("{figure}_{name}"), unit, value);
        };
        let requests = workload.requests(workload.events.count(self.events));
        add("bare_cpu_s_per_million", "s", bare_cpu * 1e6 / as_f64(came.count));
        add("bare_per_second", "requests/s", bare);
        add("drain_per_second", "deliveries/s", rate);
        add("drain_ratio", "of bare", ratio);
        add("rss_mib", "MiB", drained.rss_mib);
        add("cpu_s_per_million", "s", drained.cpu.total * 1e6 / as_f64(requests));
        if let Some(builds) = builds {
            let (ratio, cpu) = self.pairs(workload, builds)?;
            eprintln!("{name}: ratio to the other {ratio:.3}, cpu {cpu:.3}");
            add("against_drain_ratio", "of other", ratio);
            add("against_cpu_ratio", "of other", cpu);
        }
        if name == Workload::USUAL.name {
            for (thread, seconds) in &drained.cpu.by_thread {
                *self.by_thread.entry(thread.clone()).or_default() += seconds;
            }
        }
        Ok(())
    }

    /// Speed and processor time of one build, of those of another: two pairs of drains, each build first
    /// once, so that the order favours neither.
    fn pairs(
        &mut self,
        workload: Workload,
        (ours, other): (&Path, &Path),
    ) -> anyhow::Result<(f64, f64)> {
        let (mut seconds, mut cpu) = ([0.0; 2], [0.0; 2]);
        for (whose, program) in [(0, ours), (1, other), (1, other), (0, ours)] {
            let drained = self.drain(workload, Some(program), |_| Ok(()))?;
            seconds[whose] += 1.0 / drained.per_second;
            cpu[whose] += drained.cpu.total;
        }
        Ok((seconds[1] / seconds[0], cpu[0] / cpu[1]))
    }

    /// Fills a topic, once.
    fn fill(&mut self, events: Events) -> anyhow::Result<()> {
        if self.filled.insert(events) {
            let (prefix, count) = (events.prefix(), events.count(self.events));
            topics::create(&self.bootstrap, &prefix, &plan::GRADES)?;
            eprintln!("filling {prefix} with {count} events");
            Publisher::new(&self.bootstrap, &prefix, events, FILLING_LINGER)?.fill(count)?;
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
        eprintln!("published and delivered at once: {:.0}/s", stats.per_second());
        summary.add(FULL_LOAD, "deliveries/s", stats.per_second());
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
        let (address, in_flight) = (self.receiver.address(), LIVE_WORKLOAD.in_flight);
        let mut bare = BareLoop::start(&self.bootstrap, &topic, address, in_flight)?;
        let mut publisher = self.publisher(PACED_BARE)?;
        publisher.fill(WARM)?;
        self.until(|stats| stats.count >= WARM, || bare.check())?;
        self.receiver.reset()?;
        let count = publisher.pace(rate, LIVE_TIME)?;
        self.until(|stats| stats.count >= count, || bare.check())
    }

    /// A worker that has opened its connections, and its publisher; nothing is counted yet.
    fn warm(&mut self) -> anyhow::Result<(Worker, Publisher)> {
        self.receiver.reset()?;
        let workload = LIVE_WORKLOAD;
        let plan = Plan {
            prefix: PACED,
            grades: &plan::GRADES,
            path: LIVE,
            new_group: false,
            workload,
            program: None,
            more: "",
            admin: plan::ANY_PORT,
        };
        let mut worker = self.start(plan)?;
        let mut publisher = self.publisher(PACED)?;
        publisher.fill(WARM)?;
        self.until(|stats| stats.count >= WARM, || worker.check())?;
        self.receiver.reset()?;
        Ok((worker, publisher))
    }

    /// A publisher of what is paced.
    fn publisher(&self, prefix: &str) -> anyhow::Result<Publisher> {
        Publisher::new(&self.bootstrap, prefix, LIVE_WORKLOAD.events, ORDINARY_LINGER)
    }

    /// Where the worker's processor time went, by thread, if it was measured.
    pub fn print_threads(&self) {
        let all: f64 = self.by_thread.values().sum();
        if all == 0.0 {
            return;
        }
        println!("\nthe worker's processor time at 64 in flight, by thread");
        let mut threads: Vec<_> = self.by_thread.iter().collect();
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

    /// A drain under `perf`: few samples, since each holds a piece of the stack, without which the
    /// callers of what was optimised away would be guessed.
    pub fn profile(&mut self, samples: &Path) -> anyhow::Result<()> {
        let mut recorder = None;
        let record = |pid: u32| {
            let mut command = Command::new("perf");
            command.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "499"]);
            command.args(["--call-graph", "dwarf,16384", "--pid", &pid.to_string(), "--output"]);
            recorder = Some(command.arg(samples).spawn()?);
            Ok(())
        };
        self.fill(Workload::USUAL.events)?;
        self.drain(Workload::USUAL, None, record)?;
        if let Some(mut recorder) = recorder {
            let status = recorder.wait()?;
            anyhow::ensure!(status.success(), "perf ended with {status}");
        }
        Ok(())
    }

    /// A new group drains the topic of the workload.
    fn drain(
        &mut self,
        workload: Workload,
        program: Option<&Path>,
        begun: impl FnOnce(u32) -> anyhow::Result<()>,
    ) -> anyhow::Result<Drained> {
        self.receiver.reset()?;
        let (prefix, admin) = (workload.events.prefix(), plan::ANY_PORT);
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
        let mut worker = self.start(plan)?;
        self.until(|stats| stats.count > 0, || worker.check())?;
        let before = Cpu::of(worker.pid())?;
        begun(worker.pid())?;
        let requests = workload.requests(workload.events.count(self.events));
        let stats = self.until(|stats| stats.count >= requests, || worker.check())?;
        let cpu = Cpu::of(worker.pid())?.since(&before);
        let rss_mib = process::peak_mib(worker.pid())?;
        worker.stop()?;
        let after = self.receiver.stats()?;
        anyhow::ensure!(after.count == requests, "{} requests, not {requests}", after.count);
        let signed = if workload.signed { requests } else { 0 };
        anyhow::ensure!(after.signed == signed, "{} requests were signed", after.signed);
        Ok(Drained { per_second: stats.per_second(), cpu, rss_mib })
    }

    fn start(&self, plan: Plan<'_>) -> anyhow::Result<Worker> {
        plan::start(plan, &self.bootstrap, &self.receiver, &self.directory)
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

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
