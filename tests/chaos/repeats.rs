//! L4: a delivery is repeated only where something excuses it, and no more often.
//!
//! What excuses one repeat: a partition went to another member while a record of the delivery was
//! in flight, or finished and in no commit; a worker stood still while an attempt was under way, so
//! that it may not have heard the answer; a worker that woke up as no member any more began it; a
//! broker fell before it could answer a route, which is then on the ladder twice.

use std::collections::{BTreeSet, HashMap, HashSet};

use paynotify::model::Timestamp;
use serde_json::Value;

use super::{
    checks,
    commits::{Commits, Written},
    offsets::Entry,
    truth::{Attempt, Origin, Place, Truth},
};

/// A worker stood still, in milliseconds of the brokers' clock.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    pub pid: u32,
    pub from: i64,
    pub to: i64,
}

/// A worker heard that it had lost partitions without having been asked.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub pid: u32,
    pub at: i64,
}

/// A broker was gone from here to there, or on its way.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from: i64,
    pub to: i64,
}

/// Attempts that began shortly before a stop may have been under way in it.
const MARGIN: i64 = 100;
/// A worker that lost its partitions without being asked hears so by its next heartbeat, or when
/// it goes on.
const UNAWARE: i64 = 3_000;
/// Who lost its partitions has joined again within this time.
const AGAIN: i64 = 5_000;
/// The timeout of every merchant: longer than this, no attempt is under way.
const TIMEOUT: i64 = 3_000;

