//! What the benchmarks share: a real broker, a receiver, workers as processes, figures.

#[path = "../../tests/support/kafka/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
pub mod kafka;

pub mod admin;
pub mod bare;
pub mod events;
pub mod plan;
pub mod process;
pub mod publish;
pub mod publisher;
pub mod receiver;
pub mod role;
pub mod stage;
pub mod summary;
pub mod time;
pub mod topics;
pub mod worker;
pub mod workload;
