//! The only place that dials merchants: one attempt, bounded in time and in bytes.
//!
//! - The deadline of the policy covers everything: name, connection, TLS, request, response, body.
//! - Redirects are never followed, nothing is retried or decompressed, no proxy but that of the
//!   settings is used. Connections are hyper's own, kept by `pool`, since a client that could do all
//!   that costs a quarter of an attempt's processor time.
//! - At most 64 KiB of the response are read. A response counts when it is complete within the
//!   deadline, or when it exceeds that bound: then its status decides, unless the rule of
//!   acknowledgement asks for the body, and the connection is dropped. A body that is still
//!   trickling at the deadline is a timeout, one that breaks off is a reset, whatever the status
//!   was: the merchant may well not have finished.
//! - HTTP/2 is spoken where the policy says so and the merchant agrees; the bounds are the same.
//! - Every address, literal or resolved, is dialled by `dial`, where the [`Guard`] stands. Addresses
//!   are not resolved again for a connection that is reused.
//!
//! Failures are data: [`AttemptResult`] holds them, classified by type and never by text.

mod connection;
mod connections;
mod deadline;
mod dial;
mod excerpt;
mod failure;
mod pool;
mod request;
mod resolve;
mod retry_after;
mod tls;

use std::pin::pin;

use bytes::Bytes;
use http::{
    HeaderMap, Request,
    header::{CONTENT_ENCODING, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

pub use connection::CONNECTION_BYTES;
use connections::Connections;
pub use deadline::Deadline;
use dial::Dial;
use pool::Bounds;
pub use resolve::Names;
pub use retry_after::wait_asked;
use tls::Tls;

use crate::{
    engine::{Answer, AttemptResult, Body, FailReason, Verdict, judge, judge_body},
    merchant::{guard::Guard, proxy::Proxy, trust::TrustStore},
    model::{Endpoint, Event, Header, Span, Timestamp},
};

/// Bytes of a response's body at most.
const MAX_BODY: usize = 64 * 1024;
/// The head of a request, and of the work on it.
const REQUEST: usize = 16 * 1024;
/// Bytes that an attempt takes at most beside its event and its connection.
pub const ATTEMPT_BYTES: usize = MAX_BODY + REQUEST;
/// Bytes of a failing body that are looked at for the excerpt.
const EXCERPT_SOURCE: usize = 1024;
/// Headers of a response at most.
const MAX_HEADERS: usize = 64;

/// What may be set about the client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Longest wait for a connection, TLS included (the policy's timeout holds as well).
    pub connect_timeout: Span,
    /// Whether `http://` may be used (`delivery.allow_http`).
    pub allow_http: bool,
    /// What may be dialled.
    pub guard: Guard,
    /// How names are resolved.
    pub names: Names,
    /// A proxy of the operator's that everything goes through; it resolves the names of merchants.
    pub proxy: Option<Proxy>,
    /// Certificates trusted instead of those of the platform.
    pub trust_store: Option<TrustStore>,
    /// Open connections at most, those that are being dialled included; not less than attempts at a
    /// time.
    pub max_connections: usize,
    /// Idle connections kept for each address at most.
    pub max_idle_per_host: usize,
    /// Idle connections are closed after this.
    pub idle_timeout: Span,
    /// Whether the beginning of failing answers is kept for operators.
    pub excerpts: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Span::from_secs(5),
            allow_http: false,
            guard: Guard::default(),
            names: Names::default(),
            proxy: None,
            trust_store: None,
            max_connections: 1024,
            max_idle_per_host: 64,
            idle_timeout: Span::from_secs(60),
            excerpts: true,
        }
    }
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS or the platform's certificates do not work.
    #[error("the HTTP client cannot start: {0}; are the platform's CA certificates installed?")]
    Start(#[from] rustls::Error),
    /// The configuration of the operating system's resolver cannot be read.
    #[error("names cannot be resolved: {0}; correct /etc/resolv.conf")]
    Resolver(String),
}

/// Sends events to merchants. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    connections: Connections,
    allow_http: bool,
    excerpts: bool,
}

