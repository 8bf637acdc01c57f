//! How an endpoint's requests are signed.

use std::sync::Arc;

use http::HeaderName;

/// The form of signature that a merchant understands. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Not signed.
    None,
    /// Standard Webhooks 1.0.0.
    #[default]
    Standard,
    /// As Stripe signs, in a header of this name.
    StripeLike(HeaderName),
    /// As the merchant's entry declares.
    Custom(Arc<CustomDialect>),
}

/// A dialect put together in a merchant's entry. It has one signature, by the newest valid secret.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomDialect {
    /// How to sign.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// Headers to add, their values to be filled in.
    pub headers: Vec<(HeaderName, Template)>,
    /// What is signed.
    pub content: Template,
}

/// How a custom dialect signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    HmacSha256,
    HmacSha512,
    /// PKCS#1 v1.5.
    RsaSha256,
    Ed25519,
}

/// How the bytes of a signature become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower case.
    Hex,
    /// The standard alphabet, padded.
    Base64,
    /// The same, with `+`, `/` and `=` percent-encoded, as in a URL's query.
    PercentBase64,
}

/// Text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Stands as it is.
    Text(String),
    /// The method of the request: `POST`.
    Method,
    /// Path and query of the URL.
    Path,
    /// The event's id.
    Id,
    /// Time of the attempt in Unix seconds.
    Timestamp,
    /// Time of the attempt in Unix milliseconds.
    TimestampMs,
    /// Id of the secret that signs.
    KeyId,
    /// The body's bytes; in signed content only.
    Body,
    /// The encoded signature; in headers only.
    Signature,
}

impl Dialect {
    /// The dialect of this name, where a name is enough.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "standard" => Some(Self::Standard),
            "stripe-like" => Some(Self::StripeLike(HeaderName::from_static("stripe-signature"))),
            _ => None,
        }
    }

    /// What entries and configuration call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::StripeLike(_) => "stripe-like",
            Self::Custom(_) => "custom",
        }
    }

    /// Whether requests carry a signature.
    pub fn signs(&self) -> bool {
        !matches!(self, Self::None)
    }
}
