//! More events for one endpoint than its lane holds, or for a class than may wait for its slots: they
//! pass over the ladder, and are delivered in the time that their number asks for.

use std::collections::{BTreeMap, VecDeque};

use super::scenario::*;
use crate::{engine::*, model::*};

const EVENTS: usize = 10_000;
/// The engine is asked so often; an attempt takes as long.
const STEP: Span = Span::from_millis(20);
/// An attempt that hangs ends after this.
const TIMEOUT: Span = Span::from_secs(10);
const LONGEST_PARKING: Span = Span::from_secs(120);

/// A worker, and topics that keep what is not read yet.
struct Queue {
    given: Scenario,
    topics: BTreeMap<Partition, VecDeque<Record>>,
    /// With the time at which each ends, and whether it is acknowledged then.
    running: Vec<(Timestamp, bool, Attempt)>,
    delivered: usize,
    routed: usize,
}

impl Queue {
    /// Events for one endpoint.
    fn of(policy: &Policy) -> Self {
        Self::with(settings(), &["acme".to_owned()], policy)
    }

    /// Events for these merchants in turn, with an endpoint each.
    fn with(settings: Settings, merchants: &[String], policy: &Policy) -> Self {
        let mut given = Scenario::with(Settings {
            lane_records: 500,
            longest_parking: LONGEST_PARKING,
            hold: HoldBounds { records: 1_000, bytes: 1 << 24, with_directory: usize::MAX },
            ..settings
        });
        for name in merchants {
            given.know(merchant(name, vec![endpoint("main", policy.clone())]));
        }
        let names = merchants.iter().cycle().take(EVENTS).enumerate();
        let fresh = names.map(|(at, name)| given.record(completions(0), offset(at), name, |_| ()));
        let topics = BTreeMap::from([(completions(0), fresh.collect())]);
        Self { given, topics, running: Vec::new(), delivered: 0, routed: 0 }
    }

    /// One step: records are read, attempts that have taken their time end, the broker takes routes. What
    /// begins now is acknowledged in the next step, or hangs until the timeout.
    fn step(&mut self, hangs: bool) {
        let given = &mut self.given;
        for partition in given.engine.status(given.now, 0).partitions {
            let waiting = self.topics.entry(partition.partition).or_default();
            // As the shell hands them over: some at a time, and none of a paused partition.
            for record in waiting.drain(..if partition.taking { waiting.len().min(100) } else { 0 })
            {
                given.engine.handle_record(given.now, Epoch(1), record);
            }
        }
        given.settle();
        let ends = given.now + if hangs { TIMEOUT } else { STEP };
        let begun = std::mem::take(&mut given.attempts).into_iter();
        self.running.extend(begun.map(|attempt| (ends, !hangs, attempt)));
        given.pass(STEP);
        let due = |(ends, ..): &mut (Timestamp, bool, Attempt)| given.now >= *ends;
        for (_, acknowledged, attempt) in self.running.extract_if(.., due).collect::<Vec<_>>() {
            let timeout = Answer::Failed(FailReason::Timeout);
            let answer = if acknowledged { Answer::of_status(200) } else { timeout };
            given.answer_with(attempt.id, answer);
            self.delivered += usize::from(acknowledged);
        }
        for route in std::mem::take(&mut given.routes) {
            let Destination::Grade(grade) = route.to else { panic!("given up: {route:?}") };
            given.routed(&route);
            self.routed += 1;
            let partition = Partition { source: Source::Grade(grade), index: 0 };
            let (envelope, at) = (route.envelope.clone(), offset(self.routed));
            let merchant = String::from_utf8(route.content.key.clone().unwrap().to_vec()).unwrap();
            let record = given.record(partition, at, &merchant, |own| *own = envelope);
            self.topics.entry(partition).or_default().push_back(record);
        }
    }

    /// All are delivered within so much time.
    #[track_caller]
    fn deliver_within(&mut self, most: Span) {
        let begun = self.given.now;
        while self.delivered < EVENTS {
            self.step(false);
            let (took, routed) = (self.given.now.since(begun), self.routed);
            assert!(took <= most, "{} delivered, {routed} routed after {took}", self.delivered);
        }
    }
}

fn offset(at: usize) -> Offset {
    Offset(i64::try_from(at).unwrap())
}

#[test]
fn events_for_a_limited_endpoint_are_all_delivered_in_about_their_number_by_the_rate() {
    let rate = Rate::parse(50.0, Some(50.0));
    let mut queue = Queue::of(&Policy { rate, max_in_flight: 1_000, ..policy(&[5]) });
    queue.deliver_within(seconds(EVENTS as u64 / 50 * 13 / 10));
    assert!(queue.routed <= 4 * EVENTS, "{} routes for {EVENTS} events", queue.routed);
}

#[test]
fn events_of_an_endpoint_that_hung_are_delivered_soon_after_the_longest_parking() {
    for hung in [20, 300] {
        let mut queue = Queue::of(&policy(&[5, 15, 30, 120, 120, 120]));
        while queue.given.now < START + seconds(hung) {
            queue.step(true);
        }
        // Eight at a time, each for a step.
        let drain = Span::from_millis(STEP.as_millis() * EVENTS as u64 / 8);
        queue.deliver_within(LONGEST_PARKING.plus(drain));
        assert!(queue.routed <= 7 * EVENTS, "{} routes for {EVENTS} events", queue.routed);
    }
}

#[test]
fn events_of_an_endpoint_of_which_nothing_is_known_wait_no_longer_than_they_take() {
    let mut queue = Queue::of(&policy(&[5]));
    queue.deliver_within(seconds(EVENTS as u64 / 100));
    assert!(queue.routed <= 10 * EVENTS, "{} routes for {EVENTS} events", queue.routed);
}

#[test]
fn a_flood_of_a_class_is_worked_off_at_the_pace_of_its_slots() {
    let class = |name: &str, reserved, most| Class {
        name: name.to_owned(),
        reserved,
        most,
        method: Method::Fair,
    };
    let classes = vec![class("bulk", 0, 4), class("gold", 4, 8)];
    let merchants: Vec<String> = (0..1_000).map(|at| format!("bulk-{at}")).collect();
    let settings = Settings { max_in_flight: 8, max_suspects: 8, classes, ..settings() };
    let mut queue = Queue::with(settings, &merchants, &policy(&[5]));
    // Four at a time, each for a step, and as long again for waves of which not all can be held.
    let alone = STEP.as_millis() * EVENTS as u64 / 4;
    queue.deliver_within(Span::from_millis(2 * alone));
    assert!(queue.routed <= 3 * EVENTS, "{} routes for {EVENTS} events", queue.routed);
}
