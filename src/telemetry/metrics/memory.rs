//! Metrics of the memory budget.

use prometheus::{IntGauge, IntGaugeVec};

use super::{Declare, gauge};

/// Everything that the budget covers.
const PARTS: [&str; 4] = ["held", "attempts", "connections", "directory"];

/// Metrics of the memory budget.
#[derive(Debug)]
pub struct Memory {
    budget: IntGauge,
    parts: IntGaugeVec,
}

impl Memory {
    pub(super) fn new(declare: &Declare) -> Result<Self, prometheus::Error> {
        let budget = declare.gauge(
            "paynotify_memory_budget_bytes",
            "What records, attempts, connections and the directory may take (memory.budget).",
        )?;
        let parts = declare.gauges(
            "paynotify_memory_bytes",
            "What they take; attempts and connections at what they can take.",
            "part",
        )?;
        let memory = Self { budget, parts };
        memory.set(0, PARTS.map(|part| (part, 0)));
        Ok(memory)
    }

    /// All that may be taken, and who takes what.
    pub fn set(&self, budget: usize, parts: [(&'static str, usize); 4]) {
        self.budget.set(gauge(budget));
        for (part, bytes) in parts {
            self.parts.with_label_values(&[part]).set(gauge(bytes));
        }
    }
}
