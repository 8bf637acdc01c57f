//! What is true about one round, put together from what everybody else wrote down: the publisher,
//! the merchants and the broker. Nothing here was said by a worker, but for the delivery log.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use paynotify::{
    kafka::{TopicNames, reader::StoredRecord},
    model::{Coordinates, Span, Timestamp},
};
use serde_json::Value;

use super::cast;
use crate::support::receiver::{Manner, Request};

/// Partition and offset on completions.
pub type Origin = (i32, i64);
/// A topic and partition and an offset in it.
pub type Place = (Arc<str>, i32, i64);

/// A record of completions.
pub struct Event {
    /// None where it is no event.
    pub id: Option<String>,
    /// Whom it is for; none where nobody knows.
    pub endpoints: Option<Vec<&'static str>>,
    /// Its merchant was elsewhere for a while, so that attempts were made which are in no notes.
    pub blind: bool,
    pub record: StoredRecord,
}

/// A record of the ladder, or a dead letter.
pub struct Routed {
    pub origin: Origin,
    pub endpoint: Option<String>,
    pub attempts: u32,
    pub parked: u32,
    /// In broker time: by its topic, and by its own word.
    pub due: i64,
    pub dead: bool,
    pub record: StoredRecord,
}

/// A request that a merchant got.
pub struct Attempt {
    pub number: u32,
    /// In milliseconds by the clock of this machine, which is the brokers' too.
    pub arrived: i64,
    /// When a whole answer began to go out, if one did.
    pub answered: Option<i64>,
    /// That answer acknowledged, and the worker is bound to have read it.
    pub acknowledged: bool,
    /// Nobody can tell whether the worker read the acknowledgement.
    pub perhaps: bool,
}

/// One delivery's attempts, in order of arrival.
pub type Attempts = Vec<Attempt>;

/// The round.
pub struct Truth {
    pub events: BTreeMap<Origin, Event>,
    pub ids: HashMap<String, Origin>,
    pub attempts: HashMap<(Origin, &'static str), Attempts>,
    /// By origin, in order of append times.
    pub routed: HashMap<Origin, Vec<Routed>>,
    /// Records of the ladder by their place.
    pub ladder: HashMap<Place, (Origin, usize)>,
    /// Lines of the delivery log.
    pub log: Vec<Value>,
    /// What belongs to nothing that is known.
    pub strays: Vec<String>,
    completions: String,
}

impl Truth {
    /// Puts everything in its place.
    pub fn new(
        topics: &TopicNames,
        records: Vec<StoredRecord>,
        requests: &[Arc<Request>],
        moved: &[String],
    ) -> Self {
        let mut truth = Self {
            events: BTreeMap::new(),
            ids: HashMap::new(),
            attempts: HashMap::new(),
            routed: HashMap::new(),
            ladder: HashMap::new(),
            log: Vec::new(),
            strays: Vec::new(),
            completions: topics.completions(),
        };
        let (dead_letters, log) = (topics.dead_letters(), topics.attempts());
        let grades = format!("{}.delay.", truth.completions);
        for record in records {
            let topic = Arc::clone(&record.coordinates.topic);
            if *topic == *truth.completions {
                truth.enter(record, moved);
            } else if *topic == *log {
                let line = record.value.as_deref().unwrap_or_default();
                truth.log.extend(serde_json::from_slice::<Value>(line));
            } else if *topic == *dead_letters {
                truth.route(record, None);
            } else if let Some(grade) = topic.strip_prefix(&grades) {
                truth.route(record, Span::parse(grade).ok());
            }
        }
        truth.index();
        for request in requests {
            truth.attempt(request);
        }
        for attempts in truth.attempts.values_mut() {
            attempts.sort_by_key(|one| one.arrived);
        }
        truth.forget_unheard();
        truth
    }

    /// Where an event or a record of the ladder came from.
    pub fn origin_of(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Option<(Origin, Option<&Routed>)> {
        if topic == self.completions {
            let origin = (partition, offset);
            return self.events.contains_key(&origin).then_some((origin, None));
        }
        let (origin, index) = self.ladder.get(&(Arc::from(topic), partition, offset))?;
        Some((*origin, Some(&self.routed[origin][*index])))
    }

    /// Whom a record is for: one endpoint, or all of its event's; none where only a route can
    /// resolve it.
    pub fn wanted(&self, origin: Origin, routed: Option<&Routed>) -> Option<Vec<&'static str>> {
        let all = self.events.get(&origin)?.endpoints.clone()?;
        match routed.and_then(|routed| routed.endpoint.as_deref()) {
            Some(one) => Some(all.into_iter().filter(|endpoint| *endpoint == one).collect()),
            None => Some(all),
        }
    }

