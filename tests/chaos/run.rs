//! Rounds: faults under load, then healing, then rest, then every check.

use std::time::{Duration, Instant};

use super::{
    cast, checks,
    commits::{Commits, Written},
    crew::{Crew, LateCommit},
    dice::Dice,
    doors::Doors,
    evidence,
    faults::{self, Fault},
    load::Load,
    nemesis::{Nemesis, Notes},
    offsets::{self, Entry},
    repeats::{Repeated, Repeats},
    tail::Tail,
    truth::Truth,
};
use crate::support::{brokers::await_replicas, kafka::Cluster, receiver::Receiver, system::System};

/// L8: within this, everything is delivered and committed after the last fault.
const HEALED: Duration = Duration::from_secs(60);
/// Longer than a session: whoever stands still for so long is no member any more.
const ZOMBIE_MILLIS: i64 = 4_000;
/// The load goes on for a little after the last fault.
const AFTER: Duration = Duration::from_millis(500);

/// Everything that rounds have in common.
pub struct Run {
    pub system: System,
    pub receiver: Receiver,
    pub crew: Crew,
    tail: Tail,
    commits: Commits,
    repeats: Repeats,
    seed: u64,
    doors: Doors,
    cluster: Cluster,
}

/// What a round came to.
#[derive(Default)]
pub struct Round {
    pub faults: Vec<String>,
    pub events: u64,
    pub attempts: u64,
    pub dead_letters: u64,
    pub commits: u64,
    /// Attempts of deliveries to merchants that acknowledge, without the first of each.
    pub again: u64,
    /// How many of these there may be, where nothing goes wrong that would excuse more.
    pub again_at_most: Option<u64>,
    pub repeated: Repeated,
    /// From the end of the last fault to rest.
    pub healed: Duration,
    /// Of attempts after the first, in milliseconds.
    pub late: Vec<i64>,
    pub zombies: u64,
    /// Commits of theirs that the broker accepted after their partitions went to others.
    pub late_commits: u64,
    /// Fail points at which a worker ended.
    pub reached: u64,
    pub wrong: Vec<String>,
}

impl Run {
    /// Three brokers, so many workers, all merchants.
    pub async fn start(seed: u64, workers: usize, partitions: i32) -> Self {
        let settings = [("min.insync.replicas", "2"), ("group.min.session.timeout.ms", "1000")];
        let cluster = Cluster::start(3, &settings);
        let name = format!("chaos-{seed}");
        let mut system = System::replicated(cluster.bootstrap(), name, partitions, 3).await;
        for (key, value) in [
            ("delivery.max_in_flight", "64"),
            ("delivery.breaker.ramp", "2s"),
            ("delivery.breaker.window", "5s"),
            ("directory.unknown_merchant_grace", "2s"),
            ("kafka.properties.session_timeout_ms", "3000"),
            ("kafka.properties.heartbeat_interval_ms", "300"),
            ("log.filter", "info,paynotify::worker::input=debug"),
        ] {
            system.set(key, value);
        }
        let (receiver, doors) = (Receiver::start().await, Doors::open().await);
        let trusted = system.directory_file().with_file_name("authority.pem");
        std::fs::write(&trusted, &doors.authority).unwrap();
        system.set("delivery.trust_store", &trusted.display().to_string());
        cast::enter(&mut system, &receiver);
        let tail = Tail::new(&system);
        let commits = Commits::new(system.cluster());
        let crew = Crew::start(&system, workers);
        Self {
            system,
            receiver,
            crew,
            tail,
            commits,
            repeats: Repeats::default(),
            seed,
            doors,
            cluster,
        }
    }

    /// Plays a round and judges it.
    pub async fn round(&mut self, number: u64, events: usize) -> Round {
        let faults = faults::draw(self.seed, number);
        let words: Vec<_> = faults.iter().map(|fault| fault.kind.word()).collect();
        let last = faults.iter().map(|fault| fault.ends).max().unwrap_or_default();
        let prefix = format!("e{}r{number}", self.seed);
        let dice = Dice::new(self.seed, &format!("load of round {number}"));
        let load = Load::start(&self.system, dice, &prefix, events, last + AFTER);
        let mut notes = self.suffer(&faults, prefix).await;
        notes.published.extend(load.finish());
        self.close(&notes, Round { faults: words, ..Round::default() }).await
    }

    /// Ends a round: the last fault is over, and this was done.
    pub async fn close(&mut self, notes: &Notes, mut round: Round) -> Round {
        round.events = notes.published.len() as u64;
        self.crew.heal(&self.system, &mut round.wrong);
        round.healed = self.await_rest(&mut round.wrong).await;
        self.crew.settle(&mut round.wrong);
        await_replicas(&self.system);
        self.judge(notes, &mut round);
        if !round.wrong.is_empty() {
            println!("seen later: {:#?}", self.look_again().await);
        }
        round
    }

