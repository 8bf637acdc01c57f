//! A completion event as the engine carries it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EventId, EventType, MerchantId, Timestamp};

/// What an event is about, so that a merchant can tell old from new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Kind of thing, such as `payment`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Growing number of its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// A header of a Kafka record: name and value bytes.
pub type Header = (String, Bytes);

/// One decoded completion event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Stable id; the merchant deduplicates on it.
    pub id: EventId,
    /// What happened.
    pub kind: EventType,
    /// When it happened, as the publisher says.
    pub happened: Timestamp,
    /// Whom it concerns.
    pub merchant: MerchantId,
    /// What it is about.
    pub resource: Option<Resource>,
    /// Deliver there instead of to the merchant's endpoints.
    pub notify_url: Option<String>,
    /// What the merchant receives, byte for byte.
    pub body: Bytes,
}
