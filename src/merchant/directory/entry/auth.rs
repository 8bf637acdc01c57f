//! What a request shows to be let in, as written.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{optional_secret, shown};

/// `{"kind": "basic", "username": …, "password": …}`, `{"kind": "bearer", "token": …}` or
/// `{"kind": "client_certificate", "certificate": …, "key": …}`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with kind and what belongs to it")]
pub struct AuthEntry {
    /// `basic`, `bearer` or `client_certificate`.
    pub kind: String,
    /// Of `basic`.
    pub username: Option<String>,
    /// Of `basic`.
    #[serde(default, deserialize_with = "optional_secret")]
    pub password: Option<SecretString>,
    /// Of `bearer`.
    #[serde(default, deserialize_with = "optional_secret")]
    pub token: Option<SecretString>,
    /// Of `client_certificate`: the chain in PEM, its own first.
    pub certificate: Option<String>,
    /// Of `client_certificate`: its private key in PEM.
    #[serde(default, deserialize_with = "optional_secret")]
    pub key: Option<SecretString>,
}

pub(super) fn redacted(entry: &AuthEntry) -> Value {
    let hidden = |secret: &Option<SecretString>| secret.as_ref().map(|_| shown::REDACTED);
    let mut auth = json!({
        "kind": shown::kind(&entry.kind),
        "username": entry.username.as_deref().map(shown::username),
        "password": hidden(&entry.password),
        "token": hidden(&entry.token),
        "certificate": entry.certificate.as_deref().map(shown::certificate),
        "key": hidden(&entry.key),
    });
    if let Some(fields) = auth.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    auth
}

impl fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = redacted(self);
        shown::without_keys(&mut shown);
        write!(f, "AuthEntry {shown}")
    }
}
