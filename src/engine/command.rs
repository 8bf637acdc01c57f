//! All that the program can do, on one screen.

use std::sync::Arc;

use bytes::Bytes;

use super::TlsFault;
use crate::{
    envelope::Envelope,
    event::Undecodable,
    model::{Endpoint, Event, Grade, Header, Offset, Partition, Span, Timestamp},
};

/// What the caller must do next.
#[derive(Debug, Clone)]
pub enum Command {
    /// Make this HTTP request; answer with `handle_attempted`.
    Attempt(Attempt),
    /// Produce this record; answer with `handle_routed`.
    Route(Box<Route>),
    /// Commit this position; answer with `handle_committed`.
    Commit(Commit),
    /// Take no more records of this partition.
    Pause(Partition),
    /// Take records of this partition again.
    Resume(Partition),
    /// Tell people what happened; needs no answer.
    Report(Report),
}

/// Number of a request, unique in the life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u64);

/// Number of a route, unique in the life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

/// Counts the assignments of partitions to this worker; work of an older epoch changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// A record as read from completions or a grade.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it was read.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// Append time, stamped by the broker.
    pub appended: Timestamp,
    /// Key, value and the publisher's headers, untouched.
    pub content: Arc<Content>,
    /// Our headers: written by the ladder, made from the coordinates on completions.
    pub envelope: Envelope,
    /// The event in the value, or why there is none.
    pub event: Result<Arc<Event>, Undecodable>,
}

/// What passes from topic to topic byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Key of the record.
    pub key: Option<Bytes>,
    /// Value of the record; a tombstone has none.
    pub value: Option<Bytes>,
    /// Headers of the publisher, in order, without any of ours.
    pub headers: Vec<Header>,
}

/// One HTTP request for one delivery.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// To answer with.
    pub id: AttemptId,
    /// The event to send.
    pub event: Arc<Event>,
    /// Headers of the publisher (`traceparent` and `tracestate` pass on).
    pub content: Arc<Content>,
    /// Where to send it and how.
    pub endpoint: Arc<Endpoint>,
    /// Counted from 1.
    pub number: u32,
}

/// One record to be produced to an explicit partition.
#[derive(Debug, Clone)]
pub struct Route {
    /// To answer with.
    pub id: RouteId,
    /// Which topic.
    pub to: Destination,
    /// Partition number: that of the source.
    pub index: i32,
    /// What passes through.
    pub content: Arc<Content>,
    /// Our headers.
    pub envelope: Envelope,
}

/// Where a route goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a delay topic.
    Grade(Grade),
    /// To the dead-letter topic.
    DeadLetter(DeadLetter),
}

/// Why a delivery was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// One word of the contract.
    pub reason: DeadReason,
    /// One sentence for people; never secret.
    pub message: String,
    /// The broker refused the record for its size: send it without the value.
    pub truncated: bool,
}

/// Reasons of dead letters (`contract`, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadReason {
    /// The bytes are no event.
    Undecodable,
    /// An event that breaks a rule.
    Invalid,
    /// No merchant of that id within the grace.
    UnknownMerchant,
    /// The endpoint was removed while the delivery waited.
    EndpointRemoved,
    /// The merchant or endpoint is disabled.
    Disabled,
    /// The merchant's answer forbids a retry.
    Refused,
    /// All attempts were made.
    Exhausted,
    /// The age limit came first.
    Expired,
    /// The address may not be dialled.
    AddressDenied,
    /// The broker takes no record of that size.
    TooLarge,
    /// Our own fault.
    System,
}

/// Whose fault a dead letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultClass {
    /// Of the service that published the event.
    Publisher,
    /// Of the merchant.
    Merchant,
    /// Of paynotify or its Kafka.
    System,
}

/// A position to commit: everything below it is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which partition.
    pub partition: Partition,
    /// Under which assignment.
    pub epoch: Epoch,
    /// The next offset to read.
    pub position: Offset,
    /// The offsets beyond the position that are resolved too, encoded.
    pub metadata: String,
}

/// Something to count and to log.
#[derive(Debug, Clone)]
pub enum Report {
    /// An offset is resolved for good.
    EventResolved {
        /// How.
        outcome: EventOutcome,
    },
    /// A line of the delivery log.
    Delivery(Box<DeliveryReport>),
}

