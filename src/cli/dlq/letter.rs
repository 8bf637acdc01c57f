//! One dead letter, as far as it can be read: a broken one is shown too.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    envelope::DeadLetterView,
    kafka::reader::StoredRecord,
    model::{Coordinates, EndpointId, Timestamp},
};

/// Columns of a table.
pub(super) const HEADER: [&str; 9] =
    ["LETTER", "TIME", "MERCHANT", "ENDPOINT", "TYPE", "REASON", "ATTEMPTS", "STATE", "MESSAGE"];

/// A record of the dead-letter topic.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) at: Coordinates,
    pub(super) time: Timestamp,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    /// What our headers say, or why they cannot be read.
    pub(super) view: Result<DeadLetterView, String>,
    event: EventFields,
}

/// What is shown of the event, as far as it is there.
#[derive(Debug, Default, Deserialize)]
struct EventFields {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Letter {
    pub(super) fn read(read: StoredRecord) -> Self {
        let StoredRecord { coordinates: at, appended: time, key, value, headers } = read;
        let text = |name| {
            let found = headers.iter().find(|(header, _)| header == name);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        // A CloudEvent in binary mode has them in its headers.
        let event = match text("ce_type") {
            Some(kind) => EventFields { id: text("ce_id"), kind: Some(kind) },
            None => value
                .as_ref()
                .and_then(|value| serde_json::from_slice(value).ok())
                .unwrap_or_default(),
        };
        let view = DeadLetterView::read(headers).map_err(|error| error.to_string());
        Self { at, time, key, value, view, event }
    }

    pub(super) fn merchant(&self) -> Option<String> {
        self.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    pub(super) fn endpoint(&self) -> Option<&EndpointId> {
        self.view.as_ref().ok().and_then(|view| view.envelope.endpoint.as_ref())
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.event.kind.as_deref()
    }

    /// Cells of a table; `state` is that of its mark.
    pub(super) fn row(&self, state: Option<&str>, with_payload: bool) -> Vec<String> {
        let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let view = self.view.as_ref();
        let mut row = vec![
            self.at.to_string(),
            self.time.to_string(),
            dash(self.merchant().as_deref()),
            dash(self.endpoint().map(EndpointId::as_str)),
            dash(self.kind()),
            view.map_or("-".to_owned(), |view| format!("{} ({})", view.reason, view.class)),
            view.map_or("-".to_owned(), |view| view.envelope.attempts.to_string()),
            dash(state),
            view.map_or_else(|error| format!("unreadable: {error}"), |view| view.message.clone()),
        ];
        if with_payload {
            let value = self.value.as_ref();
            row.push(value.map_or_else(String::new, |v| String::from_utf8_lossy(v).into_owned()));
        }
        row
    }

    /// Every field; `state` is that of its mark.
    pub(super) fn json(&self, state: Option<&str>, with_payload: bool) -> Value {
        let mut record = json!({
            "letter": self.at.to_string(),
            "time": self.time,
            "merchant_id": self.merchant(),
            "event_id": self.event.id,
            "event_type": self.event.kind,
            "state": state,
        });
        match &self.view {
            Err(error) => record["unreadable"] = json!(error),
            Ok(view) => {
                let envelope = &view.envelope;
                record["endpoint_id"] = json!(envelope.endpoint);
                record["reason"] = json!(view.reason);
                record["class"] = json!(view.class);
                record["message"] = json!(view.message);
                record["attempts"] = json!(envelope.attempts);
                record["origin"] = json!(envelope.origin.to_string());
                record["accepted"] = json!(envelope.accepted);
                record["first_attempt"] = json!(envelope.first_attempt);
                record["last_attempt"] = json!(envelope.last_attempt);
                record["last_reason"] = json!(envelope.last_reason);
                record["last_status"] = json!(envelope.last_status);
                record["replay"] = json!(envelope.replay.as_ref().map(ToString::to_string));
                record["truncated"] = json!(view.truncated);
            }
        }
        if let Some(value) = self.value.as_ref().filter(|_| with_payload) {
            match std::str::from_utf8(value) {
                Ok(text) => record["payload"] = json!(text),
                Err(_) => record["payload_base64"] = json!(STANDARD.encode(value)),
            }
        }
        record
    }
}
