//! The request of the contract, section 3.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::Full;
use url::{Position, Url};

use crate::{
    engine::FailReason,
    merchant::dialect,
    model::{Endpoint, Event, Header, Timestamp},
};

const AGENT: &str = concat!("paynotify/", env!("CARGO_PKG_VERSION"));
const ATTEMPT: HeaderName = HeaderName::from_static("paynotify-attempt");
const EVENT_TYPE: HeaderName = HeaderName::from_static("paynotify-event-type");
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Headers of ours, of the protocol and of the trace, so that the map need not grow.
const USUAL_HEADERS: usize = 12;
/// Longer trace headers are not passed on (W3C asks for 512 bytes).
const MAX_TRACE: usize = 512;

/// Host and port of an address, and user and password, which no address should have.
pub(super) fn authority(url: &Url) -> &str {
    &url[Position::BeforeUsername..Position::AfterPort]
}

/// What a request over HTTP/1.1 names. The whole address is parsed only for a new connection.
fn path(url: &Url) -> Result<Uri, FailReason> {
    let path = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]);
    path.map(Uri::from).map_err(|_| FailReason::Protocol)
}

/// The signed request and the ids of the keys that signed it.
pub(super) fn build(
    endpoint: &Endpoint,
    event: &Event,
    number: u32,
    trace: &[Header],
    now: Timestamp,
) -> Result<(Request<Full<Bytes>>, Option<String>), FailReason> {
    let mut request = Request::new(Full::new(event.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path(&endpoint.url)?;
    let headers = request.headers_mut();
    headers.reserve(USUAL_HEADERS + endpoint.policy.headers.len());
    custom(headers, &endpoint.policy.headers)?;
    for (name, value) in trace {
        if matches!(name.as_str(), "traceparent" | "tracestate")
            && value.len() <= MAX_TRACE
            && let Ok(value) = HeaderValue::from_bytes(value)
            && let Ok(name) = HeaderName::try_from(name)
        {
            headers.insert(name, value);
        }
    }
    // Ours come last and replace what anybody else has set.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ATTEMPT, HeaderValue::from(number));
    headers.insert(EVENT_TYPE, value(event.kind.as_str())?);
    headers.insert(ID, value(event.id.as_str())?);
    headers.insert(TIMESTAMP, HeaderValue::from(now.as_seconds()));
    if let Some(authorization) = &endpoint.authorization {
        let mut value =
            HeaderValue::from_bytes(authorization.expose()).map_err(|_| FailReason::Protocol)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let key_ids = dialect::sign(endpoint, &event.id, now, &event.body, headers)?;
    Ok((request, key_ids))
}

fn custom(headers: &mut HeaderMap, policy: &[(String, String)]) -> Result<(), FailReason> {
    for (name, text) in policy {
        let name = HeaderName::try_from(name).map_err(|_| FailReason::Protocol)?;
        headers.insert(name, value(text)?);
    }
    Ok(())
}

/// Everything here was checked when it was read; what is no header value all the same is not sent.
fn value(text: &str) -> Result<HeaderValue, FailReason> {
    HeaderValue::from_str(text).map_err(|_| FailReason::Protocol)
}
