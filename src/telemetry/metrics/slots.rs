//! Metrics of the slots for attempts: who has them, and who waits for one.

use prometheus::{IntGauge, IntGaugeVec};

use super::{Declare, gauge};

/// Metrics of the slots for attempts.
#[derive(Debug)]
pub struct Slots {
    in_flight: IntGauge,
    suspects: IntGauge,
    breakers_open: IntGauge,
    braked: IntGaugeVec,
    class_in_flight: IntGaugeVec,
    class_waiting: IntGaugeVec,
}

impl Slots {
    pub(super) fn new(declare: &Declare) -> Result<Self, prometheus::Error> {
        Ok(Self {
            in_flight: declare.gauge(
                "paynotify_in_flight_attempts",
                "HTTP attempts that run now in this worker.",
            )?,
            suspects: declare.gauge(
                "paynotify_suspect_attempts",
                "HTTP attempts that run now to endpoints that failed last or are slow.",
            )?,
            breakers_open: declare.gauge(
                "paynotify_breakers_open",
                "Endpoints whose breaker is open in this worker.",
            )?,
            braked: declare.gauges(
                "paynotify_flood_brake",
                "1 while an outage keeps attempts from being counted, or events from being given up.",
                "of",
            )?,
            class_in_flight: declare.gauges(
                "paynotify_class_in_flight_attempts",
                "HTTP attempts that run now, by scheduling class.",
                "class",
            )?,
            class_waiting: declare.gauges(
                "paynotify_class_waiting_deliveries",
                "Deliveries that wait for nothing but a slot, by scheduling class.",
                "class",
            )?,
        })
    }

    /// So many attempts run, of which so many to endpoints under suspicion.
    pub fn set_in_flight(&self, attempts: usize, suspects: usize) {
        self.in_flight.set(gauge(attempts));
        self.suspects.set(gauge(suspects));
    }

    /// So many breakers are open.
    pub fn set_breakers_open(&self, endpoints: usize) {
        self.breakers_open.set(gauge(endpoints));
    }

    /// Which flood brakes hold.
    pub fn set_braked(&self, attempts: bool, letters: bool) {
        self.braked.with_label_values(&["attempts"]).set(attempts.into());
        self.braked.with_label_values(&["letters"]).set(letters.into());
    }

    /// So many attempts of a class run, and so many deliveries wait for one of its slots.
    pub fn set_class(&self, class: &str, in_flight: usize, waiting: usize) {
        self.class_in_flight.with_label_values(&[class]).set(gauge(in_flight));
        self.class_waiting.with_label_values(&[class]).set(gauge(waiting));
    }
}
