//! What the program says about itself: metrics, logs, health and status.
//!
//! No globals but the log: whoever counts is given [`metrics::Metrics`].

pub mod admin;
pub mod health;
pub mod labels;
pub mod logging;
pub mod metrics;
mod process;
pub mod worst;
