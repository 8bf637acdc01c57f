//! Reads what is new in every topic, `__consumer_offsets` included, and whether everything rests.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use paynotify::{kafka::reader::StoredRecord, model::Grade};
use rdkafka::{
    ClientConfig, Message, Offset as Position, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::support::system::System;

const OFFSETS: &str = "__consumer_offsets";
const DEADLINE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);

/// Stands at the end of what was read.
pub struct Tail {
    bootstrap: String,
    group: String,
    /// Has the id of the group and is no member. One that was refused is made anew: librdkafka may
    /// keep to a coordinator that is no more, and to a broker that left and came back.
    watcher: BaseConsumer,
    next: BTreeMap<(String, i32), i64>,
    worked: TopicPartitionList,
}

impl Tail {
    /// Stands at the beginning of everything.
    pub fn new(system: &System) -> Self {
        let topics = system.topics();
        let grades = system.grades.iter().map(|delay| topics.grade(Grade::new(*delay)));
        let worked: Vec<_> = std::iter::once(topics.completions()).chain(grades).collect();
        let more = [topics.dead_letters(), topics.attempts()];
        let mut next = BTreeMap::from([((OFFSETS.to_owned(), 0), 0)]);
        for topic in worked.iter().chain(&more) {
            next.extend((0..system.partitions).map(|index| ((topic.clone(), index), 0)));
        }
        let mut list = TopicPartitionList::new();
        for topic in &worked {
            list.add_partition_range(topic, 0, system.partitions - 1);
        }
        Self {
            bootstrap: system.bootstrap.clone(),
            group: system.prefix.clone(),
            watcher: client(&system.bootstrap, &system.prefix),
            next,
            worked: list,
        }
    }

    /// Everything that was written since the last call, each topic in the order of its partitions.
    pub fn read(&mut self) -> Vec<StoredRecord> {
        let mut assignment = TopicPartitionList::new();
        let mut ends = BTreeMap::new();
        for ((topic, index), next) in self.next.clone() {
            let end = self.end(&topic, index);
            if end > next {
                assignment.add_partition_offset(&topic, index, Position::Offset(next)).unwrap();
                ends.insert((topic, index), end);
            }
        }
        let reader = client(&self.bootstrap, "ledger");
        reader.assign(&assignment).unwrap();
        let deadline = Instant::now() + DEADLINE;
        let mut records = Vec::new();
        while !ends.is_empty() {
            assert!(Instant::now() < deadline, "the ends {ends:?} are not reached");
            let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) else { continue };
            let place = (message.topic().to_owned(), message.partition());
            let next = message.offset() + 1;
            // What came after the end was asked for is read the next time.
            if ends.get(&place).is_some_and(|end| next <= *end) {
                records.push(StoredRecord::of(&message.topic().into(), &message));
                self.next.insert(place.clone(), next);
                if ends[&place] == next {
                    ends.remove(&place);
                }
            }
        }
        records
    }

    /// Whether completions and ladder are committed to their ends. Commits are asked for first: what
    /// is on its way from one topic to another is then seen as the end of neither.
    pub fn is_at_rest(&mut self) -> bool {
        let rests = self.rests();
        if rests.is_none() {
            self.watcher = client(&self.bootstrap, &self.group);
        }
        rests.unwrap_or(false)
    }

    /// Nothing, where nobody knows.
    fn rests(&self) -> Option<bool> {
        let committed = self.watcher.committed_offsets(self.worked.clone(), ANSWER).ok()?;
        for entry in committed.elements() {
            entry.error().ok()?;
            let (topic, index) = (entry.topic(), entry.partition());
            let (_, end) = self.watcher.fetch_watermarks(topic, index, ANSWER).ok()?;
            if end != entry.offset().to_raw().unwrap_or(0).max(0) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Where each partition stands and ends, for what is said of a group that does not rest.
    pub fn lag(&self) -> Vec<String> {
        let Ok(committed) = self.watcher.committed_offsets(self.worked.clone(), ANSWER) else {
            return vec!["nobody answers".to_owned()];
        };
        let told = committed.elements().into_iter().filter_map(|entry| {
            let (topic, index) = (entry.topic(), entry.partition());
            let (_, end) = self.watcher.fetch_watermarks(topic, index, ANSWER).ok()?;
            let at = entry.offset().to_raw().unwrap_or(0).max(0);
            (at != end).then(|| format!("{topic}/{index}: {at} of {end}"))
        });
        told.collect()
    }

    fn end(&mut self, topic: &str, index: i32) -> i64 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.watcher.fetch_watermarks(topic, index, ANSWER) {
                Ok((_, end)) => return end,
                Err(error) => assert!(Instant::now() < deadline, "{topic}/{index}: {error}"),
            }
            self.watcher = client(&self.bootstrap, &self.group);
        }
    }
}

fn client(bootstrap: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.fast.interval.ms", "50")
        .create()
        .unwrap()
}
