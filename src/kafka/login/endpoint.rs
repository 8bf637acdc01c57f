//! One request for a token: bounded in time and in bytes, no redirects, no proxy of the environment.

use std::{
    io,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Certificate, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroize as _};
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{
    Error, claims,
    properties::{Authorities, Grant},
};
use crate::{clock::Clock, model::Timestamp};

/// From the name's resolution to the last byte of the answer.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const MAX_BODY: usize = 64 * 1024;
/// Headers of an answer at most.
const MAX_HEADERS: usize = 64;
/// A longer life is counted as this one.
const LONGEST_LIFE: f64 = 365.0 * 86_400.0;

const CHECK_ENDPOINT: &str =
    "check sasl.oauthbearer.token.endpoint.url in kafka.properties, and the network";
const CHECK_CLIENT: &str =
    "check sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret in kafka.properties";
const CHECK_SCOPE: &str = "check sasl.oauthbearer.scope in kafka.properties";
const CHECK_ROOTS: &str = "check https.ca.location or https.ca.pem in kafka.properties";
const CHECK_SERVER: &str = "check the settings of this client at the token endpoint";

/// A token and how long it lives.
#[derive(Debug, Clone)]
pub struct Token {
    /// What is shown to brokers.
    pub value: SecretString,
    /// Whom it stands for.
    pub principal: String,
    /// When it expires, by this machine's wall clock.
    pub expires: Timestamp,
    /// How long it lives from the moment that it was asked for.
    pub life: Duration,
}

/// Asks for a token.
pub async fn fetch(grant: &Grant, clock: &Clock) -> Result<Token, Error> {
    let fetching = async {
        let asked = (clock.wall(), Instant::now());
        let request = request(grant).map_err(|(why, remedy)| error(grant, why, remedy))?;
        let answer = request.send().await;
        let mut response =
            answer.map_err(|source| error(grant, cause(&source), remedy(&source)))?;
        let status = response.status();
        let read = read(&mut response).await;
        let mut body = read.map_err(|why| error(grant, why, CHECK_ENDPOINT))?;
        let token = if status.is_success() {
            accept(grant, &body, asked).map_err(|why| error(grant, why, CHECK_SERVER))
        } else {
            let (why, remedy) = refusal(status, &body);
            Err(error(grant, why, remedy))
        };
        body.zeroize();
        token
    };
    let late =
        || error(grant, format!("no answer within {} s", DEADLINE.as_secs()), CHECK_ENDPOINT);
    tokio::time::timeout(DEADLINE, fetching).await.unwrap_or_else(|_| Err(late()))
}

/// An error that names the endpoint, but not its query.
pub fn error(grant: &Grant, why: impl Into<String>, remedy: &'static str) -> Error {
    Error { endpoint: shown(grant), why: why.into(), remedy }
}

/// The endpoint without its query, which may hold a key.
pub fn shown(grant: &Grant) -> String {
    let mut endpoint = grant.endpoint.clone();
    endpoint.set_query(None);
    endpoint.set_fragment(None);
    endpoint.into()
}

type Trouble = (String, &'static str);

fn request(grant: &Grant) -> Result<reqwest::RequestBuilder, Trouble> {
    let http = http(&grant.authorities)?;
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &grant.scope {
        form.append_pair("scope", scope);
    }
    Ok(http
        .post(grant.endpoint.clone())
        .header(AUTHORIZATION, basic(grant))
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.finish()))
}

