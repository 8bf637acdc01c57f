//! An attempt ended: the verdict, and what follows.

use std::sync::Arc;

use super::{
    Answer, AttemptId, AttemptResult, DeadReason, DeliveryId, Destination, Engine, EventOutcome,
    FailReason, InFlight, ParkReason,
    brake::TRICKLE,
    lane::End,
    schedule::{self, Next, Wait},
    verdict::{Verdict, judge},
};
use crate::model::{Endpoint, Timestamp};

impl Engine {
    /// An attempt ended. After a revoke the answer only frees its slot.
    pub fn handle_attempted(&mut self, now: Timestamp, id: AttemptId, result: AttemptResult) {
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        let verdict = judge(&attempt.endpoint.policy.acknowledge, &result.answer);
        let acknowledged = verdict == Verdict::Delivered;
        let took = result.ended.since(result.started);
        if acknowledged {
            self.slow.acknowledged(took);
        }
        let held = self.weigh_for_brake(now, &attempt, &result.answer);
        let end = End { acknowledged, took, was_slow: attempt.is_slow, counts: !held };
        let look = self.lanes.attempt_ended(attempt.lane, now, end);
        self.look_later(attempt.lane, look);
        let Some(delivery) = self.deliveries.get_mut(&attempt.delivery) else {
            return;
        };
        let endpoint = attempt.endpoint;
        let envelope = &mut delivery.envelope;
        if !held {
            envelope.attempts = envelope.attempts.saturating_add(1);
        }
        let first = *envelope.first_attempt.get_or_insert(result.started);
        envelope.last_attempt = Some(result.started);
        let (status, retry_after) = match &result.answer {
            Answer::Response { status, retry_after, .. } => (Some(*status), *retry_after),
            Answer::Failed(_) => (None, None),
        };
        envelope.last_status = status;
        let made = envelope.attempts;
        match verdict {
            Verdict::Delivered => {
                delivery.envelope.last_reason = None;
                self.report_attempt(attempt.delivery, None, result, None);
                self.report_event(EventOutcome::Delivered);
                self.resolve(now, attempt.delivery);
            }
            Verdict::Retry(reason) => {
                delivery.envelope.last_reason = Some(reason.to_owned());
                if held {
                    self.report_braked(attempt.delivery, reason, result);
                    return self.park(now, attempt.delivery, ParkReason::FloodBrake);
                }
                let event = delivery.record.event.as_ref().map_or("", |event| event.id.as_str());
                let salt = schedule::salt(event, endpoint.id.as_str(), made);
                let smallest = self.settings.ladder.smallest();
                let spread =
                    |interval| schedule::spread(endpoint.policy.jitter, interval, smallest, salt);
                let next = schedule::next(
                    &endpoint.policy,
                    made,
                    first,
                    result.ended,
                    retry_after,
                    spread,
                );
                self.follow(now, attempt.delivery, &endpoint, next, reason, result);
            }
        }
    }

    /// Tells the flood brake of an attempt; true if it met no answer and is no fault of the merchant.
    fn weigh_for_brake(&mut self, now: Timestamp, attempt: &InFlight, answer: &Answer) -> bool {
        match answer {
            Answer::Failed(
                FailReason::Dns | FailReason::Connect | FailReason::Tls(_) | FailReason::Timeout,
            ) => {
                let host = attempt.endpoint.url.host_str().unwrap_or_default();
                self.brake.unanswered(now, attempt.lane, host);
            }
            _ => self.brake.answered(now),
        }
        let braked = self.brake.braked(now).attempts;
        let limit = if braked { TRICKLE } else { usize::MAX };
        self.lanes.set_limit(self.settings.max_in_flight.min(limit));
        braked && matches!(answer, Answer::Failed(_))
    }

    fn follow(
        &mut self,
        now: Timestamp,
        id: DeliveryId,
        endpoint: &Arc<Endpoint>,
        next: Next,
        reason: &'static str,
        result: AttemptResult,
    ) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        let made = delivery.envelope.attempts;
        let last = said(reason, &result.answer);
        match next {
            Next::At(due) => {
                delivery.envelope.due = Some(due);
                let partition = delivery.record.partition;
                let draining = self.holds.get(&partition).is_some_and(|hold| hold.draining);
                let wait = match schedule::wait(&self.settings.ladder, now, due) {
                    // Nobody may wait for it while the partition is given back, and the next
                    // owner must know that this attempt was made.
                    Wait::Over | Wait::Rest if draining => {
                        Wait::Hop(self.settings.ladder.smallest())
                    }
                    wait => wait,
                };
                match wait {
                    Wait::Over | Wait::Rest => {
                        self.report_attempt(id, Some(reason), result, None);
                        self.rest(id, due);
                    }
                    Wait::Hop(grade) => {
                        let to = Destination::Grade(grade);
                        self.report_attempt(id, Some(reason), result, Some(to));
                        self.hop(id, grade);
                    }
                }
            }
            Next::Exhausted | Next::Expired => {
                let (dead, message) = match next {
                    Next::Expired => (
                        DeadReason::Expired,
                        format!(
                            "the next attempt would be later than max_age {} after the first; \
                             {made} attempts, last: {last}",
                            endpoint.policy.max_age
                        ),
                    ),
                    _ => (DeadReason::Exhausted, format!("{made} attempts, last: {last}")),
                };
                let dead = dead.after(Some(reason));
                if self.is_held(now, id, dead) {
                    self.report_attempt(id, Some(reason), result, None);
                    return self.park(now, id, ParkReason::FloodBrake);
                }
                let to = self.dead_letter(dead, message);
                self.report_attempt(id, Some(reason), result, Some(to.clone()));
                self.report_event(EventOutcome::Dead);
                self.route(id, to);
            }
        }
    }
}

/// The word of the log with what it leaves open.
fn said(reason: &str, answer: &Answer) -> String {
    match answer {
        Answer::Failed(failed) => match failed.detail() {
            Some(detail) => format!("{reason} ({detail})"),
            None => reason.to_owned(),
        },
        Answer::Response { .. } => reason.to_owned(),
    }
}
