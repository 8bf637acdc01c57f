//! One line per attempt on the attempts topic (`contract`, section 6). Best effort: a full queue
//! drops lines and counts them, and never holds a delivery up.

use std::{fmt::Display, time::Duration};

use serde::{Serialize, Serializer};

use crate::{
    engine::{DeliveryOutcome, DeliveryReport, Destination},
    kafka::producer::Log,
    model::{
        Coordinates, EndpointId, Event, EventId, EventType, Header, MerchantId, Resource, Timestamp,
    },
    telemetry::labels,
};

/// Bytes of a line, so that it need not grow.
const USUAL_LINE: usize = 512;

/// The delivery log of a worker.
pub struct AttemptsLog {
    producer: Log,
    topic: String,
    worker: String,
    excerpts: bool,
}

impl AttemptsLog {
    pub fn new(producer: Log, topic: String, worker: String, excerpts: bool) -> Self {
        Self { producer, topic, worker, excerpts }
    }

    pub fn write(&self, report: &DeliveryReport) {
        let Some(event) = report.event() else {
            return;
        };
        let mut line = Vec::with_capacity(USUAL_LINE);
        // Strings and numbers always become JSON.
        if serde_json::to_writer(&mut line, &self.line(report, event)).is_ok() {
            self.producer.send(&self.topic, event.merchant.as_str().as_bytes(), &line);
        }
    }

    pub fn flush(self, deadline: Duration) {
        self.producer.flush(deadline);
    }

    fn line<'a>(&'a self, report: &'a DeliveryReport, event: &'a Event) -> Line<'a> {
        let answer = report.answer.as_ref();
        let excerpt = answer.and_then(|answer| answer.excerpt.as_deref());
        let answered = answer.is_some_and(|answer| answer.status.is_some());
        let envelope = &report.envelope;
        let next = report.next.as_ref().map(|next| match next {
            Destination::Grade(_) => "grade",
            Destination::DeadLetter(_) => "dlq",
        });
        let waits = report.outcome != DeliveryOutcome::Delivered && next != Some("dlq");
        Line {
            format: 1,
            event_id: &event.id,
            event_type: &event.kind,
            merchant_id: &event.merchant,
            endpoint_id: envelope.endpoint.as_ref(),
            origin: Shown(&envelope.origin),
            resource: event.resource.as_ref(),
            host: report.endpoint.as_ref().and_then(|endpoint| endpoint.url.host_str()),
            key_id: answer.and_then(|answer| answer.key_id.as_deref()),
            trace_id: trace_id(&report.record.content.headers),
            attempt: answer.map(|answer| answer.number),
            started_at: Shown(answer.map_or(report.at, |answer| answer.started)),
            duration_ms: answer.map(|answer| answer.took.as_millis()),
            outcome: labels::delivery(report.outcome),
            reason: report.reason,
            status: answer.and_then(|answer| answer.status),
            // Without an answer the words are ours.
            response_excerpt: excerpt.filter(|_| self.excerpts || !answered),
            next,
            due_at: envelope.due.filter(|_| waits).map(Shown),
            worker: &self.worker,
        }
    }
}

/// One record of the delivery log.
#[derive(Serialize)]
struct Line<'a> {
    format: u8,
    event_id: &'a EventId,
    event_type: &'a EventType,
    merchant_id: &'a MerchantId,
    endpoint_id: Option<&'a EndpointId>,
    origin: Shown<&'a Coordinates>,
    resource: Option<&'a Resource>,
    host: Option<&'a str>,
    key_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    attempt: Option<u32>,
    started_at: Shown<Timestamp>,
    duration_ms: Option<u64>,
    outcome: &'static str,
    reason: Option<&'static str>,
    status: Option<u16>,
    response_excerpt: Option<&'a str>,
    next: Option<&'static str>,
    due_at: Option<Shown<Timestamp>>,
    worker: &'a str,
}

/// Written as it is shown to people.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The trace id of a W3C `traceparent`.
fn trace_id(headers: &[Header]) -> Option<&str> {
    let (_, value) = headers.iter().find(|(name, _)| name == "traceparent")?;
    let text = std::str::from_utf8(value).ok()?;
    let id = text.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
