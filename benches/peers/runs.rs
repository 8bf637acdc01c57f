//! The measurements.

use std::time::{Duration, Instant};

use super::{
    contender::{Contender, Job},
    support::{
        bare,
        events::Events,
        plan, process,
        publisher::Publisher,
        receiver::{DRAIN, HOLES, Stats, is_hole},
        stage::Stage,
        summary::Summary,
        time, topics,
        worker::Worker,
        workload::Workload,
    },
};

/// Requests at a time under steady load.
pub const WIDE: usize = 256;
const EVENTS: Events = Events::USUAL;
/// What a filled topic holds.
const FILLED: u64 = 450_000;
/// The first of them are not measured: programs in Java and Go get faster.
const BEFORE: u64 = FILLED / 3;
const MEASURED: u64 = FILLED / 2;
/// Steady load before it is measured.
const WARM: Duration = Duration::from_secs(10);
/// How long the bare client runs.
const BARE: Duration = Duration::from_secs(5);
/// Milliseconds that a publisher gathers a batch, where only how many counts.
const FILLING_LINGER: &str = "20";
/// How long a drain may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Broker, receiver and a filled topic.
pub struct Bench {
    pub stage: Stage,
    topics: u32,
}

/// What healthy merchants felt of steady load.
struct Felt {
    /// Of what was published for them, what came before the publisher ended.
    share: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Name of the figure.
pub fn drain_of(contender: Contender, in_flight: usize) -> String {
    format!("{}_drain_per_second_{in_flight}", contender.name())
}

impl Bench {
    /// Starts everything.
    pub fn prepare() -> anyhow::Result<Self> {
        let stage = Stage::set()?;
        let prefix = EVENTS.prefix();
        topics::create(&stage.bootstrap, &prefix, &plan::GRADES)?;
        Publisher::new(&stage.bootstrap, &prefix, EVENTS, FILLING_LINGER)?.fill(FILLED)?;
        Ok(Self { stage, topics: 0 })
    }

    /// The bare client, then a filled topic by a contender.
    pub fn drain(
        &mut self,
        contender: Contender,
        in_flight: usize,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let receiver = &mut self.stage.receiver;
        receiver.reset()?;
        bare::spawn(receiver, Workload { in_flight, ..Workload::USUAL }, BARE)?;
        let bare = receiver.stats()?.per_second();
        receiver.reset()?;
        let prefix = EVENTS.prefix();
        let job = Job { prefix: &prefix, path: DRAIN, in_flight };
        let mut worker = contender.start(job, &self.stage)?;
        self.until(&mut worker, |stats| stats.count >= BEFORE)?;
        self.stage.receiver.reset()?;
        let drained = self.until(&mut worker, |stats| stats.count >= MEASURED)?.per_second();
        let (name, ratio) = (contender.name(), drained / bare);
        eprintln!("{name}, {in_flight} in flight: {drained:.0}/s, {ratio:.2} of bare");
        summary.add(drain_of(contender, in_flight), "deliveries/s", drained);
        summary.add(format!("{name}_drain_ratio_{in_flight}"), "of bare", ratio);
        let rss = process::peak_mib(worker.pid())?;
        summary.add(format!("{name}_rss_mib_{in_flight}"), "MiB", rss);
        Ok(())
    }

    /// Steady load without and with merchants that hang; returns the share with.
    pub fn steady(
        &mut self,
        contender: Contender,
        rate: f64,
        time: Duration,
        summary: &mut Summary,
    ) -> anyhow::Result<f64> {
        let name = contender.name();
        let mut add = |felt: &Felt, how: &str| {
            let Felt { share, p50_ms, p99_ms } = felt;
            eprintln!("{name} {how}: {share:.3}, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms");
            summary.add(format!("{name}_healthy_share_{how}"), "of published", *share);
            summary.add(format!("{name}_p50_ms_{how}"), "ms", *p50_ms);
            summary.add(format!("{name}_p99_ms_{how}"), "ms", *p99_ms);
        };
        let (without, _) = self.felt(contender, rate, time, false)?;
        add(&without, "without_holes");
        let (with, rss) = self.felt(contender, rate, time, true)?;
        add(&with, "with_holes");
        summary.add(format!("{name}_rss_mib_with_holes"), "MiB", rss);
        let share = with.share / without.share;
        summary.add(format!("{name}_healthy_share_kept"), "of without", share);
        summary.add(format!("{name}_p50_ratio"), "of without", with.p50_ms / without.p50_ms);
        summary.add(format!("{name}_p99_ratio"), "of without", with.p99_ms / without.p99_ms);
        Ok(with.share)
    }

    /// What healthy merchants feel, and the most memory that it took, in MiB.
    fn felt(
        &mut self,
        contender: Contender,
        rate: f64,
        time: Duration,
        sick: bool,
    ) -> anyhow::Result<(Felt, f64)> {
        self.topics += 1;
        let prefix = format!("peers-{}", self.topics);
        topics::create(&self.stage.bootstrap, &prefix, &plan::GRADES)?;
        self.stage.receiver.set_sick(false)?;
        self.stage.receiver.forget()?;
        let job = Job { prefix: &prefix, path: HOLES, in_flight: WIDE };
        let mut worker = contender.start(job, &self.stage)?;
        let mut publisher = Publisher::new(&self.stage.bootstrap, &prefix, EVENTS, "5")?;
        let warm = publisher.pace(rate, WARM)?;
        self.until(&mut worker, |stats| stats.acknowledged >= warm)?;
        self.stage.receiver.set_sick(sick)?;
        self.stage.receiver.reset()?;
        let count = publisher.pace(rate, time)?;
        let stats = self.stage.receiver.stats()?;
        worker.check()?;
        let holes = (0..EVENTS.merchants).filter(|merchant| is_hole(*merchant)).count() as u64;
        let healthy = as_f64(count) * as_f64(EVENTS.merchants - holes) / as_f64(EVENTS.merchants);
        let felt = Felt {
            share: as_f64(stats.live) / healthy,
            p50_ms: as_f64(stats.p50_us) / 1_000.0,
            p99_ms: as_f64(stats.p99_us) / 1_000.0,
        };
        Ok((felt, process::peak_mib(worker.pid())?))
    }

    fn until(
        &mut self,
        worker: &mut Worker,
        enough: impl Fn(&Stats) -> bool,
    ) -> anyhow::Result<Stats> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stats = self.stage.receiver.stats()?;
            if enough(&stats) {
                return Ok(stats);
            }
            worker.check()?;
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