impl Client {
    /// Prepares TLS and the pool of connections; dials nothing.
    pub fn new(settings: &ClientSettings) -> Result<Self, Error> {
        let dial = Dial::new(settings, Tls::new(settings.trust_store.as_ref())?)
            .map_err(|error| Error::Resolver(error.to_string()))?;
        let bounds = Bounds {
            open: settings.max_connections,
            idle_per_key: settings.max_idle_per_host,
            idle_timeout: settings.idle_timeout.into(),
        };
        let connections = Connections::new(dial, bounds);
        Ok(Self { connections, allow_http: settings.allow_http, excerpts: settings.excerpts })
    }

    /// Connections that are open now, those that are being dialled included.
    pub fn open_connections(&self) -> usize {
        self.connections.open_now()
    }

    /// Makes attempt `number` (from 1) of this delivery and says what came back. `trace` are the
    /// publisher's headers, of which `traceparent` and `tracestate` pass on; `clock` tells broker
    /// time. Ends within the policy's timeout; dropping the future cuts the request.
    pub async fn attempt(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        number: u32,
        trace: &[Header],
        clock: impl Fn() -> Timestamp,
    ) -> AttemptResult {
        let mut deadline = Deadline::default();
        self.attempt_within(&mut deadline, endpoint, event, number, trace, clock).await
    }

    /// The same for who makes one attempt after the other and keeps the timer.
    pub async fn attempt_within(
        &self,
        deadline: &mut Deadline,
        endpoint: &Endpoint,
        event: &Event,
        number: u32,
        trace: &[Header],
        clock: impl Fn() -> Timestamp,
    ) -> AttemptResult {
        let started = clock();
        let (answer, key_id) = match self.request(endpoint, event, number, trace, started) {
            Err(reason) => (Answer::Failed(reason), None),
            Ok((request, key_id)) => {
                // It stays where it is: it is large, and moving it is work.
                let exchange = pin!(self.exchange(endpoint, request, &clock));
                let answer = deadline.within(endpoint.policy.timeout.into(), exchange).await;
                let answer = answer.unwrap_or(Err(FailReason::Timeout));
                (answer.unwrap_or_else(Answer::Failed), key_id)
            }
        };
        AttemptResult { started, ended: clock(), answer, key_id }
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        number: u32,
        trace: &[Header],
        now: Timestamp,
    ) -> Result<(Request<Full<Bytes>>, Option<String>), FailReason> {
        if endpoint.url.scheme() != "https" && !self.allow_http {
            return Err(FailReason::Protocol);
        }
        request::build(endpoint, event, number, trace, now)
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<Answer, FailReason> {
        let (response, lease) = self.connections.send(endpoint, request).await?;
        if response.headers().len() > MAX_HEADERS {
            return Err(FailReason::TooLarge);
        }
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| wait_asked(value.as_bytes(), clock()));
        let rule = &endpoint.policy.acknowledge;
        let encoded = is_encoded(response.headers());
        let kept = if rule.reads_body() { MAX_BODY } else { EXCERPT_SOURCE };
        let (bytes, complete) = read_body(response.into_body(), kept).await?;
        lease.done(complete);
        let body = judge_body(rule, Body { bytes: &bytes, complete, encoded });
        let answer = |excerpt| Answer::Response { status, retry_after, body, excerpt };
        if !self.excerpts || judge(rule, &answer(None)) == Verdict::Delivered {
            return Ok(answer(None));
        }
        let excerpt = excerpt::of(&bytes[..bytes.len().min(EXCERPT_SOURCE)]);
        Ok(answer(Some(excerpt).filter(|text| !text.is_empty())))
    }
}

/// Reads to the end or to the bound; gives the beginning, at most `kept` bytes, and whether the end
/// came. A complete body leaves the connection usable; one beyond the bound is dropped with its
/// connection.
async fn read_body(mut body: Incoming, kept: usize) -> Result<(Vec<u8>, bool), FailReason> {
    let (mut beginning, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure::of_body(&error))?;
        let Some(chunk) = frame.data_ref() else {
            continue; // trailers
        };
        let room = kept - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        length += chunk.len();
        if length > MAX_BODY {
            return Ok((beginning, false));
        }
    }
    Ok((beginning, true))
}

/// Whether the body has another content encoding than none; it was not asked for, and is not undone.
fn is_encoded(headers: &HeaderMap) -> bool {
    let plain = |value: &http::HeaderValue| {
        value.is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity")
    };
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !plain(value))
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("allow_http", &self.allow_http).finish_non_exhaustive()
    }
}
