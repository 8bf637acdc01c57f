//! Given records, when answers, then commands: the vocabulary of the engine's tests.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use crate::{engine::*, envelope::Envelope, event::Undecodable, model::*};

/// The start of every scenario.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// More of anything in one test is a loop without an end.
const MANY: i64 = 200_000;

/// An engine, its clock, and what it has said and is still owed.
pub struct Scenario {
    pub engine: Engine,
    pub now: Timestamp,
    next_offset: BTreeMap<Partition, i64>,
    pub attempts: Vec<Attempt>,
    pub routes: Vec<Route>,
    pub commits: Vec<Commit>,
    pub paused: Vec<Partition>,
    pub resumed: Vec<Partition>,
    pub reports: Vec<Report>,
}

pub fn seconds(count: u64) -> Span {
    Span::from_secs(count)
}

pub fn completions(index: i32) -> Partition {
    Partition { source: Source::Completions, index }
}

pub fn grade(delay: u64) -> Grade {
    Grade::new(seconds(delay))
}

pub fn on_grade(delay: u64, index: i32) -> Partition {
    Partition { source: Source::Grade(grade(delay)), index }
}

pub fn settings() -> Settings {
    let delays = [5, 15, 30, 120, 600, 1_800].into_iter().map(Span::from_secs).collect();
    Settings {
        cluster: "test-cluster".to_owned(),
        ladder: Ladder::new(delays).unwrap(),
        max_in_flight: 100,
        max_suspects: 100,
        classes: vec![Class::standard()],
        breaker: BreakerSettings::default(),
        flood_brake: true,
        lane_records: 100,
        hold: HoldBounds { records: 100, bytes: 1 << 20, with_directory: usize::MAX },
        unknown_merchant_grace: seconds(3_600),
        longest_parking: seconds(1_800),
        commit_interval: Span::from_millis(200),
        commit_every: 500,
        commit_refresh: seconds(12 * 3_600),
    }
}

pub fn policy(intervals: &[u64]) -> Policy {
    Policy {
        intervals: intervals.iter().copied().map(Span::from_secs).collect(),
        max_age: seconds(96 * 3_600),
        jitter: Jitter::NONE,
        timeout: seconds(10),
        http2: false,
        max_in_flight: 8,
        rate: None,
        weight: Weight::ONE,
        class: ClassId::default(),
        acknowledge: Acknowledge::default(),
        dialect: Dialect::None,
        headers: Vec::new(),
    }
}

pub fn one_at_a_time() -> Policy {
    Policy { max_in_flight: 1, ..policy(&[5]) }
}

pub fn endpoint(id: &str, policy: Policy) -> Endpoint {
    Endpoint {
        id: EndpointId::parse(id).unwrap(),
        url: url::Url::parse("https://shop.example/hooks").unwrap(),
        state: State::Active,
        disabled: None,
        events: Vec::new(),
        policy,
        authorization: None,
        certificate: None,
        secrets: Vec::new(),
    }
}

pub fn merchant(id: &str, endpoints: Vec<Endpoint>) -> Merchant {
    Merchant {
        id: MerchantId::parse(id).unwrap(),
        revision: Revision::NONE,
        name: id.to_owned(),
        state: State::Active,
        notify_url_hosts: Vec::new(),
        endpoints: endpoints.into_iter().map(Arc::new).collect(),
    }
}

