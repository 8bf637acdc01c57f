//! What the consumer tells the worker.

use std::sync::{Arc, mpsc::SyncSender};

use bytes::Bytes;

use super::Error;
use crate::{
    engine::{Commit, Epoch, Record},
    kafka::committer,
    model::{Header, Offset, Partition, Timestamp},
};

/// One thing that happened, in order.
#[derive(Debug)]
pub enum Input {
    /// These partitions are ours from now on.
    Assigned(Vec<Assigned>),
    /// Records, in order of their offsets within a partition, none twice under one assignment.
    Records(Vec<Read>),
    /// The log was read up to `position`, though no record said so: what lies between is control
    /// records and aborted transactions.
    End {
        /// Which partition.
        partition: Partition,
        /// Under which assignment.
        epoch: Epoch,
        /// The next offset that can hold a record.
        position: Offset,
    },
    /// Records of a held partition left the log before they were read; reading goes on after
    /// them, under the same assignment.
    Gap {
        /// Which partition.
        partition: Partition,
        /// How many.
        lost: u64,
    },
    /// These partitions go to another member: reply within [`super::DRAIN`] with the last commits.
    /// Nothing is let go before the reply or its deadline.
    Revoking {
        /// Which partitions.
        partitions: Vec<Partition>,
        /// Where the last commits go.
        reply: SyncSender<Vec<Commit>>,
    },
    /// These partitions are gone, and nothing can be committed any more.
    Lost(Vec<Partition>),
    /// What became of a commit.
    Committed {
        /// The commit.
        commit: Commit,
        /// Whether the broker has it.
        result: Result<(), committer::Error>,
    },
    /// A partition is ours but cannot be read until a person decides.
    Held {
        /// Which partition.
        partition: Partition,
        /// What is wrong and what to do.
        why: String,
    },
    /// This consumer cannot go on: stop it.
    Fatal(Error),
    /// Kafka does not answer as it should; it may pass.
    Trouble(String),
    /// Kafka answers again.
    Healthy,
}

/// A partition that became ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Which partition.
    pub partition: Partition,
    /// The assignment that its records and commits carry.
    pub epoch: Epoch,
    /// The first offset that will be read.
    pub start: Offset,
    /// The metadata of the commit, only where the start is the committed offset.
    pub metadata: Option<String>,
    /// How many records left the log before they were read.
    pub lost: u64,
}

/// A record that was read.
#[derive(Debug, Clone)]
pub struct Read {
    /// Under which assignment.
    pub epoch: Epoch,
    /// What it is.
    pub record: Record,
}

/// Makes a record of what the broker gave, on the consumer's thread: the worker's loop has enough to do.
pub type Decode = Arc<dyn Fn(RawRecord) -> Record + Send + Sync>;

/// A record as the broker gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Where it was read.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// The record's timestamp: append time, on brokers that stamp it.
    pub appended: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers in order; one without a value has empty bytes.
    pub headers: Vec<Header>,
}
