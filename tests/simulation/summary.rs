//! The figures of a run, for people and as JSON.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::{order::Order, runs::Sums};

const HOUR: u64 = 3_600_000;

/// Prints what people want to know.
pub fn print(sums: &Sums) {
    println!(
        "{} seeds in {:.0} s: {} logical hours, {} steps, {} events, {} attempts, {} routes, \
         {} repeated of {} excused",
        sums.seeds,
        sums.took.as_secs_f64(),
        sums.millis / HOUR,
        sums.steps,
        sums.events,
        sums.attempts,
        sums.routes,
        sums.repeated,
        sums.allowed,
    );
    for (seed, violation) in &sums.violations {
        println!("seed {seed} breaks {}: {}", violation.invariant, violation.detail);
    }
}

/// Writes the figures of this run, and seeds, hours and broken promises of all runs up to now.
///
/// # Panics
/// Where the file cannot be written or is not what an earlier run wrote.
pub fn write(path: &Path, order: &Order, sums: &Sums) {
    let before: Value = fs::read(path)
        .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("an earlier summary"));
    let summed = |name: &str, now: u64| before["all_runs"][name].as_u64().unwrap_or(0) + now;
    let violations = sums.violations.len() as u64;
    let counts = |kind: &str| {
        let seen = sums.coverage.counts.iter().filter(|((of, _), _)| *of == kind);
        seen.map(|((_, name), count)| ((*name).to_owned(), json!(count))).collect::<Map<_, _>>()
    };
    let kinds: std::collections::BTreeSet<_> =
        sums.coverage.counts.keys().map(|(kind, _)| *kind).collect();
    let transitions: Map<String, Value> = kinds
        .into_iter()
        .filter(|kind| *kind != "fault")
        .map(|kind| (kind.to_owned(), counts(kind).into()))
        .collect();
    let pairs = sums.coverage.pairs.iter();
    let pairs: Map<String, Value> = pairs
        .map(|((one, other), count)| {
            (format!("{} with {}", one.word(), other.word()), json!(count))
        })
        .collect();
    let faults: Map<String, Value> = counts("fault")
        .into_iter()
        .map(|(kind, now)| {
            let earlier = before["all_runs"]["faults"][&kind].as_u64().unwrap_or(0);
            (kind, json!(earlier + now.as_u64().unwrap_or(0)))
        })
        .collect();
    let text = json!({
        "from": order.from,
        "seeds": sums.seeds,
        "seconds": sums.took.as_secs(),
        "logical_hours": sums.millis / HOUR,
        "events": sums.events,
        "attempts": sums.attempts,
        "routes": sums.routes,
        "repeated": sums.repeated,
        "repeats_excused": sums.allowed,
        "violations": sums.violations.iter().map(|(seed, violation)| {
            json!({"seed": seed, "invariant": violation.invariant, "detail": violation.detail})
        }).collect::<Vec<_>>(),
        "faults": counts("fault"),
        "transitions": transitions,
        "fault_pairs": pairs,
        "all_runs": {
            "next_seed": order.from + sums.seeds,
            "seeds": summed("seeds", sums.seeds),
            "logical_hours": summed("logical_hours", sums.millis / HOUR),
            "attempts": summed("attempts", sums.attempts),
            "repeated": summed("repeated", sums.repeated),
            "faults": faults,
            "violations": summed("violations", violations),
        },
    });
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the summary");
    fs::write(path, format!("{text:#}\n")).expect("the summary");
}
