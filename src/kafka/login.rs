//! Signing in with OAUTHBEARER: tokens of the client-credentials grant (RFC 6749, section 4.4).
//!
//! librdkafka is built without curl, so it fetches no tokens itself; it asks its client's context
//! when it is polled. [`Source`] has a token ready for every client of the process, [`Login`] gives
//! it to one of them. How the properties are written is in [`properties`].

mod claims;
mod endpoint;
pub mod properties;
mod source;

use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::client::OAuthToken;
use secrecy::ExposeSecret as _;

pub use source::Source;

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

/// What one client's context signs in with; without a source, the client uses no tokens.
#[derive(Debug, Default)]
pub struct Login {
    source: Option<Source>,
    /// Whether the client has asked once.
    asked: AtomicBool,
}

/// A context whose client signs in.
pub trait SignsIn {
    /// What it signs in with.
    fn login(&self) -> &Login;
}

impl Login {
    /// For one client.
    pub fn new(source: Option<Source>) -> Self {
        Self { source, asked: AtomicBool::new(false) }
    }

    /// The answer for [`rdkafka::ClientContext::generate_oauth_token`]. What librdkafka is told of
    /// an error becomes an event of the client, and it asks again ten seconds later.
    pub fn token(&self) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.asked.store(true, Ordering::Release);
        let Some(source) = &self.source else {
            return Err("OAUTHBEARER is used without a source of tokens".into());
        };
        let token = source.token()?;
        Ok(OAuthToken {
            token: token.value.expose_secret().to_owned(),
            principal_name: token.principal,
            lifetime_ms: token.expires.as_millis(),
        })
    }

    /// Whether the client still has to ask, which it does when it is polled; until then it reaches
    /// no broker.
    pub fn is_awaited(&self) -> bool {
        self.source.is_some() && !self.asked.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
