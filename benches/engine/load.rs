//! An engine with a fixed number of living lanes, each with an attempt running: events come and are
//! acknowledged in turn.

use std::{
    collections::VecDeque,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use paynotify::{
    engine::{
        Answer, AttemptId, AttemptResult, BreakerSettings, Command, Content, Engine, Epoch,
        HoldBounds, Record, Settings,
    },
    envelope::Envelope,
    model::{
        Class, Coordinates, Dialect, Endpoint, EndpointId, Event, EventId, EventType, Ladder,
        Merchant, MerchantId, Offset, Partition, Policy, Revision, Source, Span, State, Timestamp,
    },
};

/// Time stands still: nothing expires, no attempt is slow.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const EPOCH: Epoch = Epoch(1);
const PARTITIONS: usize = 8;
/// Attempts running, where there are fewer lanes than that.
const IN_FLIGHT: usize = 256;
/// Records are made so many at a time, which is not measured.
const BATCH: u64 = 1_000;
/// Without a common factor with any number of lanes, so that neighbours are far from each other.
const STRIDE: usize = 7_919;

/// The engine, who runs, and what comes next.
pub struct Load {
    engine: Engine,
    merchants: Vec<MerchantId>,
    next: usize,
    offsets: [Offset; PARTITIONS],
    running: VecDeque<AttemptId>,
}

impl Load {
    /// With so many lanes.
    pub fn new(lanes: usize) -> Self {
        let mut engine = Engine::new(settings(lanes.max(IN_FLIGHT) + 1));
        for index in 0..PARTITIONS {
            let assigned = engine.handle_assigned(NOW, partition(index), EPOCH, Offset(0), None);
            assigned.expect("no map is given, so none is refused");
        }
        let merchants: Vec<_> = (0..lanes).map(id).collect();
        for merchant in &merchants {
            engine.handle_merchant(NOW, merchant, Some(Arc::new(entry(merchant))));
        }
        let offsets = [Offset(0); PARTITIONS];
        let mut load = Self { engine, merchants, next: 0, offsets, running: VecDeque::new() };
        for _ in 0..lanes.max(IN_FLIGHT) {
            let record = load.record();
            load.arrives(record);
        }
        assert_eq!(load.running.len(), lanes.max(IN_FLIGHT), "every lane has an attempt running");
        load
    }

    /// The time of so many events, from the record to the acknowledgement of one before it.
    pub fn run(&mut self, events: u64) -> Duration {
        let (mut left, mut took) = (events, Duration::ZERO);
        while left > 0 {
            let batch = left.min(BATCH);
            let records: Vec<_> = (0..batch).map(|_| self.record()).collect();
            let start = Instant::now();
            for record in records {
                self.arrives(record);
                self.acknowledge_oldest();
            }
            took += start.elapsed();
            left -= batch;
        }
        took
    }

    fn arrives(&mut self, record: Record) {
        self.engine.handle_record(NOW, EPOCH, record);
        self.execute();
    }

    fn acknowledge_oldest(&mut self) {
        let oldest = self.running.pop_front().expect("as many run as there are lanes");
        let answer = Answer::of_status(200);
        let result = AttemptResult { started: NOW, ended: NOW, answer, key_id: None };
        self.engine.handle_attempted(NOW, oldest, result);
        self.execute();
    }

    fn execute(&mut self) {
        while let Some(command) = self.engine.poll_command(NOW) {
            match command {
                Command::Attempt(attempt) => self.running.push_back(attempt.id),
                Command::Commit(commit) => self.engine.handle_committed(NOW, &commit, true),
                Command::Route(route) => unreachable!("all is acknowledged: {route:?}"),
                other => drop(black_box(other)),
            }
        }
    }

    fn record(&mut self) -> Record {
        let place = self.next;
        self.next = (self.next + STRIDE) % self.merchants.len();
        let index = place % PARTITIONS;
        let (merchant, offset) = (self.merchants[place].clone(), self.offsets[index]);
        self.offsets[index] = offset.next();
        let partition = partition(index);
        let topic = "payments.completions".into();
        let origin = Coordinates { topic, partition: partition.index, offset };
        let event = Event {
            id: EventId::parse(&format!("evt_{index}_{offset}")).expect("short, of plain letters"),
            kind: EventType::parse("payment.completed").expect("two words"),
            happened: NOW,
            merchant: merchant.clone(),
            resource: None,
            notify_url: None,
            body: Bytes::from_static(b"{}"),
        };
        Record {
            partition,
            offset,
            appended: NOW,
            content: Arc::new(Content {
                key: Some(Bytes::copy_from_slice(merchant.as_str().as_bytes())),
                value: Some(Bytes::from_static(b"{}")),
                headers: Vec::new(),
            }),
            envelope: Envelope::fresh(NOW, origin),
            event: Ok(Arc::new(event)),
        }
    }
}

/// The id of a merchant.
pub fn id(number: usize) -> MerchantId {
    MerchantId::parse(&format!("m_{number}")).expect("short, of plain letters")
}

fn partition(index: usize) -> Partition {
    let index = i32::try_from(index).expect("a few");
    Partition { source: Source::Completions, index }
}

/// Bounds that nothing here reaches: what is measured is the work for an event.
fn settings(in_flight: usize) -> Settings {
    Settings {
        cluster: "bench".to_owned(),
        ladder: Ladder::default(),
        max_in_flight: in_flight,
        max_suspects: in_flight,
        classes: vec![Class::standard()],
        breaker: BreakerSettings::default(),
        flood_brake: true,
        lane_records: 500,
        hold: HoldBounds {
            records: 2 * in_flight,
            bytes: usize::MAX / 2,
            with_directory: usize::MAX,
        },
        unknown_merchant_grace: Span::from_secs(3_600),
        longest_parking: Span::from_secs(1_800),
        commit_interval: Span::from_millis(200),
        commit_every: 500,
        commit_refresh: Span::from_secs(12 * 3_600),
    }
}

fn entry(id: &MerchantId) -> Merchant {
    let max_in_flight = u32::try_from(IN_FLIGHT).expect("a few") + 1;
    let endpoint = Endpoint {
        id: EndpointId::parse("ep_main").expect("short, of plain letters"),
        url: url::Url::parse("https://shop.example/hooks").expect("a URL"),
        state: State::Active,
        disabled: None,
        events: Vec::new(),
        policy: Policy { max_in_flight, dialect: Dialect::None, ..Policy::default() },
        authorization: None,
        certificate: None,
        secrets: Vec::new(),
    };
    Merchant {
        id: id.clone(),
        revision: Revision::NONE,
        name: "Bench".to_owned(),
        state: State::Active,
        notify_url_hosts: Vec::new(),
        endpoints: vec![Arc::new(endpoint)],
    }
}
