//! paynotify tells merchants about completed payments over HTTP, with Kafka as the only store.

pub mod clock;
pub mod engine;
pub mod envelope;
pub mod event;
pub mod kafka;
pub mod model;
