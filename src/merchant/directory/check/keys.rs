//! The value of a secret → a key, read once, by its kind.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::signature::{Ed25519KeyPair, RsaKeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use secrecy::zeroize::{Zeroize, Zeroizing};

use super::problem::{Checked, Problem};
use crate::{
    merchant::dialect::rsa_sha256,
    model::{Algorithm, Dialect, Key, SecretBytes},
};

/// Standard base64; secrets are found with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a secret's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `whsec_` and base64 (Standard Webhooks).
    Hmac,
    /// The text itself is the key.
    HmacText,
    /// Hexadecimal digits.
    HmacHex,
    /// `whsk_` and base64 (Standard Webhooks).
    Ed25519,
    /// PKCS#8 in PEM.
    Rsa,
}

impl Kind {
    pub(super) fn parse(name: &str) -> Checked<Self> {
        Ok(match name {
            "hmac" => Self::Hmac,
            "hmac-text" => Self::HmacText,
            "hmac-hex" => Self::HmacHex,
            "ed25519" => Self::Ed25519,
            "rsa" => Self::Rsa,
            _ => {
                let remedy = "write hmac, hmac-text, hmac-hex, ed25519 or rsa";
                return Err(Problem::new("kind", "is not known", remedy));
            }
        })
    }

    /// Refuses a key that this dialect cannot use.
    pub(super) fn suits(self, dialect: &Dialect) -> Checked<()> {
        let (kinds, remedy): (&[Self], _) = match dialect {
            Dialect::None => return Ok(()),
            Dialect::Standard => (&[Self::Hmac, Self::Ed25519], "use hmac or ed25519"),
            // Stripe's libraries take the whole text as the key, its prefix included.
            Dialect::StripeLike(_) => {
                (&[Self::HmacText], "use hmac-text, as Stripe's libraries do")
            }
            Dialect::Custom(custom) => match custom.algorithm {
                Algorithm::HmacSha256 | Algorithm::HmacSha512 => (
                    &[Self::Hmac, Self::HmacText, Self::HmacHex],
                    "use hmac, hmac-text or hmac-hex",
                ),
                Algorithm::RsaSha256 => (&[Self::Rsa], "use rsa"),
                Algorithm::Ed25519 => (&[Self::Ed25519], "use ed25519"),
            },
        };
        if kinds.contains(&self) {
            return Ok(());
        }
        let what = format!("cannot sign in the dialect {}", dialect.name());
        Err(Problem::new("kind", what, remedy))
    }

    /// Reads a key of this kind.
    pub(super) fn read(self, value: &str) -> Checked<Key> {
        let (key, what, remedy) = match self {
            Self::Hmac => (
                hmac(value),
                "must be the prefix whsec and, after _, the base64 of 24 to 64 random bytes",
                "make one: openssl rand -base64 32",
            ),
            Self::HmacText => (
                hmac_text(value),
                "must be 16 to 256 visible ASCII characters",
                "make one: openssl rand -hex 32",
            ),
            Self::HmacHex => (
                hmac_hex(value),
                "must be the hexadecimal digits of 16 to 128 bytes",
                "make one: openssl rand -hex 32",
            ),
            Self::Ed25519 => (
                ed25519(value),
                "must be the prefix whsk and, after _, the base64 of the 32 bytes of the private \
                 key, or of these and the 32 of its public key",
                "make one: openssl genpkey -algorithm ed25519 -outform DER | tail -c 32 | base64",
            ),
            Self::Rsa => (
                rsa(value),
                "must be an RSA key of 2048 to 4096 bits as PKCS#8 in PEM, without a password",
                "make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048; \
                 or convert: openssl pkcs8 -topk8 -nocrypt",
            ),
        };
        key.ok_or_else(|| Problem::new("value", what, remedy))
    }
}

/// Standard Webhooks 1.0.0, "Signature scheme": 24 to 64 bytes.
fn hmac(value: &str) -> Option<Key> {
    let key = BASE64.decode(value.strip_prefix("whsec_")?).ok()?;
    // The buffer is wiped by its owner.
    (24..=64).contains(&key.len()).then(|| Key::Hmac(SecretBytes::new(key)))
}

fn hmac_text(value: &str) -> Option<Key> {
    let fits = (16..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| Key::Hmac(SecretBytes::new(value.as_bytes().to_vec())))
}

fn hmac_hex(value: &str) -> Option<Key> {
    if !(32..=256).contains(&value.len()) || !value.is_ascii() || value.len() % 2 == 1 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let key: Zeroizing<Option<Vec<u8>>> =
        Zeroizing::new(value.as_bytes().chunks_exact(2).map(byte).collect());
    key.as_ref().map(|key| Key::Hmac(SecretBytes::new(key.clone())))
}

/// Seed and public key are what Svix's server, the reference of `v1a`, writes after `whsk_`; the
/// seed alone is RFC 8032's private key.
fn ed25519(value: &str) -> Option<Key> {
    let bytes = Zeroizing::new(BASE64.decode(value.strip_prefix("whsk_")?).ok()?);
    let pair = match bytes.split_at_checked(32)? {
        (seed, []) => Ed25519KeyPair::from_seed_unchecked(seed),
        (seed, public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
    };
    Some(Key::Ed25519(pair.ok()?.into()))
}

fn rsa(value: &str) -> Option<Key> {
    let mut der = PrivatePkcs8KeyDer::from_pem_slice(value.as_bytes()).ok()?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok();
    der.zeroize();
    let pair = pair?;
    // Only signing shows whether the parts of a key belong together.
    rsa_sha256(&pair, b"")?;
    Some(Key::Rsa(pair.into()))
}
