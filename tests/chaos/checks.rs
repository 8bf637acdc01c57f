//! L1, L2, L5 and L6, of a round that has come to rest.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use paynotify::{kafka::reader::StoredRecord, model::Timestamp};
use serde_json::Value;

use super::{
    load::Published,
    truth::{Event, Origin, Routed, Truth},
};
use crate::support::receiver::Request;

/// L1: what was published is there, and everybody who wants it has it or it is a dead letter.
pub fn nothing_is_lost(truth: &Truth, published: &[Published], wrong: &mut Vec<String>) {
    for one in published.iter().filter(|one| one.acknowledged) {
        if !truth.ids.contains_key(&one.id) {
            wrong.push(format!("L1 {} was acknowledged to its publisher and is not there", one.id));
        }
    }
    for (origin, event) in &truth.events {
        let dead = |endpoint: Option<&str>| {
            truth.routed_of(*origin).iter().any(|one| {
                one.dead && (one.endpoint.is_none() || one.endpoint.as_deref() == endpoint)
            })
        };
        let Some(endpoints) = &event.endpoints else {
            if !dead(None) {
                wrong.push(format!("L1 {origin:?} is for nobody and no dead letter"));
            }
            continue;
        };
        for endpoint in endpoints {
            let attempts = truth.attempts_of(*origin, endpoint);
            if !dead(Some(endpoint)) && !attempts.iter().any(|one| one.acknowledged || one.perhaps)
            {
                let id = event.id.as_deref().unwrap_or_default();
                wrong.push(format!("L1 {id} of {origin:?} is lost for {endpoint}"));
            }
        }
    }
}

/// L2: everything was published, and is as it was.
pub fn nothing_is_invented(
    truth: &Truth,
    published: &[Published],
    requests: &[std::sync::Arc<Request>],
    wrong: &mut Vec<String>,
) {
    wrong.extend(truth.strays.iter().map(|stray| format!("L2 {stray}")));
    let sent: HashMap<&str, &str> =
        published.iter().map(|one| (one.id.as_str(), one.body.as_str())).collect();
    let mut keys = Signatures::new();
    for request in requests {
        let id = request.header("webhook-id").unwrap_or_default();
        if sent.get(id).is_some_and(|body| body.as_bytes() != request.body) {
            wrong.push(format!("L2 {id} reached {} altered", request.path));
        }
        if !keys.are_right(request) {
            wrong.push(format!("L2 {id} reached {} without a valid signature", request.path));
        }
    }
    for (origin, event) in &truth.events {
        let Some(id) = &event.id else { continue };
        let value = event.record.value.as_deref();
        if sent.get(id.as_str()).map(|body| body.as_bytes()) != value {
            wrong.push(format!("L2 {id} at {origin:?} is not what was published"));
        }
    }
}

/// L5: no attempt before it was due; gives how late those after the first were.
pub fn nothing_is_early(truth: &Truth, wrong: &mut Vec<String>) -> Vec<i64> {
    let mut late = Vec::new();
    let rested = rested(truth);
    for ((origin, endpoint), attempts) in &truth.attempts {
        for attempt in attempts {
            let due: Vec<i64> = truth
                .routed_of(*origin)
                .iter()
                .filter(|one| !one.dead && one.attempts + 1 == attempt.number)
                .filter(|one| one.endpoint.as_deref().is_none_or(|of| of == *endpoint))
                .map(|one| one.due)
                .collect();
            let accepted = truth.events[origin].record.appended.as_millis();
            // One that waited in memory is known from the delivery log, or from the request before;
            // where that one reached nobody and its worker is dead, nothing can be said.
            let before = attempts.iter().filter(|one| one.number + 1 == attempt.number);
            let logged = rested.get(&(*origin, *endpoint, attempt.number)).copied();
            let earliest = if attempt.number <= 1 {
                Some(accepted)
            } else {
                let interval = before.map(|one| one.arrived + 1_000).min();
                due.iter().copied().chain(interval).chain(logged).min()
            };
            let Some(earliest) = earliest else { continue };
            if attempt.arrived < earliest {
                wrong.push(format!(
                    "L5 attempt {} of {origin:?} for {endpoint} came {} ms early; due {due:?}",
                    attempt.number,
                    earliest - attempt.arrived
                ));
            }
            let last = due.iter().copied().filter(|due| *due <= attempt.arrived).max();
            late.extend(last.map(|due| attempt.arrived - due));
        }
    }
    late
}