/// How an event left completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventOutcome {
    /// Every delivery was acknowledged or is on the ladder.
    Delivered,
    /// No endpoint wanted it.
    Filtered,
    /// It became a dead letter.
    Dead,
    /// It has more than one delivery.
    FannedOut,
}

/// What became of one attempt, or of a delivery without one.
#[derive(Debug, Clone)]
pub struct DeliveryReport {
    /// The record that was read.
    pub record: Arc<Record>,
    /// The endpoint, where one was chosen and is still there.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Our headers as they are after this.
    pub envelope: Envelope,
    /// What happened.
    pub outcome: DeliveryOutcome,
    /// Why; absent when delivered.
    pub reason: Option<&'static str>,
    /// The answer's facts, when a request was made.
    pub answer: Option<Answered>,
    /// When the delivery was due.
    pub due: Timestamp,
    /// Where it goes.
    pub next: Option<Destination>,
    /// When the report was made.
    pub at: Timestamp,
}

impl DeliveryReport {
    /// The event, where the bytes of the record are one.
    pub fn event(&self) -> Option<&Event> {
        self.record.event.as_deref().ok()
    }
}

/// Facts of one attempt for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Number from 1.
    pub number: u32,
    /// When the request began.
    pub started: Timestamp,
    /// How long it took.
    pub took: Span,
    /// HTTP status, when one came.
    pub status: Option<u16>,
    /// The beginning of a failing answer.
    pub excerpt: Option<String>,
    /// Which secret signed.
    pub key_id: Option<String>,
    /// Whether it counts against the endpoint; not where the flood brake takes it for an outage of ours.
    pub counts: bool,
}

/// Outcomes of the delivery log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryOutcome {
    /// Acknowledged.
    Delivered,
    /// Not acknowledged; may be tried again.
    Retry,
    /// Must not be tried again.
    Refused,
    /// Put on the ladder without an attempt.
    Parked,
    /// No endpoint wanted it.
    Filtered,
    /// Given up without an attempt.
    Dead,
}

/// What an attempt met, as the HTTP client tells it: data, not errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// When the request began, broker time.
    pub started: Timestamp,
    /// When it ended, broker time.
    pub ended: Timestamp,
    /// What came back.
    pub answer: Answer,
    /// Which secret signed.
    pub key_id: Option<String>,
}

/// The merchant's answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A complete response.
    Response {
        /// HTTP status.
        status: u16,
        /// What `Retry-After` asks for, from now.
        retry_after: Option<Span>,
        /// How the body stands to the endpoint's rule, by [`judge_body`](super::judge_body).
        body: BodyVerdict,
        /// The beginning of the body, made safe, for failures only.
        excerpt: Option<String>,
    },
    /// No complete response; the reason is a word of the contract.
    Failed(FailReason),
}

/// How a body stands to a rule of acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyVerdict {
    /// It is as the rule wants it, or the rule does not ask.
    Holds,
    /// It is something else.
    Differs,
    /// It is longer than what is read of a body.
    TooLong,
    /// It is not UTF-8.
    NotText,
    /// It has a content encoding, although none was asked for.
    Encoded,
}

impl Answer {
    /// A response of which nothing but the status counts.
    pub const fn of_status(status: u16) -> Self {
        Self::Response { status, retry_after: None, body: BodyVerdict::Holds, excerpt: None }
    }
}

/// Why there is no complete response (`reason` of the attempts log).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailReason {
    /// The deadline passed.
    Timeout,
    /// No connection.
    Connect,
    /// No secure connection.
    Tls(TlsFault),
    /// The name did not resolve.
    Dns,
    /// The address may not be dialled.
    AddressDenied,
    /// The connection broke in the middle.
    Reset,
    /// The answer is larger than we read.
    TooLarge,
    /// The answer is not HTTP, or the request could not be made.
    Protocol,
    /// No secret is valid now.
    NoSecret,
}

/// Why a route did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteFailure {
    /// The broker takes no record of this size.
    TooLarge,
    /// The broker forbids it, or the topic is not there.
    Refused,
    /// It may work later.
    Passing,
}
