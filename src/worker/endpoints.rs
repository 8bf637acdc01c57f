//! The health of endpoints: attempts told to it, its findings written to the endpoints topic, and
//! those of other workers read from there.

mod load;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::Worker;
use crate::{
    engine::{
        DeliveryOutcome, DeliveryReport, Ended, EndpointHealth, EndpointKey, Engine, FailReason,
        Finding, Patience,
    },
    kafka::{
        producer::{Delivered, Outgoing, Producer},
        reader::StoredRecord,
        table::TableInput,
    },
    merchant::{directory::Update, finding},
    model::{DisabledReason, MerchantId, Timestamp},
};

/// Tokens of findings are apart from those of routes, which count from 0.
const FIRST_TOKEN: u64 = 1 << 63;
/// Disabled endpoints that `/status` names.
const SHOWN: usize = 20;
/// HTTP says that an address is gone for good.
const GONE: u16 = 410;

/// What this worker knows of failing endpoints.
pub struct Endpoints {
    health: EndpointHealth,
    topic: String,
    worker: String,
    /// Names this run in the records that it writes, so that they are not taken for another's.
    run: Bytes,
    next_token: u64,
    /// Whether the directory has been read once.
    live: bool,
    writing: HashMap<u64, EndpointKey>,
}

impl Endpoints {
    pub fn new(patience: Patience, topic: String, worker: String, now: Timestamp) -> Self {
        let run = Bytes::from(format!("{worker}@{}", now.as_millis()));
        Self {
            health: EndpointHealth::new(patience),
            topic,
            worker,
            run,
            next_token: FIRST_TOKEN,
            live: false,
            writing: HashMap::new(),
        }
    }

    /// Takes a record of the topic; the merchant that it is about, unless it says nothing new.
    pub fn take(&mut self, record: &StoredRecord) -> Option<MerchantId> {
        let by = record.headers.iter().find(|(name, _)| name == finding::WRITER_HEADER);
        if by.is_some_and(|(_, run)| *run == self.run) {
            return None;
        }
        match finding::read(record.key.as_deref().unwrap_or_default(), record.value.as_deref()) {
            Ok((key, standing)) => {
                self.health.learn(&key, standing);
                Some(key.0)
            }
            // The record that asks the broker for its time.
            Err(finding::Error::Key(_)) if record.value.is_none() => None,
            Err(error) => {
                tracing::warn!(%error, at = %record.coordinates, "ignored on the endpoints topic");
                None
            }
        }
    }

    /// Applies one change of the directory; true when it says that everything was read once.
    pub fn apply(&mut self, engine: &mut Engine, update: Update, now: Timestamp) -> bool {
        match update {
            Update::Put(mut merchant) => {
                self.health.mark(&mut merchant);
                engine.handle_merchant(now, &merchant.id.clone(), Some(Arc::new(merchant)));
            }
            Update::Remove(id) => {
                // While it is read from its beginning, the merchant may be back further on.
                if self.live {
                    self.health.forget_merchant(now, &id);
                }
                engine.handle_merchant(now, &id, None);
            }
            Update::Refused(error) => {
                tracing::error!(%error, "an entry of the directory is refused; the one before it stays");
            }
            Update::Loaded => {
                self.live = true;
                return true;
            }
        }
        false
    }

    /// An attempt ended, well or badly; true when its endpoint is disabled from now on.
    pub fn attempted(&mut self, engine: &Engine, report: &DeliveryReport) -> Option<MerchantId> {
        let (ended, event) = (ended(report)?, report.event()?);
        if ended == Ended::Delivered && !self.health.knows(&event.merchant) {
            return None;
        }
        let endpoint = report.envelope.endpoint.clone()?;
        let merchant = engine.merchant(&event.merchant)?;
        // An event's own address is no endpoint of the entry, and nobody could enable it.
        if !merchant.endpoints.iter().any(|one| one.id == endpoint) {
            return None;
        }
        let key = (event.merchant.clone(), endpoint);
        let disabled = self.health.observe(report.at, &key, merchant.revision, ended);
        disabled.then_some(key.0)
    }

    /// Lets the engine know how this merchant's endpoints stand now.
    pub fn tell(&self, engine: &mut Engine, now: Timestamp, merchant: &MerchantId) {
        let Some(known) = engine.merchant(merchant) else { return };
        let mut marked = known.as_ref().clone();
        if self.health.mark(&mut marked) {
            engine.handle_merchant(now, merchant, Some(Arc::new(marked)));
        }
    }

