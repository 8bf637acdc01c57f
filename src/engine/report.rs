//! What happened, told to people: one report for each attempt, and for what ends or waits without
//! one.

use std::sync::Arc;

use super::{
    Answer, Answered, AttemptResult, Command, Delivery, DeliveryId, DeliveryOutcome,
    DeliveryReport, Destination, Engine, EventOutcome, Report,
};
use crate::model::Timestamp;

impl Engine {
    pub(super) fn report_event(&mut self, outcome: EventOutcome) {
        self.commands.push_back(Command::Report(Report::EventResolved { outcome }));
    }

    /// An attempt delivered, or failed for a reason.
    pub(super) fn report_attempt(
        &mut self,
        id: DeliveryId,
        reason: Option<&'static str>,
        result: AttemptResult,
        next: Option<Destination>,
    ) {
        self.report_answer(id, reason, result, next, true);
    }

    /// An attempt failed while the flood brake was on.
    pub(super) fn report_braked(
        &mut self,
        id: DeliveryId,
        reason: &'static str,
        result: AttemptResult,
    ) {
        self.report_answer(id, Some(reason), result, None, false);
    }

    fn report_answer(
        &mut self,
        id: DeliveryId,
        reason: Option<&'static str>,
        result: AttemptResult,
        next: Option<Destination>,
        counts: bool,
    ) {
        let Some(delivery) = self.deliveries.get(&id) else {
            return;
        };
        let (status, excerpt) = match result.answer {
            Answer::Response { status, excerpt, .. } => (Some(status), excerpt),
            Answer::Failed(reason) => (None, reason.detail().map(str::to_owned)),
        };
        let outcome = match reason {
            Some(_) => DeliveryOutcome::Retry,
            None => DeliveryOutcome::Delivered,
        };
        let answered = Answered {
            number: delivery.envelope.attempts,
            started: result.started,
            took: result.ended.since(result.started),
            status,
            excerpt,
            key_id: result.key_id,
            counts,
        };
        let report = report_of(delivery, outcome, reason, next, result.ended);
        self.report(DeliveryReport { answer: Some(answered), ..report });
    }

    /// A delivery ended or waits, and no request was made.
    pub(super) fn report_without_attempt(
        &mut self,
        now: Timestamp,
        id: DeliveryId,
        outcome: DeliveryOutcome,
        reason: Option<&'static str>,
        next: Option<Destination>,
    ) {
        if let Some(delivery) = self.deliveries.get(&id) {
            self.report(report_of(delivery, outcome, reason, next, now));
        }
    }

    fn report(&mut self, report: DeliveryReport) {
        self.commands.push_back(Command::Report(Report::Delivery(Box::new(report))));
    }
}

fn report_of(
    delivery: &Delivery,
    outcome: DeliveryOutcome,
    reason: Option<&'static str>,
    next: Option<Destination>,
    at: Timestamp,
) -> DeliveryReport {
    DeliveryReport {
        record: Arc::clone(&delivery.record),
        endpoint: delivery.endpoint.clone(),
        envelope: delivery.envelope.clone(),
        outcome,
        reason,
        answer: None,
        due: delivery.due,
        next,
        at,
    }
}
