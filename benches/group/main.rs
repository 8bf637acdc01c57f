//! What a group of workers does: how soon the first event is delivered after a cold start, whether two
//! workers deliver alike, and how long a partition waits in a rebalance under load.
//!
//! Writes `target/bench/group.json`.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod support;

use std::{
    collections::BTreeSet,
    fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;

use self::support::{
    admin::Admin,
    plan::{self, Plan},
    publisher::Publisher,
    receiver::{DRAIN, TIMED},
    role::Role,
    stage::Stage,
    summary::Summary,
    time,
    topics::{self, PARTITIONS},
    worker::Worker,
    workload::Workload,
};

/// Events of a filled topic.
const FILLED: u64 = 100_000;
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// After a rebalance its last consequences are waited for.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Measures a group of workers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Repetitions of every measurement
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Events a second during rebalances
    #[arg(long, default_value_t = 8_000.0)]
    rate: f64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

struct Bench(Stage);

/// A worker and its admin server.
struct Member {
    worker: Worker,
    admin: Admin,
}

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
    bench.topics("group-filled")?;
    bench.publisher("group-filled")?.fill(FILLED)?;
    for _ in 0..arguments.runs {
        bench.cold_start(&mut summary)?;
    }
    for _ in 0..arguments.runs {
        bench.two_alike(&mut summary)?;
    }
    bench.rebalances(arguments, &mut summary)?;
    bench.0.tell("group.json", &summary)
}

impl Bench {
    /// From the start of the process until the first request.
    fn cold_start(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        self.0.receiver.reset()?;
        let begun = time::now_us();
        let mut member = self.join("group-filled", DRAIN, true, 1)?;
        let first = self.until(DEADLINE, &mut [&mut member], |bench| {
            let stats = bench.0.receiver.stats()?;
            Ok((stats.count > 0).then_some(stats.first_us))
        })?;
        member.worker.stop()?;
        summary.add("cold_start_ms", "ms", as_f64(first - begun) / 1_000.0);
        Ok(())
    }

    /// What the slower of two delivers of what the faster does, while both drain.
    fn two_alike(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        let prefix = format!("group-alike-{}", time::now_us());
        self.topics(&prefix)?;
        let mut publisher = self.publisher(&prefix)?;
        let mut one = self.join(&prefix, DRAIN, false, 1)?;
        let mut other = self.join(&prefix, DRAIN, false, 2)?;
        self.settled(&mut [&mut one, &mut other])?;
        self.0.receiver.reset()?;
        publisher.fill(FILLED)?;
        // Before the first of them runs dry.
        self.until(DEADLINE, &mut [&mut one, &mut other], |bench| {
            Ok((bench.0.receiver.stats()?.count >= FILLED / 2).then_some(()))
        })?;
        let series = "paynotify_attempts_total{outcome=\"delivered\",reason=\"none\"}";
        let delivered = [one.admin.metric(series)?, other.admin.metric(series)?];
        let least = delivered[0].min(delivered[1]) / delivered[0].max(delivered[1]);
        summary.add("slower_of_two", "of faster", least);
        one.worker.stop()?;
        other.worker.stop()
    }

