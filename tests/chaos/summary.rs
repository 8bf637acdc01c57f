//! The figures of runs, summed up in a file, and where the next run begins.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{run::Round, storm::Weathered};

/// Sums over rounds of this run and, where a file keeps them, of earlier ones.
pub struct Summary {
    path: Option<PathBuf>,
    sums: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    violations: Vec<String>,
    late: Vec<i64>,
    next_round: u64,
}

impl Summary {
    /// Goes on where the file ends, if there is one.
    pub fn open(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let before: Value = serde_json::from_slice(&text).unwrap_or_default();
        let counts = |name: &str| {
            let all = before[name].as_object().into_iter().flatten();
            all.filter_map(|(key, count)| Some((key.clone(), count.as_u64()?))).collect()
        };
        let violations = before["violations"].as_array().into_iter().flatten();
        let violations = violations.filter_map(|one| Some(one.as_str()?.to_owned())).collect();
        let next_round = before["next_round"].as_u64().unwrap_or(0);
        let (sums, faults) = (counts("sums"), counts("faults"));
        Self { path, sums, faults, violations, late: Vec::new(), next_round }
    }

    /// The first round that no earlier run has played.
    pub fn next_round(&self) -> u64 {
        self.next_round
    }

    pub fn add(&mut self, number: u64, round: &Round) {
        for word in &round.faults {
            *self.faults.entry(word.clone()).or_default() += 1;
        }
        let millis = u64::try_from(round.healed.as_millis()).unwrap_or(u64::MAX);
        for (name, more) in [
            ("rounds", 1),
            ("events", round.events),
            ("attempts", round.attempts),
            ("dead_letters", round.dead_letters),
            ("commits_accepted", round.commits),
            ("faults", round.faults.len() as u64),
            ("fail_points_reached", round.reached),
            ("zombies", round.zombies),
            ("zombies_commits_accepted", round.late_commits),
            ("repeated", round.repeated.extra),
            ("repeats_allowed", round.repeated.allowed),
            ("lost", breaking(round, "L1")),
            ("l3_violations", breaking(round, "L3")),
        ] {
            *self.sums.entry(name.to_owned()).or_default() += more;
        }
        let worst = self.sums.entry("repeated_worst_round".to_owned()).or_default();
        if round.repeated.extra >= *worst {
            *worst = round.repeated.extra;
            self.sums.insert("repeats_allowed_in_it".to_owned(), round.repeated.allowed);
        }
        let slowest = self.sums.entry("healed_worst_millis".to_owned()).or_default();
        *slowest = (*slowest).max(millis);
        *self.sums.entry("healed_sum_millis".to_owned()).or_default() += millis;
        self.violations.extend(round.wrong.iter().map(|one| format!("round {number}: {one}")));
        self.late.extend(&round.late);
        self.next_round = self.next_round.max(number + 1);
        self.save();
    }

    pub fn add_storm(&mut self, storm: &Weathered) {
        let round = &storm.round;
        for (name, more) in [
            ("storm_runs", 1),
            ("storm_joined", storm.joined),
            ("storm_left", storm.left),
            ("storm_events", round.events),
            ("storm_attempts_again", round.again),
            ("storm_acknowledged_again", round.repeated.extra),
            ("lost", breaking(round, "L1")),
            ("l3_violations", breaking(round, "L3")),
        ] {
            *self.sums.entry(name.to_owned()).or_default() += more;
        }
        self.violations.extend(round.wrong.iter().map(|one| format!("storm: {one}")));
        self.save();
    }

    /// What people want to know.
    pub fn print(&mut self) {
        self.late.sort_unstable();
        let at = |share: usize| self.late.get(self.late.len().saturating_sub(1) * share / 100);
        let sum = |name: &str| self.sums.get(name).copied().unwrap_or(0);
        println!(
            "{} rounds, {} events, {} faults of {} kinds: lost {}, L3 {}, repeated {} of {} allowed, \
             healed within {} ms; retries late by p50 {:?} ms, p99 {:?} ms",
            sum("rounds"),
            sum("events"),
            sum("faults"),
            self.faults.len(),
            sum("lost"),
            sum("l3_violations"),
            sum("repeated"),
            sum("repeats_allowed"),
            sum("healed_worst_millis"),
            at(50),
            at(99),
        );
    }

    fn save(&self) {
        let Some(path) = &self.path else { return };
        let mut late = self.late.clone();
        late.sort_unstable();
        let at = |share: usize| late.get(late.len().saturating_sub(1) * share / 100);
        let sum = |name: &str| self.sums.get(name).copied().unwrap_or(0);
        // In thousandths, because all figures are whole.
        let mean = |of: &str, over: &str| 1_000 * sum(of) / sum(over).max(1);
        let text = json!({
            "next_round": self.next_round,
            "repeated_per_thousand_faults": mean("repeated", "faults"),
            "repeats_allowed_per_thousand_faults": mean("repeats_allowed", "faults"),
            "healed_mean_millis": sum("healed_sum_millis") / sum("rounds").max(1),
            "kinds": self.faults.len(),
            "faults": self.faults,
            "sums": self.sums,
            "late_millis_of_the_last_run": { "p50": at(50), "p99": at(99) },
            "violations": self.violations,
        });
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the summary");
        fs::write(path, format!("{text:#}\n")).expect("the summary");
    }
}

fn breaking(round: &Round, promise: &str) -> u64 {
    round.wrong.iter().filter(|one| one.starts_with(promise)).count() as u64
}
