//! A merchant, its endpoints and their policies, checked and with every default filled in.

use std::sync::Arc;

use serde_json::Value;

use super::{
    ClassId, ClientCertificate, Dialect, Disabled, EndpointId, EventType, MerchantId, Rate,
    Revision, Secret, SecretBytes, Span, Timestamp, Weight,
};

/// A merchant of the directory.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// Its id, the key of its events.
    pub id: MerchantId,
    /// Which version of its entry this is.
    pub revision: Revision,
    /// What people call it.
    pub name: String,
    /// Overrides the state of every endpoint unless active.
    pub state: State,
    /// Hosts that an event's `notify_url` may name.
    pub notify_url_hosts: Vec<String>,
    /// In the order of the entry.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// A URL of a merchant with its policy.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Unique within the merchant.
    pub id: EndpointId,
    /// Where to send.
    pub url: url::Url,
    /// Whether to send at all.
    pub state: State,
    /// Set when workers found that nothing works here any more; says nothing against `state`.
    pub disabled: Option<Disabled>,
    /// Which events it wants; empty means all.
    pub events: Vec<EventFilter>,
    /// How to send and for how long.
    pub policy: Policy,
    /// Value of the `authorization` header, where the merchant wants one.
    pub authorization: Option<SecretBytes>,
    /// What is shown in TLS handshakes, where the merchant wants one.
    pub certificate: Option<ClientCertificate>,
    /// Keys to sign with.
    pub secrets: Vec<Secret>,
}

/// What happens to deliveries of a merchant or an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They are sent.
    #[default]
    Active,
    /// They are parked.
    Paused,
    /// They become dead letters, which can be replayed.
    Disabled,
}

/// A pattern of event types: `*`, `payment.*` (also `payment.a.b`) or an exact type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFilter {
    /// Every type.
    All,
    /// Every type that begins with this and a dot.
    Under(String),
    /// Just this type.
    Exactly(String),
}

/// An endpoint's schedule, limits and rule of acknowledgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Waits between attempts, each counted from the end of the attempt before.
    pub intervals: Vec<Span>,
    /// Nothing is attempted later than this after the first attempt.
    pub max_age: Span,
    /// Share of an interval that may be added to it at random.
    pub jitter: Jitter,
    /// Deadline of one attempt, body included.
    pub timeout: Span,
    /// Concurrent attempts at most; at least 1.
    pub max_in_flight: u32,
    /// Attempts in a time at most, retries included.
    pub rate: Option<Rate>,
    /// Turns beside other endpoints.
    pub weight: Weight,
    /// Whose slots its attempts take.
    pub class: ClassId,
    /// What counts as received.
    pub acknowledge: Acknowledge,
    /// Whether HTTP/2 may be spoken, where the merchant offers it.
    pub http2: bool,
    /// How requests are signed.
    pub dialect: Dialect,
    /// Fixed headers added to each request.
    pub headers: Vec<(String, String)>,
}

impl Default for Policy {
    /// About 59 hours of attempts (`contract`, section 3), of at most four days.
    fn default() -> Self {
        const HOUR: u64 = 3_600;
        let first = [5, 15, 30, 120, 600, 1_800, HOUR, 3 * HOUR, 6 * HOUR];
        let last = [12 * HOUR; 4];
        Self {
            intervals: first.into_iter().chain(last).map(Span::from_secs).collect(),
            max_age: Span::from_secs(96 * HOUR),
            jitter: Jitter::NONE,
            timeout: Span::from_secs(10),
            max_in_flight: 8,
            rate: None,
            weight: Weight::ONE,
            class: ClassId::default(),
            acknowledge: Acknowledge::default(),
            http2: false,
            dialect: Dialect::default(),
            headers: Vec::new(),
        }
    }
}

/// A share from nothing to all, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Jitter(u32);

/// The rule by which an answer counts as received: every condition must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The status must be one of these.
    pub statuses: StatusSet,
    /// The body, without white space around it, must be this.
    pub body: Option<String>,
    /// The body must be JSON with this value in it.
    pub json: Option<JsonRule>,
}

/// A value in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonRule {
    /// Where: a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What has to be there; a string, a number, true, false or null.
    pub equals: Value,
}

/// A set of HTTP statuses as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(pub Vec<(u16, u16)>);

impl EventFilter {
    /// Whether an event of this type is wanted.
    pub fn matches(&self, kind: &EventType) -> bool {
        match self {
            Self::All => true,
            Self::Under(prefix) => kind
                .as_str()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
            Self::Exactly(name) => kind.as_str() == name,
        }
    }
}

impl Endpoint {
    /// Whether events of this type go here.
    pub fn wants(&self, kind: &EventType) -> bool {
        self.events.is_empty() || self.events.iter().any(|filter| filter.matches(kind))
    }

    /// Whether a request can be signed at `now` as the policy demands.
    pub fn can_sign(&self, now: Timestamp) -> bool {
        !self.policy.dialect.signs() || self.secrets.iter().any(|secret| secret.is_valid(now))
    }
}

impl Jitter {
    /// Nothing is added.
    pub const NONE: Self = Self(0);
    const WHOLE: u32 = 1_000_000;

    /// The share `part`, from 0 to 1.
    pub fn parse(part: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see range")]
        let millionths = |part: f64| (part * f64::from(Self::WHOLE)).round() as u32;
        (0.0..=1.0).contains(&part).then(|| Self(millionths(part)))
    }

    /// This share of a span.
    pub fn of(self, span: Span) -> Span {
        // A hundred years in milliseconds times a million fit.
        Span::from_millis(span.as_millis() * u64::from(self.0) / u64::from(Self::WHOLE))
    }

    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }
}

impl Default for Acknowledge {
    /// Any 2xx.
    fn default() -> Self {
        Self { statuses: StatusSet(vec![(200, 299)]), body: None, json: None }
    }
}

impl Acknowledge {
    /// Whether the body has a say.
    pub fn reads_body(&self) -> bool {
        self.body.is_some() || self.json.is_some()
    }
}

impl StatusSet {
    /// Whether this status is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}
