//! L3: no commit covers an offset whose delivery is neither acknowledged nor in a later record.

use std::collections::{BTreeSet, HashMap};

use paynotify::{engine::OffsetMap, model::Offset};

use super::{
    offsets::Entry,
    truth::{Origin, Routed, Truth},
};

/// An entry of the log of offsets, and when the coordinator wrote it.
pub struct Written {
    pub at: i64,
    pub entry: Entry,
}

/// What is committed, and what of it was found to be resolved. Kept over rounds.
#[derive(Default)]
pub struct Commits {
    cluster: String,
    pub partitions: HashMap<(String, i32), Committed>,
    pub accepted: u64,
}

/// One partition's last commit.
#[derive(Default, Clone)]
pub struct Committed {
    pub position: i64,
    pub beyond: BTreeSet<i64>,
}

impl Committed {
    pub fn covers(&self, offset: i64) -> bool {
        offset < self.position || self.beyond.contains(&offset)
    }
}

impl Commits {
    pub fn new(cluster: String) -> Self {
        Self { cluster, ..Self::default() }
    }

    /// Takes the next commit; gives what is wrong with it.
    pub fn take(&mut self, truth: &Truth, written: &Written) -> Vec<String> {
        let Entry::Commit { topic, partition, position, metadata } = &written.entry else {
            return Vec::new();
        };
        self.accepted += 1;
        let map = OffsetMap::decode(metadata, &self.cluster, Offset(*position)).unwrap_or_default();
        let beyond: BTreeSet<i64> =
            map.runs().iter().flat_map(|(first, end)| first.0..end.0).collect();
        let before = self.partitions.entry((topic.clone(), *partition)).or_default();
        let mut wrong = Vec::new();
        if *position < before.position {
            let from = before.position;
            wrong.push(format!(
                "L3 {topic}/{partition} is committed back from {from} to {position}"
            ));
        }
        let newly = (before.position..*position).chain(beyond.iter().copied());
        for offset in newly.filter(|offset| !before.beyond.contains(offset)) {
            if let Some(why) = unresolved(truth, topic, *partition, offset, written.at) {
                wrong.push(format!(
                    "L3 the commit of {topic}/{partition} at {position} ({}) covers {offset}: {why}",
                    written.at
                ));
            }
        }
        *before = Committed { position: *position, beyond };
        wrong
    }
}

/// Why this record was not resolved at that time.
fn unresolved(truth: &Truth, topic: &str, partition: i32, offset: i64, at: i64) -> Option<String> {
    let Some((origin, routed)) = truth.origin_of(topic, partition, offset) else {
        return Some("there is no such record".to_owned());
    };
    let Some(wanted) = truth.wanted(origin, routed) else {
        let lives = truth.routed_of(origin).iter().any(|one| follows(one, routed, at));
        return (!lives).then(|| format!("{origin:?} is in no later record"));
    };
    let open = wanted.into_iter().find(|endpoint| {
        !told(truth, origin, endpoint, at)
            && !truth.routed_of(origin).iter().any(|one| {
                one.endpoint.as_deref().is_none_or(|for_one| for_one == *endpoint)
                    && follows(one, routed, at)
            })
    });
    open.map(|endpoint| {
        let id = truth.events[&origin].id.as_deref().unwrap_or_default();
        format!("{id} of {origin:?} for {endpoint} is neither acknowledged nor in a later record")
    })
}

/// Whether a merchant acknowledged by then, for all that can be known.
fn told(truth: &Truth, origin: Origin, endpoint: &'static str, at: i64) -> bool {
    truth
        .attempts_of(origin, endpoint)
        .iter()
        .any(|one| (one.acknowledged || one.perhaps) && one.answered.is_some_and(|time| time <= at))
}

/// Whether `one` is a later record of the same delivery that was there by then.
fn follows(one: &Routed, of: Option<&Routed>, at: i64) -> bool {
    let appended = one.record.appended.as_millis();
    let later = of.is_none_or(|of| {
        let before = (of.record.appended.as_millis(), &of.record.coordinates);
        let same_topic = of.record.coordinates.topic == one.record.coordinates.topic;
        if before.0 == appended && same_topic {
            one.record.coordinates.offset > before.1.offset
        } else {
            appended >= before.0 && one.record.coordinates != *before.1
        }
    });
    later && appended <= at
}
