//! The only place that dials merchants: one attempt, bounded in time and in bytes.
//!
//! - The deadline of the policy covers everything: name, connection, TLS, request, response, body.
//! - Redirects are never followed, nothing is retried or decompressed, no proxy of the environment
//!   is used.
//! - At most 64 KiB of the response are read. A response counts when it is complete within the
//!   deadline, or when it exceeds that bound: then its status decides and the connection is
//!   dropped. A body that is still trickling at the deadline is a timeout, one that breaks off is a
//!   reset, whatever the status was: the merchant may well not have finished.
//! - Every address that is dialled comes from `resolver`, where a guard of addresses will stand;
//!   literal addresses never reach a resolver, and are to be guarded in [`Client::attempt`].
//!
//! Failures are data: [`AttemptResult`] holds them, classified by type and never by text.

mod excerpt;
mod failure;
mod request;
mod resolver;

use std::{sync::Arc, time::Duration};

use reqwest::{Response, header::RETRY_AFTER};

use crate::{
    engine::{Answer, AttemptResult, FailReason},
    model::{Endpoint, Event, Header, Span, Timestamp},
};

/// Bytes of a response's body at most.
const MAX_BODY: usize = 64 * 1024;
/// Bytes of a failing body that are looked at for the excerpt.
const EXCERPT_SOURCE: usize = 1024;
/// Headers of a response at most.
const MAX_HEADERS: usize = 64;
/// Later dates of `Retry-After` are cut by the engine; this only keeps sums small.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(30 * 86_400);

/// What may be set about the client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Longest wait for a connection, TLS included (the policy's timeout holds as well).
    pub connect_timeout: Span,
    /// Whether `http://` may be used (`delivery.allow_http`).
    pub allow_http: bool,
    /// Egress proxy (`delivery.proxy`); those of the environment are never used.
    pub proxy: Option<url::Url>,
    /// Certificates in PEM trusted beside those of the platform.
    pub extra_roots: Vec<Vec<u8>>,
    /// Idle connections are closed after this.
    pub pool_idle_timeout: Span,
    /// Idle connections kept for each host.
    pub pool_max_idle_per_host: usize,
    /// Whether the beginning of failing answers is kept for operators.
    pub excerpts: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Span::from_secs(5),
            allow_http: false,
            proxy: None,
            extra_roots: Vec::new(),
            pool_idle_timeout: Span::from_secs(60),
            pool_max_idle_per_host: 64,
            excerpts: true,
        }
    }
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate of the settings cannot be read.
    #[error("root certificate {index} is not PEM: {source}; correct or remove it")]
    Root {
        /// Position in the list, from 0.
        index: usize,
        /// What the reader says.
        source: reqwest::Error,
    },
    /// The proxy cannot be used.
    #[error("delivery.proxy cannot be used: {0}; write such as http://proxy.example:3128")]
    Proxy(#[source] reqwest::Error),
    /// TLS or the platform's certificates do not work.
    #[error("the HTTP client cannot start: {0}; are the platform's CA certificates installed?")]
    Start(#[source] reqwest::Error),
}

/// Sends events to merchants. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    allow_http: bool,
    excerpts: bool,
}

impl Client {
    /// Prepares TLS and the pool of connections; dials nothing.
    pub fn new(settings: ClientSettings) -> Result<Self, Error> {
        // Fails only where a provider is installed already, which then is used.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .https_only(!settings.allow_http)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .http1_max_headers(MAX_HEADERS)
            .connect_timeout(settings.connect_timeout.into())
            .pool_idle_timeout(Duration::from(settings.pool_idle_timeout))
            .pool_max_idle_per_host(settings.pool_max_idle_per_host)
            .dns_resolver(Arc::new(resolver::Resolver))
            .referer(false);
        for (index, pem) in settings.extra_roots.iter().enumerate() {
            let root = reqwest::Certificate::from_pem(pem)
                .map_err(|source| Error::Root { index, source })?;
            builder = builder.tls_certs_merge([root]);
        }
        if let Some(proxy) = settings.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(Error::Proxy)?);
        }
        Ok(Self {
            http: builder.build().map_err(Error::Start)?,
            allow_http: settings.allow_http,
            excerpts: settings.excerpts,
        })
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
        let started = clock();
        let (answer, key_id) = match self.request(endpoint, event, number, trace, started) {
            Err(reason) => (Answer::Failed(reason), None),
            Ok((request, key_id)) => {
                let exchange = self.exchange(endpoint, request, &clock);
                let deadline = endpoint.policy.timeout.into();
                let answer = tokio::time::timeout(deadline, exchange)
                    .await
                    .unwrap_or(Err(FailReason::Timeout));
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
    ) -> Result<(reqwest::Request, Option<String>), FailReason> {
        if endpoint.url.scheme() != "https" && !self.allow_http {
            return Err(FailReason::Protocol);
        }
        request::build(endpoint, event, number, trace, now)
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: reqwest::Request,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<Answer, FailReason> {
        let mut response =
            self.http.execute(request).await.map_err(|error| failure::classify(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response, clock());
        let beginning = read_body(&mut response).await?;
        let failed = !endpoint.policy.acknowledge.statuses.contains(status);
        let excerpt = (failed && self.excerpts).then(|| excerpt::of(&beginning));
        let excerpt = excerpt.filter(|text| !text.is_empty());
        Ok(Answer::Response { status, retry_after, excerpt })
    }
}

/// Reads to the end or to the bound and gives the beginning. A complete body leaves the
/// connection usable; one beyond the bound is dropped with its connection.
async fn read_body(response: &mut Response) -> Result<Vec<u8>, FailReason> {
    let (mut beginning, mut length) = (Vec::new(), 0);
    while let Some(chunk) = response.chunk().await.map_err(|error| failure::classify(&error))? {
        let room = EXCERPT_SOURCE - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        length += chunk.len();
        if length > MAX_BODY {
            break;
        }
    }
    Ok(beginning)
}

/// Seconds, or an HTTP date measured from `now`.
fn retry_after(response: &Response, now: Timestamp) -> Option<Span> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let span = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long time.
        Span::from_secs(text.parse().unwrap_or(if text.is_empty() { 0 } else { u64::MAX }))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        let millis = i64::try_from(since_epoch.as_millis()).ok()?;
        Timestamp::from_millis(millis).since(now)
    };
    (!text.is_empty()).then(|| span.min(LONGEST_RETRY_AFTER))
}
