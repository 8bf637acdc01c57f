//! paynotify tells merchants about completed payments over HTTP, with Kafka as the only store.

pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod envelope;
pub mod event;
pub mod kafka;
pub mod merchant;
pub mod model;
pub mod schema;
pub mod shutdown;
pub mod telemetry;
pub mod worker;
