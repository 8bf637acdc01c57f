//! Keys and what else nobody may see.

use std::{fmt, sync::Arc};

use ring::signature::{Ed25519KeyPair, RsaKeyPair};
use secrecy::{ExposeSecret, SecretSlice};

use super::Timestamp;

/// One signing key with its time of validity.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Name for logs; never the value.
    pub id: String,
    /// The key itself.
    pub key: Key,
    /// Not used before.
    pub not_before: Option<Timestamp>,
    /// Not used from then on.
    pub expires: Option<Timestamp>,
}

/// A key, read once and ready to sign. Never printed.
#[derive(Clone)]
pub enum Key {
    /// For HMAC with any hash.
    Hmac(SecretBytes),
    /// For Ed25519.
    Ed25519(Arc<Ed25519KeyPair>),
    /// For RSA.
    Rsa(Arc<RsaKeyPair>),
}

/// Bytes that are zeroed when dropped and never printed.
#[derive(Clone)]
pub struct SecretBytes(Arc<SecretSlice<u8>>);

impl Secret {
    /// Whether it signs at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now) && self.expires.is_none_or(|end| now < end)
    }
}

impl SecretBytes {
    /// Takes the bytes; the caller's copy should be zeroed.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(SecretSlice::from(bytes)))
    }

    /// The bytes, for signing and sending only.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
