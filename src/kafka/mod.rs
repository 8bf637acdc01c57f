//! Everything that speaks Kafka.

pub mod position;
