//! One line per attempt on the attempts topic (`contract`, section 6). Best effort: a full queue
//! drops lines and counts them, and never holds a delivery up.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    engine::{DeliveryOutcome, DeliveryReport, Destination},
    kafka::producer::Log,
    model::Header,
    telemetry::labels,
};

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
        let Some(merchant) = &report.merchant else {
            return;
        };
        let line = self.line(report).to_string();
        self.producer.send(&self.topic, merchant.as_str().as_bytes(), line.as_bytes());
    }

    pub fn flush(self, deadline: Duration) {
        self.producer.flush(deadline);
    }

    fn line(&self, report: &DeliveryReport) -> Value {
        let answer = report.answer.as_ref();
        let excerpt = answer.and_then(|answer| answer.excerpt.as_deref());
        let envelope = &report.envelope;
        let mut line = json!({
            "format": 1,
            "event_id": report.event.as_ref().map(|event| event.id.as_str()),
            "event_type": report.kind.as_ref().map(crate::model::EventType::as_str),
            "merchant_id": report.merchant.as_ref().map(crate::model::MerchantId::as_str),
            "endpoint_id": report.endpoint_id.as_ref().map(crate::model::EndpointId::as_str),
            "origin": envelope.origin.to_string(),
            "resource": report.event.as_ref().and_then(|event| event.resource.clone()),
            "host": report.endpoint.as_ref().and_then(|endpoint| endpoint.url.host_str()),
            "key_id": answer.and_then(|answer| answer.key_id.as_deref()),
            "trace_id": trace_id(&report.content.headers),
            "attempt": answer.map(|answer| answer.number),
            "started_at": answer.map_or(report.at, |answer| answer.started).to_string(),
            "duration_ms": answer.map(|answer| answer.took.as_millis()),
            "outcome": labels::delivery(report.outcome),
            "reason": report.reason,
            "status": answer.and_then(|answer| answer.status),
            "response_excerpt": excerpt.filter(|_| self.excerpts),
            "next": null,
            "due_at": null,
            "worker": self.worker,
        });
        match &report.next {
            Some(Destination::Grade(_)) => line["next"] = json!("grade"),
            Some(Destination::DeadLetter(_)) => line["next"] = json!("dlq"),
            None => {}
        }
        let waits = report.outcome != DeliveryOutcome::Delivered
            && !matches!(report.next, Some(Destination::DeadLetter(_)));
        if let Some(due) = envelope.due.filter(|_| waits) {
            line["due_at"] = json!(due.to_string());
        }
        line
    }
}

/// The trace id of a W3C `traceparent`.
fn trace_id(headers: &[Header]) -> Option<String> {
    let (_, value) = headers.iter().find(|(name, _)| name == "traceparent")?;
    let text = std::str::from_utf8(value).ok()?;
    let id = text.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