type Delivery = (Origin, &'static str);

/// Who holds which partition, and what may be repeated for its sake. `owners` is kept over rounds.
#[derive(Default)]
pub struct Repeats {
    owners: HashMap<i32, String>,
    /// Partitions that went to another member in this round, and which entry said so.
    pub moves: Vec<(i32, usize)>,
    excused: HashMap<Delivery, usize>,
}

/// What became of a round's deliveries.
#[derive(Debug, Default, Clone, Copy)]
pub struct Repeated {
    pub extra: u64,
    pub allowed: u64,
}

impl Repeats {
    /// The group has a new generation. Who lost partitions without being asked at about this time
    /// may have been given the same ones anew.
    pub fn generation(
        &mut self,
        truth: &Truth,
        commits: &Commits,
        (place, written): (usize, &Written),
        losses: &[Loss],
    ) {
        let Entry::Generation { members, .. } = &written.entry else { return };
        let near = |loss: &Loss| (written.at - AGAIN..=written.at + AGAIN).contains(&loss.at);
        let unaware = losses.iter().any(near);
        let mut moved = BTreeSet::new();
        for (member, partitions) in members {
            for partition in partitions {
                let before = self.owners.insert(*partition, member.clone());
                let elsewhere = before.is_some_and(|before| before != *member);
                if elsewhere {
                    self.moves.push((*partition, place));
                }
                if unaware || elsewhere {
                    moved.insert(*partition);
                }
            }
        }
        for (place, origin) in records_of(truth, &moved) {
            let committed = commits.partitions.get(&(place.0.to_string(), place.1));
            if committed.is_some_and(|one| one.covers(place.2)) {
                continue;
            }
            let routed = truth.origin_of(&place.0, place.1, place.2).and_then(|(_, routed)| routed);
            for endpoint in truth.wanted(origin, routed).unwrap_or_default() {
                if begun(truth, origin, endpoint, written.at) {
                    *self.excused.entry((origin, endpoint)).or_default() += 1;
                }
            }
        }
    }

    /// Closes the round: what was acknowledged more often than it may be.
    pub fn close(
        &mut self,
        truth: &Truth,
        pauses: &[Pause],
        losses: &[Loss],
        outages: &[Outage],
        wrong: &mut Vec<String>,
    ) -> Repeated {
        self.moves.clear();
        let mut excused = std::mem::take(&mut self.excused);
        let asleep = paused(truth, pauses).into_iter().chain(unaware(truth, losses));
        for delivery in asleep.chain(written_again(truth, outages)) {
            *excused.entry(delivery).or_default() += 1;
        }
        let mut sum = Repeated::default();
        sum.allowed = excused.values().map(|count| *count as u64).sum();
        for (delivery, times) in checks::acknowledged(truth) {
            let extra = times.saturating_sub(1);
            sum.extra += extra as u64;
            let allowed = excused.get(&delivery).copied().unwrap_or(0);
            if extra > allowed {
                let id = truth.events[&delivery.0].id.as_deref().unwrap_or_default();
                wrong.push(format!(
                    "L4 {id} of {delivery:?} was acknowledged {times} times, and {allowed} repeats \
                     have an excuse"
                ));
            }
        }
        sum
    }
}

/// Every record of these partitions, of completions and the ladder.
fn records_of(truth: &Truth, partitions: &BTreeSet<i32>) -> Vec<(Place, Origin)> {
    let fresh = truth.events.iter().map(|(origin, event)| {
        let topic = event.record.coordinates.topic.clone();
        ((topic, origin.0, origin.1), *origin)
    });
    let ladder = truth.ladder.iter().map(|(place, (origin, _))| (place.clone(), *origin));
    fresh.chain(ladder).filter(|(place, _)| partitions.contains(&place.1)).collect()
}

/// Whether an attempt or a route of this delivery was begun by then.
fn begun(truth: &Truth, origin: Origin, endpoint: &'static str, at: i64) -> bool {
    let event = &truth.events[&origin];
    (event.blind && event.record.appended.as_millis() <= at)
        || truth.attempts_of(origin, endpoint).iter().any(|one| one.arrived <= at)
        || truth.routed_of(origin).iter().any(|one| one.record.appended.as_millis() <= at)
}

/// Deliveries with an attempt under way while its worker may have stood still.
fn paused(truth: &Truth, pauses: &[Pause]) -> HashSet<Delivery> {
    let under_way = |pause: &Pause, one: &Attempt| {
        (pause.from - TIMEOUT - MARGIN..=pause.from + MARGIN).contains(&one.arrived)
            && one.answered.is_none_or(|at| at + MARGIN >= pause.from)
    };
    let all = truth.attempts.iter();
    let met = all.filter(|(_, attempts)| {
        attempts.iter().any(|one| pauses.iter().any(|pause| under_way(pause, one)))
    });
    // A request that was begun before the stop may arrive after it; the delivery log knows.
    let logged = truth.log.iter().filter(|line| {
        let began = started(line);
        let took = line["duration_ms"].as_i64().unwrap_or(0);
        pauses.iter().any(|pause| {
            is_by(line, pause.pid)
                && began.is_some_and(|at| at <= pause.from + MARGIN && at + took >= pause.from)
        })
    });
    let logged = logged.filter_map(|line| truth.delivery_of(line));
    met.map(|(delivery, _)| *delivery).chain(logged).collect()
}

/// Deliveries on the ladder twice: a broker fell after it had the first copy and before the second was
/// written. What was parked anew is no copy, since it is counted.
fn written_again(truth: &Truth, outages: &[Outage]) -> Vec<Delivery> {
    let mut again = Vec::new();
    for (origin, records) in &truth.routed {
        let mut last = HashMap::new();
        for one in records.iter().filter(|one| !one.dead) {
            let at = one.record.appended.as_millis();
            let before = last.insert((&one.endpoint, one.attempts, one.parked), at);
            let fell = |before| outages.iter().any(|out| before <= out.to && out.from <= at);
            if before.is_some_and(fell) {
                let wanted = truth.wanted(*origin, Some(one)).unwrap_or_default();
                again.extend(wanted.into_iter().map(|endpoint| (*origin, endpoint)));
            }
        }
    }
    again
}

fn started(line: &Value) -> Option<i64> {
    Some(Timestamp::parse(line["started_at"].as_str()?).ok()?.as_millis())
}

/// Whether this process wrote the line.
fn is_by(line: &Value, pid: u32) -> bool {
    let worker = line["worker"].as_str().unwrap_or_default();
    worker.ends_with(&format!("-{pid}"))
}

/// Deliveries that a worker began between losing their partition and hearing so: by the delivery
/// log, or because that has no line for one of their attempts, as no answer after a loss has.
fn unaware(truth: &Truth, losses: &[Loss]) -> HashSet<Delivery> {
    let within = |at: i64, loss: &Loss| (loss.at - UNAWARE..=loss.at + MARGIN).contains(&at);
    let mut lines: HashMap<Delivery, usize> = HashMap::new();
    let mut all = HashSet::new();
    for line in &truth.log {
        let Some(delivery) = truth.delivery_of(line) else { continue };
        *lines.entry(delivery).or_default() += 1;
        let by_it = |loss: &Loss, at| is_by(line, loss.pid) && within(at, loss);
        if started(line).is_some_and(|at| losses.iter().any(|loss| by_it(loss, at))) {
            all.insert(delivery);
        }
    }
    for (delivery, attempts) in &truth.attempts {
        let unlogged = attempts.len() > lines.get(delivery).copied().unwrap_or(0);
        let meets = |one: &Attempt| losses.iter().any(|loss| within(one.arrived, loss));
        if unlogged && attempts.iter().any(meets) {
            all.insert(*delivery);
        }
    }
    all
}
