//! The words of metrics and logs for the engine's outcomes (`contract`, sections 5, 6 and 9).

use crate::engine::{DeliveryOutcome, EventOutcome};

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
