//! Standard Webhooks 1.0.0 (standardwebhooks.com, `spec/standard-webhooks.md`): over
//! `{id}.{timestamp}.{body}`, `v1` with HMAC-SHA256 and `v1a` with Ed25519.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

use super::{Scheme, Unsigned, append, value};
use crate::model::{Key, Secret};

const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The dialect `standard`.
pub(super) struct Standard;

/// Signatures of one request and the names of the keys that made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Value of `webhook-signature`: one signature for each key, separated by spaces, so that a
    /// merchant can change from the old secret to the new.
    pub header: String,
    /// Ids of the secrets in the same order, separated by commas.
    pub key_ids: String,
}

impl Scheme for Standard {
    fn sign(
        &self,
        keys: &[&Secret],
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Option<String> {
        let signed = signatures(keys, request)?;
        headers.insert(SIGNATURE, value(signed.header)?);
        Some(signed.key_ids)
    }
}

/// Signs with every key; nothing when none fits. `webhook-id` and `webhook-timestamp` (whole
/// seconds) are not among what it gives.
pub fn signatures(keys: &[&Secret], request: &Unsigned<'_>) -> Option<Signed> {
    let seconds = request.now.as_seconds().to_string();
    let (id, seconds) = (request.id.as_str().as_bytes(), seconds.as_bytes());
    let content: [&[u8]; 5] = [id, b".", seconds, b".", request.body];
    // `v1,` with its 44 characters, and a space between two: filled exactly, it is not copied again.
    let mut header = String::with_capacity((48 * keys.len()).saturating_sub(1));
    let mut key_ids = String::new();
    for secret in keys {
        match &secret.key {
            Key::Hmac(key) => {
                // HMAC takes keys of every length, so there is always a code.
                let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
                for part in content {
                    mac.update(part);
                }
                append(&mut header, ' ', "v1,");
                STANDARD.encode_string(mac.finalize().into_bytes(), &mut header);
            }
            Key::Ed25519(pair) => {
                append(&mut header, ' ', "v1a,");
                STANDARD.encode_string(pair.sign(&content.concat()), &mut header);
            }
            Key::Rsa(_) => continue,
        }
        append(&mut key_ids, ',', &secret.id);
    }
    (!header.is_empty()).then_some(Signed { header, key_ids })
}
