//! paynotify tells merchants about completed payments over HTTP, with Kafka as the only store.
//!
//! The program is [`cli`]; what it does all day is [`worker`]: it reads records through [`kafka`],
//! asks the pure [`engine`] what to do, and sends requests through [`merchant`]. [`model`] has the
//! nouns, [`event`] and [`envelope`] their bytes, [`config`] the settings, [`clock`] the time, and
//! [`telemetry`] what people see. There is no database here, no cache and no lock.

pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod engine;
pub mod envelope;
pub mod event;
pub mod fail_point;
pub mod kafka;
pub mod merchant;
pub mod model;
pub mod schema;
pub mod shutdown;
pub mod telemetry;
pub mod worker;
