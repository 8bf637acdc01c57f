//! Names given by others, checked once at the border.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a name is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {pattern}, but is {found:?}")]
pub struct IdError {
    what: &'static str,
    pattern: &'static str,
    found: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the pattern and takes the name.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.into()));
                }
                let found = text.chars().take(140).collect();
                Err(IdError { what: $what, pattern: $pattern, found })
            }

            /// The name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
    };
}

id!(
    /// Id of an event, stable over every attempt; becomes `webhook-id`.
    EventId, "an event id", "^[A-Za-z0-9_:-]{1,128}$", |text| bounded(text, b"_:-")
);
id!(
    /// Id of a merchant; the key of its records.
    MerchantId, "a merchant id", "^[A-Za-z0-9_:.-]{1,128}$", |text| bounded(text, b"_:.-")
);
id!(
    /// Id of an endpoint, unique within its merchant.
    EndpointId, "an endpoint id", "^[A-Za-z0-9_:.-]{1,64}$",
    |text| text.len() <= 64 && bounded(text, b"_:.-")
);
id!(
    /// Dotted lower-case name of what happened, such as `payment.completed`.
    EventType, "an event type", "^[a-z0-9_-]+(\\.[a-z0-9_-]+)*$ (at most 128)", is_event_type
);

fn bounded(text: &str, extra: &[u8]) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}

fn is_event_type(text: &str) -> bool {
    text.len() <= 128
        && text.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
                })
        })
}
