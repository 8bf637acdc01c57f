//! The JSON of an entry as it is written, before any check of its values.

mod auth;
mod dialect;
mod shown;

use std::fmt;

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::{Value, json};
use serde_path_to_error::Segment;

use self::shown::REDACTED;
pub(super) use self::shown::holds_key;
pub use self::{auth::AuthEntry, dialect::DialectEntry};
use super::{Error, MAX_ENTRY_BYTES};
use crate::model::{EndpointId, MerchantId, Span, State, Timestamp};

/// A merchant's entry, format 1.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the fields of a merchant")]
pub struct Entry {
    /// Version of this form: 1.
    pub format: u32,
    /// The key of its events.
    pub merchant_id: MerchantId,
    /// What people call it; the id if absent.
    pub name: Option<String>,
    /// State of all its endpoints.
    #[serde(default)]
    pub state: State,
    /// Hosts that `notify_url` of an event may name.
    #[serde(default)]
    pub notify_url_hosts: Vec<String>,
    /// When a command last set a state; nothing follows from it, but a change is a change.
    pub updated_at: Option<Timestamp>,
    /// Where to send.
    pub endpoints: Vec<EndpointEntry>,
}

/// One endpoint of an entry.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the fields of an endpoint")]
pub struct EndpointEntry {
    /// Unique within the merchant.
    pub id: EndpointId,
    /// Where to send.
    pub url: String,
    /// Its own state.
    #[serde(default)]
    pub state: State,
    /// Which event types; all if empty.
    #[serde(default)]
    pub events: Vec<String>,
    /// What differs from the defaults.
    #[serde(default)]
    pub policy: PolicyEntry,
    /// What else a request shows to be let in.
    pub auth: Option<AuthEntry>,
    /// Signing keys.
    #[serde(default)]
    pub secrets: Vec<SecretEntry>,
}

/// A policy as written: whatever is absent comes from the defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "an object with the fields of a policy")]
#[expect(missing_docs, reason = "named and explained by the contract, section 2")]
pub struct PolicyEntry {
    pub intervals: Option<IntervalsEntry>,
    pub max_age: Option<Span>,
    pub timeout: Option<Span>,
    pub jitter: Option<f64>,
    pub max_in_flight: Option<u32>,
    pub rate: Option<RateEntry>,
    pub http2: Option<bool>,
    pub weight: Option<f64>,
    pub class: Option<String>,
    pub acknowledge: Option<AcknowledgeEntry>,
    pub dialect: Option<DialectEntry>,
    /// In the order of the entry's names.
    pub headers: Option<std::collections::BTreeMap<String, String>>,
}

/// A limit of attempts in a time, as written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with per_second and burst")]
pub struct RateEntry {
    /// In the long run.
    pub per_second: f64,
    /// At once after a rest; those of one second if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<f64>,
}

/// A schedule as written: its intervals, or the name of a [`Preset`](crate::model::Preset).
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum IntervalsEntry {
    /// Waits between attempts.
    List(Vec<Span>),
    /// Known by this name.
    Preset(String),
}

impl<'de> Deserialize<'de> for IntervalsEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = IntervalsEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of durations or the name of a schedule")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(IntervalsEntry::Preset(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                let items = SeqAccessDeserializer::new(items);
                Vec::deserialize(items).map(IntervalsEntry::List)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The rule of acknowledgement as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "an object with statuses, body, json")]
#[expect(missing_docs, reason = "named and explained by the contract, section 2")]
pub struct AcknowledgeEntry {
    pub statuses: Option<Vec<String>>,
    pub body: Option<String>,
    pub json: Option<JsonEntry>,
}

/// A value in the JSON of a response, as written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with pointer and equals")]
pub struct JsonEntry {
    /// RFC 6901.
    pub pointer: String,
    /// What has to be there; null has to be written.
    #[serde(deserialize_with = "Value::deserialize")]
    pub equals: Value,
}

/// A signing key as written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with id, kind, value")]
pub struct SecretEntry {
    /// Name for logs.
    pub id: String,
    /// How the value is written: `hmac`, `hmac-text`, `hmac-hex`, `ed25519`, `rsa`.
    pub kind: String,
    /// The key.
    #[serde(deserialize_with = "secret")]
    pub value: SecretString,
    /// Not used before.
    pub not_before: Option<Timestamp>,
    /// Not used from then on.
    pub expires: Option<Timestamp>,
}

impl Entry {
    /// Reads the form; values are checked later.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_ENTRY_BYTES {
            let what = format!("is {} bytes long", bytes.len());
            return Err(Error::new("entry", what, "keep it within 512 KiB"));
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let entry: Result<Self, _> = serde_path_to_error::deserialize(&mut json);
        let merchant = || named(bytes);
        let entry = entry.map_err(|error| {
            let hidden = around_hidden_name(&error);
            let path = error.path().to_string();
            let inner = error.into_inner();
            // A `null` in the place of a word is told as if it were no JSON.
            let is_json = || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
            let syntax = !inner.is_data() && !is_json();
            let path =
                if syntax || path == "." || path.is_empty() { "entry".to_owned() } else { path };
            let remedy =
                if syntax { "write one JSON object" } else { "see schemas/merchant.schema.json" };
            let (path, what) = match hidden {
                Some(around) => (around, without_name(&inner)),
                None => (path.clone(), without_values(&path, &inner)),
            };
            Error { merchant: merchant(), ..Error::new(&path, what, remedy) }
        })?;
        json.end().map_err(|error| Error {
            merchant: merchant(),
            ..Error::new("entry", error.to_string(), "write one JSON object a line")
        })?;
        Ok(entry)
    }
}

