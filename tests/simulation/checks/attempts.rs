//! What must hold for each attempt, and when the next one may begin.

use paynotify::{
    engine::{Answer, Attempt, AttemptResult},
    model::{Rate, Source, Span, State, Timestamp},
};

use crate::{
    directory::{Owed, owed},
    worker::{ReadKey, Running},
    world::{START, World},
};

/// No `Retry-After` delays longer than a day.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(86_400);

/// What was taken of a lane's rate: a token bucket of our own.
#[derive(Debug, Default)]
pub struct LaneWatch {
    rate: Option<Rate>,
    /// When the bucket is full again, in nanoseconds since the world began.
    full_at: u128,
}

impl LaneWatch {
    /// Takes a token; false if there was none.
    fn take(&mut self, now: Timestamp, rate: Option<Rate>) -> bool {
        let now = u128::from(now.since(START).as_millis()) * 1_000_000;
        if self.rate != rate {
            (self.rate, self.full_at) = (rate, 0);
        }
        let Some(rate) = rate else { return true };
        let interval = u128::from(rate.interval_nanos());
        let had = self.full_at <= now + interval * u128::from(rate.burst() - 1);
        self.full_at = self.full_at.max(now) + interval;
        had
    }
}

impl World {
    /// An attempt is to begin.
    pub fn check_attempt(
        &mut self,
        worker: usize,
        attempt: &Attempt,
        key: ReadKey,
        lane: (usize, u8),
    ) {
        let (partition, epoch, offset) = key;
        let process = &self.workers[worker];
        let now = process.told;
        let (event, endpoint) = (process.reads[&key].event, lane.1);
        let truth = &self.ledger.events[event];
        let what = format!("evt_{event} for e{endpoint}, number {}", attempt.number);
        let same = truth.event.as_ref().is_ok_and(|known| **known == *attempt.event);
        if !same || *attempt.content != *truth.content {
            self.fail("L2", format!("{what}: not what was published"));
            return;
        }
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        let versions = &self.directory.merchants[truth.merchant];
        let wanted = versions.iter().any(|version| {
            matches!(owed(version.entry.as_deref(), &attempt.event), Owed::Endpoints(all) if all.contains(&endpoint))
        });
        if !wanted {
            broken.push(("L2", "nobody asked for it".to_owned()));
        }
        if process.held.get(&partition) != Some(&epoch) {
            broken.push(("epoch", format!("{partition} is not held under epoch {}", epoch.0)));
        }
        let revoking = process.revoking.as_ref();
        if revoking.is_some_and(|revoking| revoking.indexes.contains(&partition.index)) {
            broken.push(("revoke", format!("{partition} {offset} is being given back")));
        }
        if !process.signing {
            broken.push(("clock", "the clock cannot be trusted".to_owned()));
        }
        if let Source::Grade(grade) = partition.source {
            let due = process.reads[&key].appended + grade.delay();
            if now < due {
                broken.push(("L5", format!("{} before {partition} lets it go", due.since(now))));
            }
        }
        if let Some(due) = truth.not_before.get(&(endpoint, attempt.number))
            && now < *due
        {
            broken.push(("L5", format!("{} before it is due", due.since(now))));
        }
        let longest = versions
            .iter()
            .filter_map(|version| version.entry.as_ref())
            .flat_map(|entry| entry.endpoints.iter())
            .map(|one| one.policy.intervals.len() + 1)
            .max();
        let beyond = longest.is_none_or(|longest| attempt.number as usize > longest);
        // While the brake holds, an event at the end of its schedule is tried rather than given up.
        if attempt.number == 0 || (beyond && !self.was_braked()) {
            broken.push(("schedule", "more attempts than any schedule has".to_owned()));
        }
        let policy = &attempt.endpoint.policy;
        let running = process.attempts.values().filter(|one| one.lane == lane).count();
        if running >= policy.max_in_flight as usize {
            broken.push(("cap", format!("{running} run already")));
        }
        if process.attempts.len() >= self.plan.settings.max_in_flight {
            broken.push(("slots", format!("{} run already", process.attempts.len())));
        }
        if attempt.endpoint.state != State::Active || attempt.endpoint.disabled.is_some() {
            broken.push(("directory", "the endpoint is not active".to_owned()));
        }
        if !attempt.endpoint.can_sign(now) {
            broken.push(("directory", "nothing can be signed".to_owned()));
        }
        let rate = policy.rate;
        if !self.workers[worker].lanes.entry(lane).or_default().take(now, rate) {
            broken.push(("rate", format!("more than {rate:?}")));
        }
        let truth = &mut self.ledger.events[event];
        truth.first.entry(endpoint).or_insert(now);
        truth.attempts[usize::from(endpoint)] += 1;
        *truth.numbers.entry((endpoint, attempt.number)).or_default() += 1;
        for (invariant, why) in broken {
            self.fail(invariant, format!("w{worker} attempts {what}: {why}"));
        }
    }

    /// Whether the flood brake held in this world for some time.
    fn was_braked(&self) -> bool {
        ["attempts", "letters", "both"].iter().any(|name| self.coverage.count("braked", name) > 0)
    }

    /// An attempt ended: when the next one may begin.
    pub fn note_end(
        &mut self,
        worker: usize,
        running: &Running,
        result: &AttemptResult,
        acknowledged: bool,
    ) {
        if acknowledged {
            return;
        }
        let Running { read, event, endpoint, number, policy, .. } = running;
        if let Some(read) = self.workers[worker].reads.get_mut(read) {
            read.ended.retain(|(one, _)| one != endpoint);
            read.ended.push((*endpoint, *number));
        }
        let Some(interval) = policy.intervals.get(*number as usize - 1) else { return };
        let asked = match &result.answer {
            Answer::Response { retry_after, .. } => retry_after.unwrap_or(Span::ZERO),
            Answer::Failed(_) => Span::ZERO,
        };
        let due = result.ended + (*interval).max(asked.min(LONGEST_RETRY_AFTER));
        let braked = self.was_braked();
        let truth = &mut self.ledger.events[*event];
        let first = truth.first.get(endpoint).copied().unwrap_or(result.started);
        // Jitter may double the interval.
        if braked && due + *interval > first + policy.max_age {
            truth.not_before.remove(&(*endpoint, number + 1));
            return;
        }
        let not_before = &mut truth.not_before;
        let at = not_before.entry((*endpoint, number + 1)).or_insert(due);
        *at = due.min(*at);
    }
}
