//! Words of the contract for dead letters.

use std::fmt;

use crate::engine::{DeadReason, FailReason, FaultClass};

impl DeadReason {
    /// Every reason, in the contract's order.
    pub const ALL: [Self; 11] = [
        Self::Undecodable,
        Self::Invalid,
        Self::UnknownMerchant,
        Self::EndpointRemoved,
        Self::Disabled,
        Self::Refused,
        Self::Exhausted,
        Self::Expired,
        Self::AddressDenied,
        Self::TooLarge,
        Self::System,
    ];

    /// The word in `paynotify-reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Invalid => "invalid",
            Self::UnknownMerchant => "unknown_merchant",
            Self::EndpointRemoved => "endpoint_removed",
            Self::Disabled => "disabled",
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::AddressDenied => "address_denied",
            Self::TooLarge => "too_large",
            Self::System => "system",
        }
    }

    /// Reads the word; none for one of a newer version.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The reason of a delivery that is given up, when its last attempt failed for `last` (a word of
    /// the attempts log): an address that may not be dialled says more than how often it was tried.
    #[must_use]
    pub fn after(self, last: Option<&str>) -> Self {
        if last == Some(FailReason::AddressDenied.as_str()) { Self::AddressDenied } else { self }
    }

    /// Whose fault it is.
    pub const fn class(self) -> FaultClass {
        match self {
            Self::Undecodable | Self::Invalid | Self::TooLarge | Self::UnknownMerchant => {
                FaultClass::Publisher
            }
            Self::EndpointRemoved
            | Self::Disabled
            | Self::Refused
            | Self::Exhausted
            | Self::Expired
            | Self::AddressDenied => FaultClass::Merchant,
            Self::System => FaultClass::System,
        }
    }
}

impl FaultClass {
    /// The word in `paynotify-class`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Merchant => "merchant",
            Self::System => "system",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