    /// The delivery of a line of the delivery log.
    pub fn delivery_of(&self, line: &Value) -> Option<(Origin, &'static str)> {
        let origin = self.ids.get(line["event_id"].as_str()?)?;
        Some((*origin, if line["endpoint_id"] == "audit" { "audit" } else { "main" }))
    }

    pub fn attempts_of(&self, origin: Origin, endpoint: &'static str) -> &[Attempt] {
        self.attempts.get(&(origin, endpoint)).map_or(&[], Vec::as_slice)
    }

    pub fn routed_of(&self, origin: Origin) -> &[Routed] {
        self.routed.get(&origin).map_or(&[], Vec::as_slice)
    }

    fn enter(&mut self, record: StoredRecord, moved: &[String]) {
        let origin = (record.coordinates.partition, record.coordinates.offset.0);
        let value = record.value.as_deref().unwrap_or_default();
        let parsed: Option<Value> = serde_json::from_slice(value).ok();
        let text = |name: &str| Some(parsed.as_ref()?[name].as_str()?.to_owned());
        let (id, merchant) = (text("id"), text("merchant_id").unwrap_or_default());
        let keyed = record.key.as_deref() == Some(merchant.as_bytes());
        let id = id.filter(|_| keyed && value.len() <= 256 * 1024);
        let endpoints = id.as_ref().and_then(|_| cast::endpoints(&merchant)).map(<[_]>::to_vec);
        if let Some(id) = &id
            && self.ids.insert(id.clone(), origin).is_some()
        {
            self.strays.push(format!("{id} is on completions twice"));
        }
        self.events
            .insert(origin, Event { id, endpoints, blind: moved.contains(&merchant), record });
    }

    fn route(&mut self, record: StoredRecord, delay: Option<Span>) {
        let text = |name: &str| std::str::from_utf8(record.header(name)?).ok();
        let origin = text("paynotify-origin").and_then(|text| Coordinates::parse(text).ok());
        let Some(origin) = origin else {
            return self.strays.push(format!("{} has no origin", record.coordinates));
        };
        let number = |name: &str| text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let by_topic =
            record.appended.as_millis() + delay.map_or(0, |delay| delay.as_millis().cast_signed());
        let said = text("paynotify-due").and_then(|text| Timestamp::parse(text).ok());
        let routed = Routed {
            origin: (origin.partition, origin.offset.0),
            endpoint: text("paynotify-endpoint").map(str::to_owned),
            attempts: number("paynotify-attempts"),
            parked: number("paynotify-parked"),
            due: said.map_or(by_topic, |said| said.as_millis().max(by_topic)),
            dead: delay.is_none(),
            record,
        };
        self.routed.entry(routed.origin).or_default().push(routed);
    }

    fn index(&mut self) {
        for (origin, all) in &mut self.routed {
            all.sort_by_key(|one| {
                (one.record.appended.as_millis(), one.record.coordinates.offset.0)
            });
            for (index, one) in all.iter().enumerate() {
                let at = &one.record.coordinates;
                self.ladder
                    .insert((Arc::clone(&at.topic), at.partition, at.offset.0), (*origin, index));
            }
        }
    }

    fn attempt(&mut self, request: &Request) {
        let id = request.header("webhook-id").unwrap_or_default();
        let Some(origin) = self.ids.get(id) else {
            return self
                .strays
                .push(format!("{id} was told to {} and never published", request.path));
        };
        let (_, endpoint) = cast::addressee(&request.path);
        let answered = request.answered.get().copied().map(millis);
        let whole = answered.is_some();
        self.attempts.entry((*origin, endpoint)).or_default().push(Attempt {
            number: request.header("paynotify-attempt").and_then(|n| n.parse().ok()).unwrap_or(0),
            arrived: millis(request.arrived_at),
            answered,
            acknowledged: whole && cast::acknowledges(request.manner),
            perhaps: whole && matches!(request.manner, Manner::ResetAfter(_)),
        });
    }

    /// An acknowledgement that came too late for its attempt, or broke off, was not heard: the
    /// delivery log says so. Then nobody can tell more than where no whole answer came.
    fn forget_unheard(&mut self) {
        let log = std::mem::take(&mut self.log);
        for line in &log {
            let reason = line["reason"].as_str().unwrap_or_default();
            if !["timeout", "reset", "connect"].contains(&reason) {
                continue;
            }
            let (Some(delivery), Some(number)) = (self.delivery_of(line), line["attempt"].as_u64())
            else {
                continue;
            };
            for attempt in self.attempts.get_mut(&delivery).into_iter().flatten() {
                if u64::from(attempt.number) == number && attempt.acknowledged {
                    attempt.acknowledged = false;
                    attempt.perhaps = true;
                }
            }
        }
        self.log = log;
    }
}

/// Milliseconds as the broker counts them.
pub fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
