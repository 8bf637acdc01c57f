//! What can be wrong with a configuration, said so that it can be put right.

use std::fmt;

use super::Origin;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read configuration file {path}: {source}; check the path given by --config")]
    Unreadable {
        /// The file as it was named.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{place}: not valid TOML: {message}; `paynotify config default` prints a valid file")]
    Syntax {
        /// File and line.
        place: Origin,
        /// What the parser said, without the text of the line, which may be secret.
        message: String,
    },
    /// A variable of ours holds bytes that are no text.
    #[error("environment variable {0}: not valid UTF-8; write it as text")]
    NotText(String),
    /// Keys or values that are wrong, all of them.
    #[error("{}", lines(.0))]
    Wrong(Vec<Problem>),
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which setting, as a dotted key.
    pub key: String,
    /// Where it was written.
    pub place: Origin,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.place, self.key, self.what, self.remedy)
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