/// When attempts were due that waited in memory, by their delivery and number.
fn rested(truth: &Truth) -> HashMap<(Origin, &'static str, u32), i64> {
    let of = |line: &Value| {
        let (origin, endpoint) = truth.delivery_of(line)?;
        let number = u32::try_from(line["attempt"].as_u64()? + 1).ok()?;
        let due = Timestamp::parse(line["due_at"].as_str()?).ok()?;
        line["next"].is_null().then_some(((origin, endpoint, number), due.as_millis()))
    };
    truth.log.iter().filter_map(of).collect()
}

/// L6: dead letters have the bytes and the coordinates of their event.
pub fn dead_letters_are_exact(truth: &Truth, wrong: &mut Vec<String>) -> usize {
    let dead = truth.routed.values().flatten().filter(|one| one.dead);
    let mut count = 0;
    for one in dead {
        count += 1;
        match truth.events.get(&one.origin) {
            None => wrong.push(format!("L6 a dead letter of {:?}, where no event is", one.origin)),
            Some(event) => {
                if let Some(why) = inexact(one, event) {
                    wrong.push(format!("L6 the dead letter of {:?}: {why}", one.origin));
                }
            }
        }
    }
    count
}

fn inexact(one: &Routed, event: &Event) -> Option<String> {
    let (letter, source) = (&one.record, &event.record);
    let truncated = letter.header("paynotify-truncated") == Some(b"true".as_slice());
    if letter.key != source.key {
        return Some("another key".to_owned());
    }
    if letter.value != source.value && !(truncated && letter.value.is_none()) {
        return Some("another value".to_owned());
    }
    let at = &source.coordinates;
    let coordinates = [
        ("topic", at.topic.to_string()),
        ("partition", at.partition.to_string()),
        ("offset", at.offset.to_string()),
    ];
    let differs = |(name, value): &(&str, String)| {
        text(letter, &format!("__dlq.errors.{name}")) != Some(value.as_str())
    };
    if let Some((name, value)) = coordinates.iter().find(|one| differs(one)) {
        return Some(format!("{name} is not {value}"));
    }
    let reason = text(letter, "paynotify-reason").unwrap_or_default();
    (!expected(event, reason)).then(|| format!("the reason {reason:?}"))
}

/// Whether an event of this kind can be given up for this reason.
fn expected(event: &Event, reason: &str) -> bool {
    match (&event.id, &event.endpoints) {
        (None, _) => ["undecodable", "invalid", "too_large"].contains(&reason),
        (Some(_), None) => reason == "unknown_merchant",
        (Some(_), Some(_)) => ["exhausted", "expired", "too_large"].contains(&reason),
    }
}

fn text<'a>(record: &'a StoredRecord, header: &str) -> Option<&'a str> {
    std::str::from_utf8(record.header(header)?).ok()
}

/// Checks signatures with the key that every merchant has.
struct Signatures(standardwebhooks::Webhook);

impl Signatures {
    fn new() -> Self {
        let key = crate::support::system::SECRET.trim_start_matches("whsec_");
        Self(standardwebhooks::Webhook::from_bytes(STANDARD.decode(key).unwrap()).unwrap())
    }

    fn are_right(&mut self, request: &Request) -> bool {
        let header = |name: &str| request.header(name).unwrap_or_default();
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let Ok(time) = time.parse::<i64>() else { return false };
        let signed = self.0.sign(id, time, &request.body);
        signed.is_ok_and(|signed| header("webhook-signature").split(' ').any(|one| one == signed))
    }
}

/// How often a merchant acknowledged each delivery, for sure.
pub fn acknowledged(truth: &Truth) -> HashMap<(Origin, &'static str), usize> {
    let count =
        |attempts: &[super::truth::Attempt]| attempts.iter().filter(|one| one.acknowledged).count();
    truth.attempts.iter().map(|(of, attempts)| (*of, count(attempts))).collect()
}

/// Attempts beyond the first of each delivery that was acknowledged.
pub fn again(truth: &Truth) -> u64 {
    let all = truth.attempts.values();
    let told = all.filter(|attempts| attempts.iter().any(|one| one.acknowledged));
    told.map(|attempts| attempts.len() as u64 - 1).sum()
}
