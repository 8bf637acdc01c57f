//! What a process of most benchmarks is instead of the benchmark itself.

use clap::Subcommand;

use super::receiver;

/// One of the processes that a benchmark starts of its own binary.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Role {
    /// Answers 200 to everything and counts
    Receiver,
}

impl Role {
    /// Is that until it is told to end.
    pub fn play(self) -> anyhow::Result<()> {
        match self {
            Self::Receiver => receiver::serve(None),
        }
    }
}
