//! `[memory]`: what a worker may take, and who gets which part of it.

use super::{Delivery, Hold, Size, reader::Reader};
use crate::{
    engine::HoldBounds,
    merchant::client::{ATTEMPT_BYTES, CONNECTION_BYTES},
};

/// `[memory]`: what a worker may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of held records, attempts, connections and the directory together.
    pub budget: Size,
}

/// The parts of a [`Memory::budget`], in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// All of it.
    pub budget: usize,
    /// What `delivery.max_in_flight` attempts can take.
    pub attempts: usize,
    /// What `delivery.max_connections` connections can take.
    pub connections: usize,
    /// What is left for held records and the directory.
    pub records_and_directory: usize,
}

impl Default for Memory {
    /// Room for a million merchants with one endpoint each.
    fn default() -> Self {
        Self { budget: Size::from_bytes(2 << 30) }
    }
}

impl Memory {
    pub(super) fn read(&mut self, reader: &mut Reader, delivery: &Delivery, hold: &Hold) {
        reader.read("memory.budget", &mut self.budget);
        let Parts { attempts, connections, .. } = self.parts(delivery);
        let records = HoldBounds::least(hold.max_bytes.as_usize());
        let least = attempts.saturating_add(connections).saturating_add(records);
        if self.budget.as_usize() < least {
            let what = format!(
                "{} is less than {} for attempts, {} for connections and {} for records",
                self.budget,
                mebibytes(attempts),
                mebibytes(connections),
                mebibytes(records)
            );
            let remedy = "write more, or lower delivery.max_connections or delivery.max_in_flight";
            reader.refuse("memory.budget", what, remedy);
        }
    }

    /// Who gets which part. Attempts and connections have all that their limits allow them.
    pub fn parts(&self, delivery: &Delivery) -> Parts {
        let budget = self.budget.as_usize();
        let attempts = ATTEMPT_BYTES.saturating_mul(delivery.max_in_flight as usize);
        let connections = CONNECTION_BYTES.saturating_mul(delivery.max_connections as usize);
        let taken = attempts.saturating_add(connections);
        let records_and_directory = budget.saturating_sub(taken);
        Parts { budget, attempts, connections, records_and_directory }
    }
}

fn mebibytes(bytes: usize) -> Size {
    Size::from_bytes((bytes as u64).div_ceil(1 << 20) << 20)
}
