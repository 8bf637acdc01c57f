//! Everything that can go wrong in a world, by name.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $word:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

faults! {
    /// A worker is killed and comes back later.
    Crash "crash",
    /// A worker gives everything back, leaves and comes back.
    Restart "restart",
    /// A process stands still for longer than its session and then goes on.
    Zombie "zombie",
    /// The loop stands still for less than a session.
    SlowLoop "slow-loop",
    /// A worker loses everything without a revoke, and joins again.
    Lost "lost",
    /// One worker more for a while.
    Scale "scale",
    /// The group rebalances for no reason of ours.
    Rebalance "rebalance",
    /// Produced records do not arrive for a while.
    ProduceFails "produce-fails",
    /// Produced records arrive, and the answer gets lost.
    AnswerLost "answer-lost",
    /// A delay topic refuses records for a while.
    GradeRefused "grade-refused",
    /// Every delay topic refuses records for a while.
    LadderRefused "ladder-refused",
    /// The dead-letter topic refuses records for a while.
    DeadLettersRefused "dead-letters-refused",
    /// Commits are refused for a while.
    CommitRefused "commit-refused",
    /// Commits arrive, and the answer gets lost.
    CommitAnswerLost "commit-answer-lost",
    /// Nothing reaches the broker for a while.
    BrokerDown "broker-down",
    /// Everything at the broker takes long for a while.
    BrokerSlow "broker-slow",
    /// Old records that were done are deleted.
    Retention "retention",
    /// Records are deleted before they were read.
    RetentionTooShort "retention-too-short",
    /// The metadata of a commit is gone.
    MapDropped "map-dropped",
    /// The metadata of a commit is of another cluster, position or version, or damaged.
    MapForeign "map-foreign",
    /// A worker's clock falls behind.
    ClockBack "clock-back",
    /// A worker's clock runs ahead.
    ClockAhead "clock-ahead",
    /// A worker's clock cannot be trusted to sign.
    ClockUnusable "clock-unusable",
    /// An entry of the directory changes.
    EntryChanges "entry-changes",
    /// A merchant leaves the directory and comes back.
    MerchantGone "merchant-gone",
    /// The directory is empty for a while.
    DirectoryGone "directory-gone",
    /// An endpoint begins to misbehave.
    Merchant "merchant",
    /// No merchant can be reached for a while: an outage of ours.
    NetworkOutage "network-outage",
    /// A record that is no event.
    Poison "poison",
    /// A record that the ladder does not take for its size.
    TooLarge "too-large",
    /// A burst of events.
    Burst "burst",
}
