//! Where a value came from.

use std::{fmt, sync::Arc};

/// The place that gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        name: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

/// One effective value, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Dotted key.
    pub key: String,
    /// As TOML, secrets redacted; absent when the setting has no value.
    pub value: Option<String>,
    /// Who said so.
    pub origin: Origin,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}