    /// A third worker joins two and leaves again, under load: the longest time without a request, of
    /// partitions that stay and of those that move.
    fn rebalances(&mut self, arguments: &Arguments, summary: &mut Summary) -> anyhow::Result<()> {
        let prefix = "group-moves";
        self.topics(prefix)?;
        let mut one = self.join(prefix, TIMED, false, 1)?;
        let mut other = self.join(prefix, TIMED, false, 2)?;
        self.settled(&mut [&mut one, &mut other])?;
        let (going_on, end) = mpsc::channel::<()>();
        let (mut publisher, rate) = (self.publisher(prefix)?, arguments.rate);
        let load = thread::spawn(move || {
            while end.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                publisher.pace(rate, Duration::from_millis(100))?;
            }
            anyhow::Ok(())
        });
        for _ in 0..arguments.runs {
            self.0.receiver.reset()?;
            let before = owned(&[&one, &other]);
            let mut third = self.join(prefix, TIMED, false, 3)?;
            self.settled(&mut [&mut one, &mut other, &mut third])?;
            time::pause(AFTERMATH);
            let between = owned(&[&one, &other]);
            self.tell_gaps("join", &before, &between, summary)?;
            self.0.receiver.reset()?;
            third.worker.stop()?;
            self.settled(&mut [&mut one, &mut other])?;
            time::pause(AFTERMATH);
            self.tell_gaps("leave", &between, &owned(&[&one, &other]), summary)?;
        }
        drop(going_on);
        load.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
        one.worker.stop()?;
        other.worker.stop()
    }

    /// Partitions in both sets stayed with their worker; all others moved.
    fn tell_gaps(
        &mut self,
        what: &str,
        before: &BTreeSet<(usize, i32)>,
        after: &BTreeSet<(usize, i32)>,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let gaps = self.0.receiver.gaps()?;
        let stayed: BTreeSet<i32> = before.intersection(after).map(|(_, index)| *index).collect();
        for (index, gap) in (0..).zip(gaps) {
            let kind = if stayed.contains(&index) { "stays" } else { "moves" };
            summary.add(format!("gap_ms_{what}_{kind}"), "ms", as_f64(gap) / 1_000.0);
        }
        Ok(())
    }

    fn topics(&self, prefix: &str) -> anyhow::Result<()> {
        topics::create(&self.0.bootstrap, prefix, &plan::GRADES)
    }

    fn publisher(&self, prefix: &str) -> anyhow::Result<Publisher> {
        Publisher::new(&self.0.bootstrap, prefix, Workload::USUAL.events, "5")
    }

    /// One more worker, number `number` of its group.
    fn join(
        &self,
        prefix: &str,
        path: &str,
        new_group: bool,
        number: usize,
    ) -> anyhow::Result<Member> {
        let directory = self.0.directory.join(format!("worker-{number}"));
        fs::create_dir_all(&directory)?;
        let admin = Admin::free()?;
        let workload = Workload { in_flight: 256, ..Workload::USUAL };
        let plan = Plan {
            prefix,
            grades: &plan::GRADES,
            path,
            new_group,
            workload,
            program: None,
            more: "",
            admin: admin.address(),
        };
        let worker = plan::start(plan, &self.0.bootstrap, &self.0.receiver, &directory)?;
        Ok(Member { worker, admin })
    }

    /// Waits until these hold all partitions, and each some.
    fn settled(&mut self, members: &mut [&mut Member]) -> anyhow::Result<()> {
        let admins: Vec<Admin> = members.iter().map(|member| member.admin).collect();
        self.until(DEADLINE, members, |_| {
            let held: Vec<_> = admins.iter().map(Admin::partitions).collect();
            let all: BTreeSet<i32> = held.iter().flatten().copied().collect();
            let whole = all.len() == usize::try_from(PARTITIONS)?;
            Ok((whole && held.iter().all(|one| !one.is_empty())).then_some(()))
        })
    }

    /// Looks until there is something, and whether the workers live.
    fn until<T>(
        &mut self,
        time: Duration,
        members: &mut [&mut Member],
        look: impl Fn(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            members.iter_mut().try_for_each(|member| member.worker.check())?;
            anyhow::ensure!(Instant::now() < deadline, "nothing came of it in {time:?}");
            time::pause(Duration::from_millis(5));
        }
    }
}

/// Who holds which partition.
fn owned(members: &[&Member]) -> BTreeSet<(usize, i32)> {
    let of_one = |(number, member): (usize, &&Member)| {
        member.admin.partitions().into_iter().map(move |index| (number, index)).collect::<Vec<_>>()
    };
    members.iter().enumerate().flat_map(of_one).collect()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^52")]
fn as_f64(micros: i64) -> f64 {
    micros as f64
}