/// Made anew for each token, which is rare, so that a renewed file of certificates counts.
fn http(authorities: &Authorities) -> Result<reqwest::Client, Trouble> {
    // Fails only where a provider is installed already, which then is used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("paynotify/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .http1_max_headers(MAX_HEADERS)
        .pool_max_idle_per_host(0)
        .referer(false);
    let pem = match authorities {
        Authorities::Platform => None,
        Authorities::Pem(pem) => Some(pem.clone().into_bytes()),
        Authorities::File(path) => {
            let unreadable =
                |source| (format!("cannot read {}: {source}", path.display()), CHECK_ROOTS);
            Some(std::fs::read(path).map_err(unreadable)?)
        }
    };
    if let Some(pem) = pem {
        let roots = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(("the root certificates are not PEM".to_owned(), CHECK_ROOTS));
        }
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(|source| {
        let why = format!("the HTTP client cannot start: {}", cause(&source));
        (why, "install the platform's CA certificates, or set https.ca.location")
    })
}

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn basic(grant: &Grant) -> HeaderValue {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let secret = encode(grant.client_secret.expose_secret());
    let mut pair = format!("{}:{secret}", encode(&grant.client_id));
    let encoded = format!("Basic {}", STANDARD.encode(&pair));
    pair.zeroize();
    // Base64 is always a header's value.
    let mut value = HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

async fn read(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|source| cause(&source))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(format!("its answer is longer than {} KiB", MAX_BODY / 1024));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a good answer holds; `asked` is when it was asked for.
fn accept(grant: &Grant, body: &[u8], asked: (Timestamp, Instant)) -> Result<Token, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "its answer is not JSON")?;
    let value = answer["access_token"].as_str().unwrap_or_default();
    if value.is_empty() {
        return Err("its answer holds no access_token".to_owned());
    }
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its access_token has characters that no token may have".to_owned());
    }
    if answer["token_type"].as_str().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("its token_type is not Bearer".to_owned());
    }
    let claims = claims::read(value);
    let seconds = match &answer["expires_in"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    };
    // Epoch seconds fit a double to the microsecond.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let wall = asked.0.as_millis() as f64 / 1000.0;
    let seconds = seconds.or_else(|| Some(claims.exp? - wall));
    let Some(seconds) = seconds else {
        return Err(
            "nothing says how long its token lives: neither expires_in nor a claim exp".into()
        );
    };
    let life = Duration::try_from_secs_f64(seconds.min(LONGEST_LIFE)).unwrap_or_default();
    if life <= asked.1.elapsed() {
        return Err("its token has expired already; is this machine's clock right?".to_owned());
    }
    let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
    let subject = claims.sub.filter(|subject| !subject.is_empty() && !subject.contains('\0'));
    Ok(Token {
        value: value.into(),
        principal: subject.unwrap_or_else(|| grant.client_id.clone()),
        expires: Timestamp::from_millis(asked.0.as_millis().saturating_add(life_ms)),
        life,
    })
}

/// What a bad answer says (RFC 6749, section 5.2). Its description is not repeated: it could hold
/// what was sent.
fn refusal(status: StatusCode, body: &[u8]) -> Trouble {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = answer["error"].as_str().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let known = (1..=40).contains(&code.len()) && code.bytes().all(is_word);
    let said = if known { format!(" ({code})") } else { String::new() };
    let remedy = match (code, status) {
        ("invalid_scope", _) => CHECK_SCOPE,
        ("invalid_client", _) | (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            CHECK_CLIENT
        }
        ("unauthorized_client" | "unsupported_grant_type", _) => CHECK_SERVER,
        _ => CHECK_ENDPOINT,
    };
    let redirect = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    (format!("it answered HTTP {}{said}{redirect}", status.as_u16()), remedy)
}

fn cause(error: &reqwest::Error) -> String {
    let cause = innermost(error);
    // Without a cause its text would hold the whole address.
    if cause.is::<reqwest::Error>() { "the request failed".to_owned() } else { cause.to_string() }
}

fn remedy(error: &reqwest::Error) -> &'static str {
    match innermost(error).downcast_ref() {
        Some(rustls::Error::InvalidCertificate(_)) => CHECK_ROOTS,
        _ => CHECK_ENDPOINT,
    }
}

/// It says most.
fn innermost(error: &reqwest::Error) -> &(dyn std::error::Error + 'static) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    loop {
        // The source of an I/O error is that of its inner error, which would be left out.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner.map(|inner| inner as _).or_else(|| cause.source()) {
            Some(inner) => cause = inner,
            None => return cause,
        }
    }
}
