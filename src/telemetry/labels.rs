//! The words of metrics and logs for the engine's outcomes (`contract`, sections 5, 6 and 9).

use crate::engine::{DeadReason, DeliveryOutcome, EventOutcome, FailReason, FaultClass};

/// Every event outcome.
pub const EVENT_OUTCOMES: [EventOutcome; 4] =
    [EventOutcome::Delivered, EventOutcome::Filtered, EventOutcome::Dead, EventOutcome::FannedOut];

/// Every delivery outcome.
pub const DELIVERY_OUTCOMES: [DeliveryOutcome; 6] = [
    DeliveryOutcome::Delivered,
    DeliveryOutcome::Retry,
    DeliveryOutcome::Refused,
    DeliveryOutcome::Parked,
    DeliveryOutcome::Filtered,
    DeliveryOutcome::Dead,
];

/// Every reason of a dead letter.
pub const DEAD_REASONS: [DeadReason; 11] = [
    DeadReason::Undecodable,
    DeadReason::Invalid,
    DeadReason::UnknownMerchant,
    DeadReason::EndpointRemoved,
    DeadReason::Disabled,
    DeadReason::Refused,
    DeadReason::Exhausted,
    DeadReason::Expired,
    DeadReason::AddressDenied,
    DeadReason::TooLarge,
    DeadReason::System,
];

/// Every reason for which no complete answer came.
pub const FAIL_REASONS: [FailReason; 9] = [
    FailReason::Timeout,
    FailReason::Connect,
    FailReason::Tls,
    FailReason::Dns,
    FailReason::AddressDenied,
    FailReason::Reset,
    FailReason::TooLarge,
    FailReason::Protocol,
    FailReason::NoSecret,
];

/// The word for an event outcome.
pub const fn event(outcome: EventOutcome) -> &'static str {
    match outcome {
        EventOutcome::Delivered => "delivered",
        EventOutcome::Filtered => "filtered",
        EventOutcome::Dead => "dead",
        EventOutcome::FannedOut => "fanned_out",
    }
}

/// The word for a delivery outcome.
pub const fn delivery(outcome: DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Retry => "retry",
        DeliveryOutcome::Refused => "refused",
        DeliveryOutcome::Parked => "parked",
        DeliveryOutcome::Filtered => "filtered",
        DeliveryOutcome::Dead => "dead",
    }
}

/// The word for a dead letter's reason.
pub const fn dead(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Undecodable => "undecodable",
        DeadReason::Invalid => "invalid",
        DeadReason::UnknownMerchant => "unknown_merchant",
        DeadReason::EndpointRemoved => "endpoint_removed",
        DeadReason::Disabled => "disabled",
        DeadReason::Refused => "refused",
        DeadReason::Exhausted => "exhausted",
        DeadReason::Expired => "expired",
        DeadReason::AddressDenied => "address_denied",
        DeadReason::TooLarge => "too_large",
        DeadReason::System => "system",
    }
}

/// Whose fault a dead letter of this reason is.
pub const fn class_of(reason: DeadReason) -> FaultClass {
    match reason {
        DeadReason::Undecodable
        | DeadReason::Invalid
        | DeadReason::TooLarge
        | DeadReason::UnknownMerchant => FaultClass::Publisher,
        DeadReason::EndpointRemoved
        | DeadReason::Disabled
        | DeadReason::Refused
        | DeadReason::Exhausted
        | DeadReason::Expired
        | DeadReason::AddressDenied => FaultClass::Merchant,
        DeadReason::System => FaultClass::System,
    }
}

/// The word for a class of faults.
pub const fn class(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Publisher => "publisher",
        FaultClass::Merchant => "merchant",
        FaultClass::System => "system",
    }
}

/// The word for a failed attempt.
pub const fn fail(reason: FailReason) -> &'static str {
    match reason {
        FailReason::Timeout => "timeout",
        FailReason::Connect => "connect",
        FailReason::Tls => "tls",
        FailReason::Dns => "dns",
        FailReason::AddressDenied => "address_denied",
        FailReason::Reset => "reset",
        FailReason::TooLarge => "too_large",
        FailReason::Protocol => "protocol",
        FailReason::NoSecret => "no_secret",
    }
}
