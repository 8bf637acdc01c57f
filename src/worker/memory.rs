//! Where the memory of a worker is, of its budget.

use serde_json::{Value, json};

use crate::{
    config::Parts,
    engine::Status,
    merchant::client::{ATTEMPT_BYTES, CONNECTION_BYTES, Client},
};

/// Looks at what takes memory.
pub struct Memory {
    parts: Parts,
    client: Client,
}

/// What takes memory now, in bytes. Attempts and connections count with what they can take.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    parts: Parts,
    held: usize,
    held_most: usize,
    attempts: usize,
    connections: usize,
    directory: usize,
    directory_too_large: bool,
}

impl Memory {
    pub fn new(parts: Parts, client: Client) -> Self {
        Self { parts, client }
    }

    pub fn look(&self, status: &Status) -> Usage {
        Usage {
            parts: self.parts,
            held: status.held_bytes,
            held_most: status.held_most,
            attempts: status.in_flight * ATTEMPT_BYTES,
            connections: self.client.open_connections() * CONNECTION_BYTES,
            directory: status.directory_bytes,
            directory_too_large: status.directory_too_large,
        }
    }
}

impl Usage {
    /// All that may be taken.
    pub fn budget(&self) -> usize {
        self.parts.budget
    }

    /// Who takes what, by name.
    pub fn parts(&self) -> [(&'static str, usize); 4] {
        let Self { held, attempts, connections, directory, .. } = *self;
        [
            ("held", held),
            ("attempts", attempts),
            ("connections", connections),
            ("directory", directory),
        ]
    }

    /// For `/status`.
    pub fn describe(&self) -> Value {
        json!({
            "budget": self.parts.budget,
            "held": { "bytes": self.held, "most": self.held_most },
            "attempts": { "bytes": self.attempts, "most": self.parts.attempts },
            "connections": { "bytes": self.connections, "most": self.parts.connections },
            "directory": { "bytes": self.directory, "with_held": self.parts.records_and_directory },
        })
    }

    /// What is wrong, and what helps.
    pub fn trouble(&self) -> Option<String> {
        self.directory_too_large.then(|| {
            format!(
                "the directory takes {} MiB of the {} MiB that are for it and held records, so few \
                 records are read ahead; raise memory.budget and the memory of this worker",
                self.directory >> 20,
                self.parts.records_and_directory >> 20
            )
        })
    }
}
