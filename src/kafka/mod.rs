//! The Kafka shell: every client of the broker, and nothing that decides.
//!
//! [`ClientSettings`] is the only place that makes librdkafka configurations, so safe defaults and
//! refusals hold for every client. [`TopicNames`] is the only place that spells topic names.

pub mod admin;
pub mod answers;
pub mod client;
pub mod committer;
pub mod consumer;
mod error;
pub mod login;
mod names;
mod open;
mod polled;
pub mod position;
pub mod producer;
pub mod reader;
pub mod table;
pub mod topics;

pub use client::{ClientSettings, LogContext};
pub use error::{Error, UnsafeProperty};
pub use names::TopicNames;
pub use open::sign_in;