/// The entry as JSON for people: everything but the values of secrets, and what may be one in the
/// wrong place.
pub fn redacted(entry: &Entry) -> Value {
    let endpoints: Vec<Value> = entry.endpoints.iter().map(endpoint).collect();
    let hosts = entry.notify_url_hosts.iter().map(|host| shown::host(host));
    let mut shown = json!({
        "format": entry.format,
        "merchant_id": entry.merchant_id,
        "name": entry.name,
        "state": entry.state,
        "notify_url_hosts": hosts.collect::<Vec<_>>(),
        "updated_at": entry.updated_at,
        "endpoints": endpoints,
    });
    shown::without_keys(&mut shown);
    shown
}

fn endpoint(entry: &EndpointEntry) -> Value {
    json!({
        "id": entry.id,
        "url": shown::url(&entry.url),
        "state": entry.state,
        "events": entry.events,
        "policy": policy(&entry.policy),
        "auth": entry.auth.as_ref().map(auth::redacted),
        "secrets": entry.secrets.iter().map(secret_shown).collect::<Vec<_>>(),
    })
}

fn secret_shown(entry: &SecretEntry) -> Value {
    json!({
        "id": shown::id(&entry.id), "kind": shown::kind(&entry.kind), "value": REDACTED,
        "not_before": entry.not_before, "expires": entry.expires,
    })
}

fn policy(entry: &PolicyEntry) -> Value {
    let acknowledge = entry
        .acknowledge
        .as_ref()
        .map(|rule| json!({ "statuses": rule.statuses, "body": rule.body, "json": rule.json }));
    let mut policy = json!({
        "intervals": entry.intervals,
        "max_age": entry.max_age,
        "timeout": entry.timeout,
        "jitter": entry.jitter,
        "max_in_flight": entry.max_in_flight,
        "http2": entry.http2,
        "rate": entry.rate,
        "weight": entry.weight,
        "class": entry.class,
        "acknowledge": acknowledge,
        "dialect": entry.dialect,
        "headers": entry.headers,
    });
    if let Some(fields) = policy.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    policy
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry {}", redacted(self))
    }
}

impl fmt::Debug for EndpointEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = endpoint(self);
        shown::without_keys(&mut shown);
        write!(f, "EndpointEntry {shown}")
    }
}

impl fmt::Debug for SecretEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = secret_shown(self);
        shown::without_keys(&mut shown);
        write!(f, "SecretEntry {shown}")
    }
}

/// The id of an entry that could not be read whole.
pub(super) fn named(bytes: &[u8]) -> Option<MerchantId> {
    #[derive(Deserialize)]
    struct Id {
        merchant_id: MerchantId,
    }
    serde_json::from_slice::<Id>(bytes).ok().map(|id| id.merchant_id)
}

/// Takes any value before it complains, so that the complaint cannot quote it.
fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(SecretString::from(text))),
        _ => Err(serde::de::Error::custom("must be a string")),
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    optional_secret(deserializer)?.ok_or_else(|| serde::de::Error::custom("must be a string"))
}

/// The parser's complaint without the value that it quotes: a secret may stand in the wrong place.
fn without_values(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    for prefix in ["invalid type: ", "invalid value: "] {
        let Some(rest) = text.strip_prefix(prefix) else { continue };
        let kind = rest.split([' ', ',']).next().unwrap_or_default();
        let expected = rest.rsplit_once(", expected ").map_or("something else", |(_, end)| end);
        return format!("is of type {kind}, but must be {expected}");
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        let expected = rest.rsplit_once(", expected ").map_or("something else", |(_, end)| end);
        return format!("is not known, but must be {expected}");
    }
    // What is wrong with a duration elsewhere is better seen.
    let near = path.ends_with("id") || stands_by_secrets(path);
    if near { without_quotes(&text) } else { text }
}

const UNKNOWN_FIELD: &str = "unknown field ";
/// No field has a longer name.
const LONGEST_WORD: usize = 32;

fn stands_by_secrets(path: &str) -> bool {
    [".secrets", ".auth"].iter().any(|part| path.contains(part))
}

/// Where an unknown field stands that is not to be named: beside secrets, or where it is no word, the
/// name may be a secret after a quote or a colon that is missing.
fn around_hidden_name(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    let Some(Segment::Map { key }) = error.path().iter().next_back() else { return None };
    let path = error.path().to_string();
    let is_word = key.len() <= LONGEST_WORD
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let hides = error.inner().to_string().starts_with(UNKNOWN_FIELD)
        && (stands_by_secrets(&path) || !is_word);
    let around = path.strip_suffix(key.as_str()).unwrap_or_default().trim_end_matches('.');
    hides.then(|| if around.is_empty() { "entry" } else { around }.to_owned())
}

fn without_name(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let expected = text.rsplit_once(", expected ").map_or("no other", |(_, end)| end);
    format!("has an unknown field, expected {expected}")
}

/// The text with `[redacted]` for each part in double quotes, which are escaped inside.
fn without_quotes(text: &str) -> String {
    let (mut kept, mut quoted, mut escaped) = (String::with_capacity(text.len()), false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                kept.push_str(if quoted { "" } else { REDACTED });
                quoted = !quoted;
            }
            _ if quoted => {}
            _ => kept.push(character),
        }
    }
    kept
}
