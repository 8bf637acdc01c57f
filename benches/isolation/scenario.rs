//! Who makes trouble, and how.

use std::time::Duration;

use clap::ValueEnum;

use super::{
    support::{
        receiver::{FAIL, HANG, LIVE, REMOTE},
        topics::PARTITIONS,
    },
    traffic::MERCHANTS,
};

/// What others do while the healthy merchants are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// One merchant of a hundred hangs.
    HangOnePercent,
    /// One of ten.
    HangTenPercent,
    /// One hangs with 50,000 events behind it.
    HangWithQueue,
    /// All of one partition fail.
    PartitionFails,
    /// One class floods while another, with a reserve, is steady. Its endpoints are remote: where they
    /// answer at once, few slots are all of these two processors.
    BulkFloods,
}

/// Events published at once.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// How many.
    pub events: u64,
    /// To whom, by number.
    pub to: fn(u64) -> u64,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::HangOnePercent,
        Self::HangTenPercent,
        Self::HangWithQueue,
        Self::PartitionFails,
        Self::BulkFloods,
    ];

    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::HangOnePercent => "hang_1_percent",
            Self::HangTenPercent => "hang_10_percent",
            Self::HangWithQueue => "hang_with_50000_queued",
            Self::PartitionFails => "partition_fails",
            Self::BulkFloods => "bulk_floods",
        }
    }

    /// Where the requests to a merchant go: the healthy ones' are measured.
    pub fn path(self, merchant: u64) -> &'static str {
        // Every partition has its share of those that hang.
        let of_partition = merchant / u64::from(PARTITIONS.unsigned_abs());
        match self {
            Self::HangOnePercent if of_partition % 100 == 50 => HANG,
            Self::HangTenPercent if of_partition % 10 == 5 => HANG,
            Self::HangWithQueue if merchant == Self::QUEUED => HANG,
            Self::PartitionFails if merchant % u64::from(PARTITIONS.unsigned_abs()) == 3 => FAIL,
            Self::BulkFloods if Self::is_bulk(merchant) => REMOTE,
            _ => LIVE,
        }
    }

    /// The merchant with 50,000 events.
    pub const QUEUED: u64 = 4_003;

    /// Whether a merchant is of the class that floods.
    pub fn is_bulk(merchant: u64) -> bool {
        merchant >= MERCHANTS / 2
    }

    /// Events published at once when the trouble begins.
    pub fn burst(self) -> Option<Burst> {
        match self {
            Self::HangWithQueue => Some(Burst { events: 50_000, to: |_| Self::QUEUED }),
            Self::BulkFloods => Some(Burst {
                events: 50_000,
                to: |number| MERCHANTS / 2 + number % (MERCHANTS / 2),
            }),
            _ => None,
        }
    }

    /// Parking and scheduling classes, as lines of the worker's configuration.
    pub fn scheduling(self) -> String {
        let seconds = self.longest_parking().as_secs();
        let classes = match self {
            Self::BulkFloods => {
                "scheduling.classes.gold.reserved = 0.5\nscheduling.classes.bulk.max_share = 0.01\n"
            }
            _ => "",
        };
        format!("parking.longest_grade = \"{seconds}s\"\n{classes}")
    }

    /// The longest grade for parking, after which every event of a merchant that recovered has been
    /// tried. Many events that are parked together come back together: as with the usual grades, those
    /// that have to wait for long are not sent through the short ones again and again.
    pub fn longest_parking(self) -> Duration {
        Duration::from_secs(if self.burst().is_some() { 60 } else { 15 })
    }

    /// The merchants that get steady events.
    pub fn steady(self) -> u64 {
        if self == Self::BulkFloods { MERCHANTS / 2 } else { MERCHANTS }
    }
}