    /// Writes some of what is due; more of it from [`Endpoints::next_due`] on.
    pub fn write_due(&mut self, producer: &Producer, now: Timestamp) {
        for finding in self.health.due(now) {
            self.write_one(producer, now, finding);
        }
    }

    /// When something has to be written, if anything has.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.health.next_due()
    }

    /// Writes everything, due or not: others go on from here.
    pub fn write_all(&mut self, producer: &Producer, now: Timestamp) {
        for finding in self.health.flush() {
            self.write_one(producer, now, finding);
        }
    }

    fn write_one(&mut self, producer: &Producer, now: Timestamp, (key, standing): Finding) {
        let (merchant, endpoint) = &key;
        let name = finding::key(merchant, endpoint);
        let value = standing
            .map(|standing| finding::value(merchant, endpoint, &standing, &self.worker, now));
        let token = self.next_token;
        self.next_token += 1;
        let sent = producer.send(&Outgoing {
            token,
            topic: &self.topic,
            partition: None,
            key: Some(name.as_bytes()),
            value: value.as_deref(),
            headers: vec![(finding::WRITER_HEADER.to_owned(), self.run.clone())],
        });
        match sent {
            Ok(()) => drop(self.writing.insert(token, key)),
            Err(error) => {
                tracing::warn!(endpoint = name, %error, "a finding cannot be written now; it is tried again");
                self.health.unwritten(now, &key);
            }
        }
    }

    /// The broker answered, if this is about a finding.
    pub fn written(&mut self, now: Timestamp, delivered: &Delivered) {
        let Some(key) = self.writing.remove(&delivered.token) else { return };
        if let Err(error) = &delivered.result {
            let endpoint = finding::key(&key.0, &key.1);
            tracing::warn!(endpoint, %error, "a finding was not written; it is tried again");
            self.health.unwritten(now, &key);
        }
    }

    /// What was on its way is lost.
    pub fn producer_lost(&mut self, now: Timestamp) {
        for key in std::mem::take(&mut self.writing).into_values() {
            self.health.unwritten(now, &key);
        }
    }

    /// How many endpoints are disabled now, and the first of them for people.
    pub fn describe(&self, engine: &Engine) -> (usize, Vec<Value>) {
        let current = |key: &EndpointKey, revision| {
            let merchant = engine.merchant(&key.0);
            merchant.is_some_and(|merchant| {
                merchant.revision == revision
                    && merchant.endpoints.iter().any(|endpoint| endpoint.id == key.1)
            })
        };
        let (mut count, mut shown) = (0, Vec::new());
        for (key, revision, disabled) in self.health.disabled() {
            if !current(key, revision) {
                continue;
            }
            count += 1;
            if shown.len() < SHOWN {
                let reason = match disabled.reason {
                    DisabledReason::Gone => "gone",
                    DisabledReason::Failing => "failing",
                };
                shown.push(json!({
                    "merchant": key.0, "endpoint": key.1, "reason": reason,
                    "since": disabled.since, "at": disabled.at,
                }));
            }
        }
        (count, shown)
    }
}

impl Worker {
    /// Takes what other workers found.
    pub(super) fn take_findings(&mut self, input: TableInput) -> Timestamp {
        let now = self.clock.now();
        if let TableInput::Changes(records) = input {
            for record in &records {
                if let Some(merchant) = self.endpoints.take(record) {
                    self.endpoints.tell(&mut self.engine, now, &merchant);
                }
            }
        }
        now
    }

    /// An attempt tells of its endpoint's health.
    pub(super) fn note_health(&mut self, report: &DeliveryReport, now: Timestamp) {
        let Some(merchant) = self.endpoints.attempted(&self.engine, report) else { return };
        let endpoint = report.envelope.endpoint.as_ref().map(ToString::to_string);
        tracing::warn!(%merchant, endpoint, "an endpoint is disabled: it answered only 410, or none of its attempts succeeded for too long; see `paynotify merchants enable`");
        self.endpoints.tell(&mut self.engine, now, &merchant);
    }
}

/// What an attempt says of the endpoint; nothing where none was made, or the fault is ours.
fn ended(report: &DeliveryReport) -> Option<Ended> {
    let answer = report.answer.as_ref()?;
    if !answer.counts || report.reason == Some(FailReason::NoSecret.as_str()) {
        return None;
    }
    Some(match (report.outcome, answer.status) {
        (DeliveryOutcome::Delivered, _) => Ended::Delivered,
        (_, Some(GONE)) => Ended::Gone,
        (_, Some(_)) => Ended::Answered,
        (_, None) => Ended::Unanswered,
    })
}