    /// What is there after a while that was not there when the round was judged: the cluster took
    /// something back, and gave it again.
    async fn look_again(&mut self) -> Vec<String> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let late = self.tail.read().into_iter();
        late.map(|one| format!("{} appended at {}", one.coordinates, one.appended)).collect()
    }

    async fn suffer(&mut self, faults: &[Fault], prefix: String) -> Notes {
        let Self { system, cluster, receiver, crew, doors, .. } = self;
        Nemesis::new(system, cluster, receiver, crew, doors, prefix).play(faults).await
    }

    /// How long it takes until everything is delivered, buried and committed.
    async fn await_rest(&mut self, wrong: &mut Vec<String>) -> Duration {
        let began = Instant::now();
        let mut told = false;
        while !self.tail.is_at_rest() {
            let took = began.elapsed();
            if took > HEALED && !told {
                told = true;
                wrong.push(format!(
                    "L8 not at rest {HEALED:?} after the last fault: {:?}",
                    self.tail.lag()
                ));
            }
            assert!(took < 3 * HEALED, "{wrong:#?} nor later: {:?}", self.tail.lag());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    }

    fn judge(&mut self, notes: &Notes, round: &mut Round) {
        let seen = self.crew.look();
        let pauses = std::mem::take(&mut self.crew.pauses);
        round.reached = std::mem::take(&mut self.crew.reached) as u64;
        let requests = self.receiver.take_requests();
        let (offsets, records): (Vec<_>, Vec<_>) = self
            .tail
            .read()
            .into_iter()
            .partition(|record| &*record.coordinates.topic == "__consumer_offsets");
        let truth = Truth::new(&self.system.topics(), records, &requests, &notes.moved);
        let wrong = &mut round.wrong;
        checks::nothing_is_lost(&truth, &notes.published, wrong);
        checks::nothing_is_invented(&truth, &notes.published, &requests, wrong);
        round.late = checks::nothing_is_early(&truth, wrong);
        round.dead_letters = checks::dead_letters_are_exact(&truth, wrong) as u64;
        round.attempts = requests.len() as u64;
        round.again = checks::again(&truth);
        if round.again_at_most.is_some_and(|most| round.again > most) {
            wrong.push(format!("{} attempts again of {} events", round.again, round.events));
        }
        let commits_before = self.commits.accepted;
        let written: Vec<_> = offsets
            .iter()
            .filter_map(|record| {
                let entry = offsets::decode(record, &self.system.prefix)?;
                Some(Written { at: record.appended.as_millis(), entry })
            })
            .collect();
        for (place, one) in written.iter().enumerate() {
            wrong.extend(self.commits.take(&truth, one));
            self.repeats.generation(&truth, &self.commits, (place, one), &seen.losses);
        }
        round.commits = self.commits.accepted - commits_before;
        let zombies = pauses.iter().filter(|pause| pause.to - pause.from >= ZOMBIE_MILLIS);
        round.zombies = zombies.count() as u64;
        let prefix = &self.system.prefix;
        let gone = &self.repeats.moves;
        let late =
            seen.late_commits.iter().filter(|late| accepted_late(late, &written, gone, prefix));
        for LateCommit { partition, position, .. } in late {
            round.late_commits += 1;
            wrong.push(format!("the commit of {partition} at {position} is a frozen worker's"));
        }
        round.repeated = self.repeats.close(&truth, &pauses, &seen.losses, &notes.outages, wrong);
        let logs = self.crew.logs();
        if !wrong.is_empty() {
            let kept = evidence::keep(&self.system.prefix, &truth, &written, &logs);
            println!("what is known of it: {}", kept.display());
        }
    }

    /// All workers stop; gives what went wrong.
    pub fn stop(self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.crew.dismiss(&mut wrong);
        wrong
    }
}

/// Whether the broker accepted this commit after the partition had gone to another member.
fn accepted_late(
    late: &LateCommit,
    written: &[Written],
    moves: &[(i32, usize)],
    prefix: &str,
) -> bool {
    let Some((source, index)) = late.partition.rsplit_once('/') else { return false };
    let topic = match source {
        "completions" => prefix.to_owned(),
        grade => format!("{prefix}.{grade}"),
    };
    let after = |(partition, place): &&(i32, usize)| {
        index.parse() == Ok(*partition) && written[*place].at > late.stopped
    };
    let Some((_, gone)) = moves.iter().find(after) else { return false };
    !written[..*gone].iter().any(|one| match &one.entry {
        Entry::Commit { topic: of, partition, position, .. } => {
            *of == topic && index.parse() == Ok(*partition) && *position == late.position
        }
        Entry::Generation { .. } => false,
    })
}