impl Scenario {
    /// Holds completions and every grade of partition 0, and knows merchant `acme` with endpoint
    /// `main` and retries after 5, 15 and 30 seconds.
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let grades: Vec<Grade> = settings.ladder.grades().to_vec();
        let mut scenario = Self::bare(settings);
        scenario.assign(completions(0), 1);
        for one in grades {
            scenario.assign(Partition { source: Source::Grade(one), index: 0 }, 1);
        }
        scenario.know(merchant("acme", vec![endpoint("main", policy(&[5, 15, 30]))]));
        scenario.pass(Span::ZERO);
        scenario.committed(completions(0));
        scenario.resumed.clear();
        scenario
    }

    pub fn bare(settings: Settings) -> Self {
        Self {
            engine: Engine::new(settings),
            now: START,
            next_offset: BTreeMap::new(),
            attempts: Vec::new(),
            routes: Vec::new(),
            commits: Vec::new(),
            paused: Vec::new(),
            resumed: Vec::new(),
            reports: Vec::new(),
        }
    }

    pub fn assign(&mut self, partition: Partition, epoch: u64) {
        let offset = Offset(*self.next_offset.entry(partition).or_default());
        self.engine.handle_assigned(self.now, partition, Epoch(epoch), offset, None).unwrap();
        self.settle();
    }

    pub fn know(&mut self, merchant: Merchant) {
        let id = merchant.id.clone();
        self.engine.handle_merchant(self.now, &id, Some(Arc::new(merchant)));
    }

    pub fn forget(&mut self, merchant: &str) {
        let id = MerchantId::parse(merchant).unwrap();
        self.engine.handle_merchant(self.now, &id, None);
        self.settle();
    }

    /// The next record on a partition, under the first assignment.
    pub fn read(&mut self, partition: Partition, merchant: &str) -> Offset {
        let offset = Offset(*self.next_offset.entry(partition).or_default());
        assert!(offset.0 < MANY, "nothing stops the reading");
        self.read_at(partition, 1, offset, merchant, |_| ());
        offset
    }

    /// A record with an envelope of its own, as the ladder carries it.
    pub fn read_at(
        &mut self,
        partition: Partition,
        epoch: u64,
        offset: Offset,
        merchant: &str,
        envelope: impl FnOnce(&mut Envelope),
    ) {
        let record = self.record(partition, offset, merchant, envelope);
        self.next_offset.insert(partition, offset.0 + 1);
        self.engine.handle_record(self.now, Epoch(epoch), record);
        self.settle();
    }

    pub fn record(
        &self,
        partition: Partition,
        offset: Offset,
        merchant: &str,
        change: impl FnOnce(&mut Envelope),
    ) -> Record {
        let mut envelope = fresh_envelope(self.now, partition, offset);
        change(&mut envelope);
        let id = format!("evt_{}_{offset}", partition.index);
        let event = Event {
            id: EventId::parse(&id).unwrap(),
            kind: EventType::parse("payment.completed").unwrap(),
            happened: self.now,
            merchant: MerchantId::parse(merchant).unwrap(),
            resource: None,
            notify_url: None,
            body: Bytes::from_static(b"{}"),
        };
        Record {
            partition,
            offset,
            appended: self.now,
            content: Arc::new(Content {
                key: Some(Bytes::copy_from_slice(merchant.as_bytes())),
                value: Some(Bytes::from_static(b"{}")),
                headers: Vec::new(),
            }),
            envelope,
            event: Ok(Arc::new(event)),
        }
    }

    pub fn read_garbage(&mut self, partition: Partition) -> Offset {
        let offset = Offset(*self.next_offset.entry(partition).or_default());
        self.next_offset.insert(partition, offset.0 + 1);
        let mut record = self.record(partition, offset, "acme", |_| ());
        record.event = Err(Undecodable::NoEvent("not JSON".to_owned()));
        self.engine.handle_record(self.now, Epoch(1), record);
        self.settle();
        offset
    }

    /// Gives the routed record back as its topic would: on the same partition number.
    pub fn return_route(&mut self, route: &Route) {
        let Destination::Grade(grade) = &route.to else { panic!("not on the ladder: {route:?}") };
        let partition = Partition { source: Source::Grade(*grade), index: route.index };
        let offset = Offset(*self.next_offset.entry(partition).or_default());
        let merchant = String::from_utf8(route.content.key.clone().unwrap().to_vec()).unwrap();
        let envelope = route.envelope.clone();
        self.read_at(partition, 1, offset, &merchant, |own| *own = envelope);
    }

    /// Time passes; every timer on the way fires at its time.
    pub fn pass(&mut self, span: Span) {
        let end = self.now + span;
        let mut timers = 0..MANY;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            timers.next().expect("timers end");
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
        self.engine.handle_timeout(self.now);
        self.settle();
    }

    pub fn answer(&mut self, attempt: AttemptId, status: u16) {
        let answer = Answer::of_status(status);
        self.answer_with(attempt, answer);
    }

    pub fn answer_with(&mut self, attempt: AttemptId, answer: Answer) {
        let result = AttemptResult { started: self.now, ended: self.now, answer, key_id: None };
        self.engine.handle_attempted(self.now, attempt, result);
        self.settle();
    }

    /// Takes the oldest attempt that was not looked at.
    pub fn attempt(&mut self) -> Attempt {
        assert!(!self.attempts.is_empty(), "an attempt was expected");
        self.attempts.remove(0)
    }

    /// Takes the oldest route that was not looked at.
    pub fn route(&mut self) -> Route {
        assert!(!self.routes.is_empty(), "a route was expected");
        self.routes.remove(0)
    }

    pub fn routed(&mut self, route: &Route) {
        self.engine.handle_routed(self.now, route.id, Ok(()));
        self.settle();
    }

    pub fn route_failed(&mut self, route: &Route, failure: RouteFailure) {
        self.engine.handle_routed(self.now, route.id, Err(failure));
        self.settle();
    }

    /// The broker accepts every commit that was asked for; returns the positions of one partition.
    pub fn committed(&mut self, partition: Partition) -> Vec<Offset> {
        let commits = std::mem::take(&mut self.commits);
        for commit in &commits {
            self.engine.handle_committed(self.now, commit, true);
        }
        self.settle();
        let of_it = commits.iter().filter(|commit| commit.partition == partition);
        of_it.map(|commit| commit.position).collect()
    }

    pub fn settle(&mut self) {
        let mut commands = 0..MANY;
        while let Some(command) = self.engine.poll_command(self.now) {
            commands.next().expect("commands end");
            match command {
                Command::Attempt(attempt) => self.attempts.push(attempt),
                Command::Route(route) => self.routes.push(*route),
                Command::Commit(commit) => self.commits.push(commit),
                Command::Pause(partition) => self.paused.push(partition),
                Command::Resume(partition) => self.resumed.push(partition),
                Command::Report(report) => self.reports.push(report),
            }
        }
    }
}

pub fn fresh_envelope(now: Timestamp, partition: Partition, offset: Offset) -> Envelope {
    let topic = "payments.completions".into();
    Envelope::fresh(now, Coordinates { topic, partition: partition.index, offset })
}

pub fn dead(route: &Route) -> &DeadLetter {
    match &route.to {
        Destination::DeadLetter(dead) => dead,
        Destination::Grade(grade) => panic!("a dead letter was expected, not grade {grade}"),
    }
}
