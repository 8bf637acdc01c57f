//! Signing in with OAUTHBEARER: librdkafka fetches and renews tokens itself, on a thread of its own
//! in each client. What it says of a failure would repeat the endpoint's answer, which may hold what
//! was sent; here it becomes an [`Error`] that holds no secret.

pub mod properties;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use serde_json::Value;

use super::client::log_line;

/// Why there is no token; never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no token for Kafka from {endpoint}: {why}; {remedy}")]
pub struct Error {
    /// Where it was asked for.
    pub endpoint: String,
    /// What happened.
    pub why: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What a client's context hears about its tokens. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The token endpoint, as it is shown.
    endpoint: String,
    failure: Arc<Mutex<Option<Error>>>,
}

/// librdkafka's log facilities of requests for tokens.
const FACILITIES: [&str; 2] = ["OIDC", "JWT"];
/// How librdkafka begins the error that it makes of such a failure.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token: ";
/// How librdkafka begins what it says itself of an answer; anything else there is the answer.
const OWN_WORDS: [&str; 4] =
    ["Expected ", "Failed to decode JWT ", "Failed to parse JSON JWT ", "Must supply "];

const CHECK_ENDPOINT: &str =
    "check sasl.oauthbearer.token.endpoint.url in kafka.properties, and the network";
const CHECK_CLIENT: &str =
    "check sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret in kafka.properties";
const CHECK_SCOPE: &str = "check sasl.oauthbearer.scope in kafka.properties";
const CHECK_ROOTS: &str = "check https.ca.location or https.ca.pem in kafka.properties";
const CHECK_ASSERTION: &str = "check sasl.oauthbearer.assertion.* in kafka.properties";
const CHECK_SERVER: &str = "check the settings of this client at the token endpoint";

impl Login {
    /// For one client; `endpoint` is shown in errors.
    pub fn new(endpoint: String) -> Self {
        Self { endpoint, failure: Arc::default() }
    }

    /// For [`rdkafka::ClientContext::log`]: writes the line, unless it tells of a failed request
    /// for a token: that is noted, and written without the answer.
    pub fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if FACILITIES.contains(&facility) && is_error(level) {
            let failure = self.note(failure(message));
            tracing::error!(target: "librdkafka", facility, "{failure}");
        } else {
            log_line(level, facility, message);
        }
    }

    /// For [`rdkafka::ClientContext::error`]: the reason as it may be shown.
    pub fn reason(&self, reason: &str) -> String {
        let Some(said) = reason.strip_prefix(NO_TOKEN) else { return reason.to_owned() };
        if OWN_WORDS.iter().any(|words| said.starts_with(words)) {
            return self.note((said.to_owned(), CHECK_SERVER)).to_string();
        }
        // Its line in the log came before.
        let noted = self.failure();
        noted.map_or_else(|| "no token for Kafka".to_owned(), |failure| failure.to_string())
    }

    /// Why there was no token when one was last asked for.
    pub fn failure(&self) -> Option<Error> {
        self.lock().clone()
    }

    /// Forgets the last failure: Kafka answers.
    pub fn forget(&self) {
        *self.lock() = None;
    }

    /// An error that names the endpoint.
    pub fn error(&self, why: impl Into<String>) -> Error {
        let (endpoint, why) = (self.endpoint.clone(), why.into());
        Error { endpoint, why, remedy: CHECK_ENDPOINT }
    }

    fn note(&self, (why, remedy): (String, &'static str)) -> Error {
        let failure = Error { remedy, ..self.error(why) };
        *self.lock() = Some(failure.clone());
        failure
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_error(level: RDKafkaLogLevel) -> bool {
    use RDKafkaLogLevel as Level;
    matches!(level, Level::Emerg | Level::Alert | Level::Critical | Level::Error)
}

/// What happened and what to do, from `Failed to retrieve OIDC token from "URL": ANSWER (CODE)`,
/// where the code is the HTTP status or -1, or from another text without the answer.
fn failure(message: &str) -> (String, &'static str) {
    let told = message.split_once("\": ").map(|(_, told)| told);
    let parts = told.and_then(|told| told.strip_suffix(')')?.rsplit_once(" ("));
    let Some((answer, code)) = parts else { return (message.to_owned(), CHECK_ASSERTION) };
    match code.parse() {
        Ok(status @ 400..=999) => refusal(status, answer),
        Ok(100..400) => (answer.to_owned(), CHECK_SERVER),
        _ if answer.contains("certificate") => (answer.to_owned(), CHECK_ROOTS),
        _ => (answer.to_owned(), CHECK_ENDPOINT),
    }
}

/// What a bad answer says (RFC 6749, section 5.2). Its description is not repeated: it could hold
/// what was sent.
fn refusal(status: u16, answer: &str) -> (String, &'static str) {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let code = answer["error"].as_str().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let known = (1..=40).contains(&code.len()) && code.bytes().all(is_word);
    let said = if known { format!(" ({code})") } else { String::new() };
    let remedy = match (code, status) {
        ("invalid_scope", _) => CHECK_SCOPE,
        ("invalid_client", _) | (_, 401 | 403) => CHECK_CLIENT,
        ("unauthorized_client" | "unsupported_grant_type", _) => CHECK_SERVER,
        _ => CHECK_ENDPOINT,
    };
    (format!("it answered HTTP {status}{said}"), remedy)
}

#[cfg(test)]
mod tests;
