//! All that is known of a round that broke a promise, in one file, in order of time.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::{commits::Written, offsets::Entry, truth::Truth};

/// Writes it; gives where it is.
pub fn keep(name: &str, truth: &Truth, written: &[Written], workers: &[String]) -> PathBuf {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for (origin, event) in &truth.events {
        let at = event.record.appended.as_millis();
        lines.push((at, format!("event {origin:?} {:?} for {:?}", event.id, event.endpoints)));
    }
    for ((origin, endpoint), attempts) in &truth.attempts {
        for one in attempts {
            let answer = (one.answered, one.acknowledged, one.perhaps);
            let what = format!("attempt {} of {origin:?} {endpoint}: {answer:?}", one.number);
            lines.push((one.arrived, what));
        }
    }
    for one in truth.routed.values().flatten() {
        let (at, place) = (one.record.appended.as_millis(), &one.record.coordinates);
        let what = format!(
            "record {place} of {:?} {:?}, attempts {}, due {}, dead {}",
            one.origin, one.endpoint, one.attempts, one.due, one.dead
        );
        lines.push((at, what));
    }
    lines.extend(written.iter().map(|one| match &one.entry {
        Entry::Commit { topic, partition, position, metadata } => {
            (one.at, format!("commit {topic}/{partition} {position} {metadata}"))
        }
        Entry::Generation { number, members } => {
            (one.at, format!("generation {number} {members:?}"))
        }
    }));
    lines.sort();
    let mut text = String::new();
    for (at, line) in lines {
        writeln!(text, "{at} {line}").unwrap();
    }
    for line in &truth.log {
        writeln!(text, "log {line}").unwrap();
    }
    for log in workers {
        writeln!(text, "\n== a worker\n{log}").unwrap();
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{name}.txt"));
    fs::write(&path, text).unwrap();
    path
}
