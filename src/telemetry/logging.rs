//! The program's own log, to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directives cannot be read.
    #[error("log.filter: {filter:?} is not a filter: {reason}; write a level, such as \"info\"")]
    Filter {
        /// What was written.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else was first.
    #[error("the log is already set up; call this once per process")]
    Twice,
}

/// Begins to log for the whole process; call it once.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|reason| Error::Filter {
        filter: log.filter.clone(),
        reason: reason.to_string(),
    })?;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = !plain && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    }
    .map_err(|_| Error::Twice)
}
