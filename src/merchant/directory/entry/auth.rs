//! What a request shows to be let in, as written.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::optional_secret;

/// `{"kind": "basic", "username": …, "password": …}` or `{"kind": "bearer", "token": …}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with kind and what belongs to it")]
pub struct AuthEntry {
    /// `basic` or `bearer`.
    pub kind: String,
    /// Of `basic`.
    pub username: Option<String>,
    /// Of `basic`.
    #[serde(default, deserialize_with = "optional_secret")]
    pub password: Option<SecretString>,
    /// Of `bearer`.
    #[serde(default, deserialize_with = "optional_secret")]
    pub token: Option<SecretString>,
}

pub(super) fn redacted(entry: &AuthEntry) -> Value {
    let hidden = |secret: &Option<SecretString>| secret.as_ref().map(|_| "[redacted]");
    let mut auth = json!({
        "kind": entry.kind,
        "username": entry.username,
        "password": hidden(&entry.password),
        "token": hidden(&entry.token),
    });
    if let Some(fields) = auth.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    auth
}
