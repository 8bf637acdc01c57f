//! Why a delivery waits on the ladder without an attempt.

/// Why a delivery was parked; words of the attempts log and of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParkReason {
    /// More wait for this endpoint than its lane may hold.
    FullLane,
    /// The endpoint fails and gets probes alone.
    BreakerOpen,
    /// An outage of ours, by the flood brake.
    FloodBrake,
    /// Another class has the slots that its class would need.
    Class,
    /// Endpoints under suspicion have all the slots that they may take together.
    Suspects,
    /// The merchant or the endpoint is paused.
    Paused,
    /// No secret is valid now.
    NoSecret,
    /// The directory does not know the merchant yet.
    UnknownMerchant,
    /// Another endpoint of the same event failed before this one was attempted.
    FanOut,
}

impl ParkReason {
    /// Every reason, for metrics that exist at zero.
    pub const ALL: [Self; 9] = [
        Self::FullLane,
        Self::BreakerOpen,
        Self::FloodBrake,
        Self::Class,
        Self::Suspects,
        Self::Paused,
        Self::NoSecret,
        Self::UnknownMerchant,
        Self::FanOut,
    ];

    /// The word of the attempts log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullLane => "full_lane",
            Self::BreakerOpen => "breaker_open",
            Self::FloodBrake => "flood_brake",
            Self::Class => "class",
            Self::Suspects => "suspects",
            Self::Paused => "paused",
            Self::NoSecret => "no_secret",
            Self::UnknownMerchant => "unknown_merchant",
            Self::FanOut => "fan_out",
        }
    }
}
