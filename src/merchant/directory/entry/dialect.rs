//! A dialect as written: a name, or an object with what it needs.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// `"standard"`, `{"kind": "stripe-like", "header": …}` or `{"kind": "custom", …}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
// The derived code becomes `Self::serialize` and `Self::deserialize`, for the object.
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DialectEntry {
    /// `standard`, `stripe-like`, `none` or `custom`.
    pub kind: String,
    /// Of `stripe-like`: the name of its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Of `custom`: `hmac-sha256`, `hmac-sha512`, `rsa-sha256`, `ed25519`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Of `custom`: `hex`, `base64`, `base64-percent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Of `custom`: names of headers, and templates of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Of `custom`: template of what is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl DialectEntry {
    /// The dialect of this name, without more.
    pub fn named(name: &str) -> Self {
        Self { kind: name.to_owned(), ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for DialectEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = DialectEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a dialect, or an object with kind and what belongs to it")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<DialectEntry, E> {
                Ok(DialectEntry::named(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DialectEntry, A::Error> {
                DialectEntry::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl Serialize for DialectEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::named(&self.kind) {
            serializer.serialize_str(&self.kind)
        } else {
            Self::serialize(self, serializer)
        }
    }
}
