//! Secrets at rest: every value in the directory is sealed with a data key of its own, and that key
//! with a key-encryption key that only workers and operators have (envelope encryption).
//!
//! A sealed value is text: `sealed:1:<key id>:<wrapped data key>:<value>`, the last two in base64, each
//! a nonce, the ciphertext and the tag of AES-256-GCM (NIST SP 800-38D). Merchant, endpoint and secret
//! id are associated data of both, so a value that is copied elsewhere does not open there.

mod keys;
mod seal;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use secrecy::SecretString;

use keys::Keys;
pub use keys::{KeySource, KeysError};

/// How a sealed value begins.
const MARK: &str = "sealed:1:";

/// Seals and opens with the keys of its source. Cheap to clone; clones share the keys.
#[derive(Debug, Clone)]
pub struct Vault {
    file: Option<PathBuf>,
    state: Arc<RwLock<State>>,
}

/// Time of the last change, and length.
type Version = (SystemTime, u64);

#[derive(Debug)]
struct State {
    /// Of the file, before it was read.
    version: Option<Version>,
    /// How often they were read again.
    generation: u64,
    keys: Arc<Keys>,
}

/// Where a value belongs; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The merchant.
    pub merchant: &'a str,
    /// Its endpoint.
    pub endpoint: &'a str,
    /// Id of the secret; `auth/password` and `auth/token` where it is none.
    pub secret: &'a str,
}

/// Why a value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its key is not among those at hand.
    #[error("is sealed with key {0}, which is not at hand")]
    UnknownKey(String),
    /// It was changed, or belongs elsewhere.
    #[error("does not open: it was changed, or sealed for another merchant, endpoint or secret")]
    Altered,
    /// It is no sealed value.
    #[error("is no sealed value")]
    Malformed,
}

/// Whether this text is a sealed value.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Whether a sealed value is somewhere in an entry, as far as bytes tell.
pub fn holds_sealed(entry: &[u8]) -> bool {
    entry.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

impl Vault {
    /// Reads the keys.
    pub fn new(source: &KeySource) -> Result<Self, KeysError> {
        let file = match source {
            KeySource::File(path) => Some(path.clone()),
            _ => None,
        };
        let version = file.as_deref().and_then(version_of);
        let state = State { version, generation: 0, keys: Arc::new(source.read()?) };
        Ok(Self { file, state: Arc::new(RwLock::new(state)) })
    }

    /// Seals a value with the current key.
    pub fn seal(&self, place: Place<'_>, value: &str) -> String {
        seal::seal(self.keys().current(), place, value)
    }

    /// Opens a value. A key that is not known is looked for in the file once more.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, OpenError> {
        let opened = seal::open(&self.keys(), place, sealed);
        if matches!(opened, Err(OpenError::UnknownKey(_))) && self.reload() {
            return seal::open(&self.keys(), place, sealed);
        }
        opened
    }

    /// The same value under the current key; `None` where it is that already.
    pub fn rewrap(&self, place: Place<'_>, sealed: &str) -> Result<Option<String>, OpenError> {
        seal::rewrap(&self.keys(), place, sealed)
    }

    /// Which keys are at hand: another number whenever the file was read again, which this does where
    /// it has changed. Blocks on the file system.
    pub fn generation(&self) -> u64 {
        self.reload();
        self.state.read().unwrap_or_else(PoisonError::into_inner).generation
    }

    /// Reads the file again if it has changed; whether it did. The keys stay where it is spoiled.
    fn reload(&self) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        let version = version_of(file);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if version.is_none() || state.version == version {
            return false;
        }
        let Ok(keys) = KeySource::File(file.clone()).read() else {
            return false;
        };
        let generation = state.generation + 1;
        *state = State { version, generation, keys: Arc::new(keys) };
        true
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).keys)
    }
}

/// Two changes within a tick of the file system's clock mostly differ in length.
fn version_of(file: &Path) -> Option<Version> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}
