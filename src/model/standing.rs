//! How an endpoint stands: since when it fails, and whether it was disabled for that.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Revision, Timestamp};

/// An endpoint of which the last attempt failed; one that works has no standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The entry under which it failed; an edit of the operator ends this standing.
    pub revision: Revision,
    /// The first failure after the last success.
    pub failing_since: Timestamp,
    /// The first 410 since which every answer was one.
    pub gone_since: Option<Timestamp>,
    /// Set when workers send it nothing more.
    pub disabled: Option<Disabled>,
}

/// When and why an endpoint was disabled by a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// When.
    pub at: Timestamp,
    /// Since when it was as the reason says.
    pub since: Timestamp,
    /// Why.
    pub reason: DisabledReason,
}

/// Why an endpoint was disabled by a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisabledReason {
    /// Every answer was 410.
    Gone,
    /// No attempt succeeded.
    Failing,
}

impl fmt::Display for Disabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            DisabledReason::Gone => write!(f, "it answered only 410 since {}", self.since),
            DisabledReason::Failing => write!(f, "no attempt succeeded since {}", self.since),
        }
    }
}
