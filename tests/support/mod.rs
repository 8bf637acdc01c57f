//! What the integration tests share: a real Kafka and a receiver of requests.
#![allow(clippy::disallowed_methods, reason = "tests compare with the real time")]
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this module")]

pub mod brokers;
pub mod kafka;
pub mod mock;
pub mod receiver;
pub mod system;
pub mod tokens;
pub mod worker;
