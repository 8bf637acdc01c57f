//! What the integration tests share: a real Kafka and a receiver of requests.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this module")]

pub mod kafka;
pub mod receiver;
