//! One run: a fresh worker on fresh topics, steady load, with or without trouble.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    scenario::Scenario,
    support::{
        kafka::fast_broker,
        process::{self, Processors},
        receiver::{Receiver, Stats},
        time,
        topics::{self, PARTITIONS},
        worker::Worker,
    },
    traffic::{self, MERCHANTS, Publisher},
};

/// How long merchants are measured.
const LOAD: Duration = Duration::from_secs(15);
/// The delay topics: the usual ladder up to the first that is longer than a run is measured for, and one
/// beyond it.
const GRADES: [&str; 4] = ["5s", "15s", "30s", "1m"];
/// Deliveries that hang end after this.
const TIMEOUT: &str = "3s";
/// What draining may take beyond the longest parking.
const DRAIN: Duration = Duration::from_secs(90);
/// How long anything else may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Events a second that may be more than can be delivered: if not, half as many more are tried.
const OVERLOAD: f64 = 20_000.0;
/// So much of what is published is delivered where more could be.
const KEPT_UP: f64 = 0.9;
/// As long as that first, so that Kafka's JVM has compiled what it needs.
const WARM_UP: Duration = Duration::from_secs(60);

/// Broker and receiver.
pub struct Bench {
    pub bootstrap: String,
    pub receiver: Receiver,
    pub directory: PathBuf,
    runs: u32,
}

/// What the healthy merchants felt, and what the worker needed.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub rss_mib: f64,
    /// Events that were not delivered in the end.
    pub lost: u64,
    /// How long a burst kept others of its partitions waiting, before they were measured.
    pub passed: Duration,
    /// From recovery until all were delivered.
    pub recovery: Duration,
}

impl Bench {
    /// Starts both.
    pub fn prepare(directory: &Path) -> anyhow::Result<Self> {
        let (bootstrap, receiver) = (fast_broker().bootstrap(), Receiver::start()?);
        Ok(Self { bootstrap, receiver, directory: directory.to_owned(), runs: 0 })
    }

    /// Half of the events a second that are delivered while more are published.
    pub fn half_load(&mut self) -> anyhow::Result<f64> {
        self.steady(OVERLOAD, WARM_UP)?;
        let mut published = OVERLOAD;
        let delivered = loop {
            let (delivered, _) = self.steady(published, LOAD)?;
            if delivered < published * KEPT_UP {
                break delivered;
            }
            published *= 1.5;
        };
        let rate = delivered / 2.0;
        let (_, used) = self.steady(rate, LOAD)?;
        println!(
            "{delivered:.0} events a second are delivered; {rate:.0} use {:.0} % of the processors",
            used * 100.0
        );
        Ok(rate)
    }

    /// Events a second that are delivered while so many are published, and the part of the
    /// processors' time that is used.
    fn steady(&mut self, per_second: f64, time: Duration) -> anyhow::Result<(f64, f64)> {
        let scenario = Scenario::HangOnePercent;
        let (mut worker, mut publisher) = self.start(scenario)?;
        let before = Processors::now()?;
        publisher.pace(per_second, time, scenario.steady())?;
        let used = Processors::now()?.used_since(before);
        let delivered = self.receiver.stats()?.count;
        worker.check()?;
        worker.stop()?;
        Ok((as_f64(delivered) / time.as_secs_f64(), used))
    }

    /// One run.
    pub fn run(&mut self, scenario: Scenario, rate: f64, trouble: bool) -> anyhow::Result<Outcome> {
        let (mut worker, mut publisher) = self.start(scenario)?;
        self.receiver.set_sick(trouble)?;
        let mut passed = Duration::ZERO;
        if let Some(burst) = scenario.burst().filter(|_| trouble) {
            publisher.burst(burst.events, burst.to)?;
            // What is measured is how it is with the queue, not how the queue came.
            let (began, each) = (Instant::now(), u64::from(PARTITIONS.unsigned_abs()));
            publisher.burst(each, |number| number)?;
            self.until(&mut worker, DEADLINE, |stats| stats.live >= each)?;
            passed = began.elapsed();
            self.receiver.reset()?;
        }
        fast_broker().collect_garbage();
        publisher.pace(rate, LOAD, scenario.steady())?;
        let measured = self.receiver.stats()?;
        let rss_mib = process::peak_mib(worker.pid())?;
        self.receiver.set_sick(false)?;
        let (all, recovered) = (publisher.published(), Instant::now());
        let most = scenario.longest_parking() + DRAIN;
        let done = self.until(&mut worker, most, |stats| stats.acknowledged >= all);
        let lost = if done.is_ok() { 0 } else { all - self.receiver.stats()?.acknowledged };
        worker.check()?;
        let recovery = recovered.elapsed();
        worker.stop()?;
        Ok(Outcome {
            p50_ms: as_f64(measured.p50_us) / 1_000.0,
            p99_ms: as_f64(measured.p99_us) / 1_000.0,
            rss_mib,
            lost,
            passed,
            recovery,
        })
    }

