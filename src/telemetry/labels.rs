//! The words of metrics and logs for the engine's outcomes (`contract`, sections 5, 6 and 9).

use crate::engine::{DeliveryOutcome, EventOutcome, FailReason};

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
