//! `CloudEvents` 1.0 on Kafka, binary and structured: the body is made from the attributes.

use std::borrow::Cow;

use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Undecodable, field};
use crate::model::{Event, EventId, EventType, Header, MerchantId, Resource, Timestamp};

/// Where the attributes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In `ce_*` headers; the value is the data.
    Binary,
    /// In the value, one JSON object.
    Structured,
}

/// The attributes that paynotify looks at.
struct Attributes<'a> {
    specversion: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
}

/// What the merchant receives.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a EventId,
    #[serde(rename = "type")]
    kind: &'a EventType,
    timestamp: &'a str,
    merchant_id: &'a MerchantId,
    data: &'a RawValue,
}

/// Whether the headers announce a `CloudEvent`: structured by a content type that begins with
/// `application/cloudevents` in any case, binary by `ce_specversion`.
pub(super) fn mode(headers: &[Header]) -> Result<Option<Mode>, Undecodable> {
    let content_type = headers
        .iter()
        .rfind(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_lowercase());
    if let Some(rest) =
        content_type.as_deref().and_then(|t| t.strip_prefix("application/cloudevents"))
    {
        return match rest.split(';').next().unwrap_or_default().trim() {
            "" | "+json" => Ok(Some(Mode::Structured)),
            other => Err(Undecodable::NoEvent(format!(
                "content-type: application/cloudevents{} is not supported; publish \
                 application/cloudevents+json, one event a record",
                field::shortened(other)
            ))),
        };
    }
    let binary = headers.iter().any(|(name, _)| name == "ce_specversion");
    Ok(binary.then_some(Mode::Binary))
}

pub(super) fn decode(
    mode: Mode,
    key: Option<&[u8]>,
    text: &str,
    headers: &[Header],
    record_time: Timestamp,
) -> Result<Event, Undecodable> {
    match mode {
        Mode::Binary => {
            let data: &RawValue = field::object(text)?;
            build(key, &from_headers(headers)?, data, record_time)
        }
        Mode::Structured => {
            let (attributes, data) = from_value(text)?;
            build(key, &attributes, &data, record_time)
        }
    }
}

fn from_headers(headers: &[Header]) -> Result<Attributes<'_>, Undecodable> {
    let text = |name: &str| match headers.iter().rfind(|(found, _)| found == name) {
        None => Ok(None),
        Some((_, value)) => match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(Cow::Borrowed(text))),
            Err(_) => Err(field::broken(name, "must be UTF-8 text", "is not")),
        },
    };
    Ok(Attributes {
        specversion: text("ce_specversion")?,
        id: text("ce_id")?,
        source: text("ce_source")?,
        kind: text("ce_type")?,
        time: text("ce_time")?,
        subject: text("ce_subject")?,
    })
}

fn from_value(text: &str) -> Result<(Attributes<'_>, Cow<'_, RawValue>), Undecodable> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        specversion: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        source: Option<&'a RawValue>,
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        time: Option<&'a RawValue>,
        #[serde(borrow)]
        subject: Option<&'a RawValue>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        data_base64: Option<&'a RawValue>,
    }
    let fields: Fields<'_> = field::object(text)?;
    let attributes = Attributes {
        specversion: field::optional("specversion", fields.specversion)?,
        id: field::optional("id", fields.id)?,
        source: field::optional("source", fields.source)?,
        kind: field::optional("type", fields.kind)?,
        time: field::optional("time", fields.time)?,
        subject: field::optional("subject", fields.subject)?,
    };
    match (fields.data, field::optional("data_base64", fields.data_base64)?) {
        (data, None) => {
            field::data(data)?;
            Ok((attributes, Cow::Borrowed(data.ok_or_else(|| field::missing("data"))?)))
        }
        (None, Some(encoded)) => {
            let data = base64::engine::general_purpose::STANDARD
                .decode(encoded.as_bytes())
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Box<RawValue>>(&bytes).ok())
                .ok_or_else(|| {
                    field::broken("data_base64", "must be a JSON object in base64", "is not")
                })?;
            field::data(Some(&data))?;
            Ok((attributes, Cow::Owned(data)))
        }
        (Some(_), Some(_)) => {
            Err(field::broken("data_base64", "must not stand beside data", "does"))
        }
    }
}

fn build(
    key: Option<&[u8]>,
    attributes: &Attributes<'_>,
    data: &RawValue,
    record_time: Timestamp,
) -> Result<Event, Undecodable> {
    let version = required("specversion", attributes.specversion.as_ref())?;
    if version != "1.0" {
        let found = format!("is {:?}", field::shortened(version));
        return Err(field::broken("specversion", "must be 1.0", &found));
    }
    let source = required("source", attributes.source.as_ref())?;
    let id = event_id(source, required("id", attributes.id.as_ref())?)?;
    let kind = field::event_type(required("type", attributes.kind.as_ref())?)?;
    let (happened, timestamp) = match &attributes.time {
        Some(text) => (field::timestamp("time", text)?, Cow::Borrowed(text.as_ref())),
        None => (record_time, Cow::Owned(record_time.to_string())),
    };
    let merchant = field::merchant_of_key(key)?;
    let body = Body { id: &id, kind: &kind, timestamp: &timestamp, merchant_id: &merchant, data };
    let body = serde_json::to_vec(&body).map_err(|error| field::invalid("data", &error))?;
    let resource = attributes.subject.as_deref().and_then(|subject| resource(&kind, subject));
    Ok(Event { id, kind, happened, merchant, resource, notify_url: None, body: Bytes::from(body) })
}

fn required<'a>(name: &str, value: Option<&'a Cow<'a, str>>) -> Result<&'a str, Undecodable> {
    match value.map(AsRef::as_ref) {
        None => Err(field::missing(name)),
        Some("") => Err(field::broken(name, "must not be empty", "is")),
        Some(text) => Ok(text),
    }
}

/// `CloudEvents` allow any text as an id and make it unique only together with the source; one that
/// is no `webhook-id` becomes a hash of both, the same on every reading.
fn event_id(source: &str, id: &str) -> Result<EventId, Undecodable> {
    if let Ok(id) = EventId::parse(id) {
        return Ok(id);
    }
    let hash = Sha256::new()
        .chain_update(source.len().to_be_bytes())
        .chain_update(source)
        .chain_update(id)
        .finalize();
    let name = format!("ce_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash));
    EventId::parse(&name).map_err(|error| field::invalid("id", &error))
}

/// `payment/pay_1` names kind and id; any other subject is the id of what the first word of the
/// event's type names.
fn resource(kind: &EventType, subject: &str) -> Option<Resource> {
    let first_word = kind.as_str().split('.').next().unwrap_or_default();
    let (kind, id) = match subject.split_once('/') {
        Some((kind, id)) if !kind.is_empty() && !id.is_empty() && !id.contains('/') => (kind, id),
        _ => (first_word, subject),
    };
    (!id.is_empty()).then(|| Resource { kind: kind.to_owned(), id: id.to_owned(), version: None })
}
