//! The nouns of the design as types: what they mean, how they are written, how they are read.
//!
//! No I/O, no clock, no Kafka, no HTTP. Everything else depends on this module, and it on nothing.

mod certificate;
mod class;
mod dialect;
mod event;
mod footprint;
mod id;
mod ladder;
mod merchant;
mod named;
mod place;
mod preset;
mod rate;
mod revision;
mod secret;
mod span;
mod standing;
mod timestamp;

pub use certificate::ClientCertificate;
pub use class::{Class, ClassId, Method};
pub use dialect::{Algorithm, CustomDialect, Dialect, Encoding, Piece, Template};
pub use event::{Event, Header, Resource};
pub use id::{EndpointId, EventId, EventType, IdError, MerchantId};
pub use ladder::{Grade, Ladder, LadderError};
pub use merchant::{
    Acknowledge, Endpoint, EventFilter, Jitter, JsonRule, Merchant, Policy, State, StatusSet,
};
pub use named::Named;
pub use place::{Coordinates, CoordinatesError, Offset, Partition, Source};
pub use preset::{PRESETS, Preset};
pub use rate::{Rate, Weight};
pub use revision::Revision;
pub use secret::{Key, Secret, SecretBytes};
pub use span::{Span, SpanError};
pub use standing::{Disabled, DisabledReason, Standing};
pub use timestamp::{Timestamp, TimestampError};