    /// A worker whose merchants have all had an event, which nobody counts, and its publisher.
    fn start(&mut self, scenario: Scenario) -> anyhow::Result<(Worker, Publisher)> {
        let merchants = self.directory.join("merchants.jsonl");
        traffic::write_directory(&merchants, self.receiver.address(), scenario)?;
        let mut worker = self.worker(&merchants, &scenario.scheduling())?;
        let mut publisher = Publisher::new(&self.bootstrap, &self.prefix())?;
        publisher.burst(MERCHANTS, |number| number)?;
        self.until(&mut worker, DEADLINE, |stats| stats.acknowledged >= MERCHANTS)?;
        self.receiver.reset()?;
        Ok((worker, publisher))
    }

    /// A worker on topics of its own, with these lines in its configuration besides.
    pub fn worker(&mut self, merchants: &Path, scheduling: &str) -> anyhow::Result<Worker> {
        self.runs += 1;
        let prefix = self.prefix();
        topics::create(&self.bootstrap, &prefix, &GRADES)?;
        self.receiver.set_sick(false)?;
        self.receiver.forget()?;
        // Slots for a thousand merchants that begin to hang at once. A tenth of them finds out soon enough
        // who answers again: each attempt that hangs throws a connection away.
        let config = format!(
            "kafka.bootstrap_servers = {:?}\nkafka.group = {prefix:?}\n\
             topics.prefix = {prefix:?}\ntopics.grades = {GRADES:?}\n\
             defaults.policy.timeout = {TIMEOUT:?}\n\
             defaults.policy.intervals = [{}]\ndirectory.file = \"{}\"\n\
             delivery.max_in_flight = 2048\ndelivery.max_suspects = 0.1\n\
             delivery.max_connections = 4096\ndelivery.max_idle_per_host = 4096\n\
             delivery.allow_http = true\n\
             delivery.allow_addresses = [\"127.0.0.0/8\"]\ndelivery.ports = [\"1-65535\"]\n\
             {scheduling}admin.listen = \"127.0.0.1:0\"\nshutdown.grace = \"5s\"\n",
            self.bootstrap,
            // As the default schedule begins, and then for as long as a run may last.
            [&["\"5s\""][..], &["\"15s\""; 20]].concat().join(", "),
            merchants.display(),
        );
        Worker::start(&config, &self.directory)
    }

    /// Prefix of the topics of the present run.
    pub fn prefix(&self) -> String {
        format!("isolation-{}", self.runs)
    }

    /// Looks at the receiver until `enough`.
    pub fn until(
        &mut self,
        worker: &mut Worker,
        time: Duration,
        enough: impl Fn(&Stats) -> bool,
    ) -> anyhow::Result<Stats> {
        let deadline = Instant::now() + time;
        loop {
            let stats = self.receiver.stats()?;
            if enough(&stats) {
                return Ok(stats);
            }
            worker.check()?;
            let count = stats.acknowledged;
            anyhow::ensure!(Instant::now() < deadline, "only {count} events in {time:?}");
            time::pause(Duration::from_millis(20));
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p99_ms, rss_mib, lost, passed, recovery } = self;
        write!(f, "p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {rss_mib:.0} MiB, lost {lost}, ")?;
        write!(f, "burst passed in {} ms, ", passed.as_millis())?;
        write!(f, "all done {:.1} s later", recovery.as_secs_f64())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn as_f64(number: u64) -> f64 {
    number as f64
}
