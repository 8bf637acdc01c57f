//! Bytes of a record → [`Event`](crate::model::Event), or why they are none.

/// Why the bytes of a record are no event that can be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not a JSON object, a tombstone, or framed for a schema registry.
    #[error("{0}")]
    NoEvent(String),
    /// An object that breaks a rule of the contract.
    #[error("{0}")]
    Invalid(String),
}
