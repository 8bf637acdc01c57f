//! Records go to a grade or to the dead-letter topic; a delivery is resolved when the broker has
//! acknowledged that, and not before.

use std::sync::Arc;

use super::{
    Command, DeadLetter, DeadReason, DeliveryId, DeliveryOutcome, Destination, Engine, Epoch,
    EventOutcome, ParkReason, Route, RouteFailure, RouteId, Stage, schedule, timers::Timer,
};
use crate::model::{Grade, Offset, Partition, Span, Timestamp};

/// The longest pause between two tries of the same route.
const LONGEST_BACKOFF: Span = Span::from_secs(30);

impl Engine {
    /// The broker answered a route.
    pub fn handle_routed(&mut self, now: Timestamp, id: RouteId, result: Result<(), RouteFailure>) {
        let Some(delivery_id) = self.routes.remove(&id) else {
            return;
        };
        let Err(failure) = result else {
            return self.resolve(now, delivery_id);
        };
        let Some(delivery) = self.deliveries.get_mut(&delivery_id) else {
            return;
        };
        let Stage::Routing(to) = &delivery.stage else {
            return;
        };
        if let Some(other) = detour(to, failure, &self.settings.ladder) {
            self.route(delivery_id, other);
        } else {
            let (to, failures) = (to.clone(), delivery.failures);
            delivery.failures = failures.saturating_add(1);
            delivery.stage = Stage::RoutingAgain(to);
            self.stuck.insert(delivery_id);
            let pause = Span::from_secs(1 << failures.min(5)).min(LONGEST_BACKOFF);
            self.timers.set(now + pause, Timer::RouteAgain(delivery_id));
        }
    }

    pub(super) fn route_again(&mut self, id: DeliveryId) {
        let to = self.deliveries.get(&id).and_then(|delivery| match &delivery.stage {
            Stage::RoutingAgain(to) => Some(to.clone()),
            _ => None,
        });
        if let Some(to) = to {
            self.route(id, to);
        }
    }

    /// Sends the record on without an attempt and without counting it as parked: it is not due.
    pub(super) fn hop(&mut self, id: DeliveryId, grade: Grade) {
        self.route(id, Destination::Grade(grade));
    }

    /// Parks a delivery that must not be attempted now.
    pub(super) fn park(&mut self, now: Timestamp, id: DeliveryId, reason: ParkReason) {
        if let Some(grade) = self.next_parking_grade(id) {
            self.park_on(now, id, grade, reason);
        }
    }

    /// The grade for a delivery of which nobody can tell how long it has to wait: a longer one each
    /// time, and never for less than before, or what was parked for long would climb from the smallest
    /// grade.
    pub(super) fn next_parking_grade(&self, id: DeliveryId) -> Option<Grade> {
        let delivery = self.deliveries.get(&id)?;
        let (ladder, longest) = (&self.settings.ladder, self.settings.longest_parking);
        let by_count = schedule::parking_grade(ladder, delivery.envelope.parked, longest);
        let before = delivery.parked_on().map(|grade| grade.delay().min(longest));
        let least = before.and_then(|before| ladder.at_most(before));
        Some(least.map_or(by_count, |least| by_count.max(least)))
    }

    pub(super) fn park_on(
        &mut self,
        now: Timestamp,
        id: DeliveryId,
        grade: Grade,
        reason: ParkReason,
    ) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        delivery.envelope.parked = delivery.envelope.parked.saturating_add(1);
        delivery.envelope.due = Some(now + grade.delay());
        let to = Destination::Grade(grade);
        let (outcome, reason) = (DeliveryOutcome::Parked, Some(reason.as_str()));
        self.report_without_attempt(now, id, outcome, reason, Some(to.clone()));
        self.route(id, to);
    }

    /// The merchant is not in the directory: on the ladder until the grace is over.
    pub(super) fn await_merchant(&mut self, now: Timestamp, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get(&id) else {
            return;
        };
        let patience = self.settings.unknown_merchant_grace;
        let waited = now.since(delivery.envelope.accepted);
        if waited >= patience {
            let message = format!("no such merchant in the directory for {patience}");
            return self.bury(now, id, DeadReason::UnknownMerchant, message);
        }
        let longest = patience.saturating_sub(waited).min(self.settings.longest_parking);
        let grade =
            schedule::parking_grade(&self.settings.ladder, delivery.envelope.parked, longest);
        self.park_on(now, id, grade, ParkReason::UnknownMerchant);
    }

    /// Gives a delivery up.
    pub(super) fn bury(
        &mut self,
        now: Timestamp,
        id: DeliveryId,
        reason: DeadReason,
        message: String,
    ) {
        if self.is_held(now, id, reason) {
            return self.park(now, id, ParkReason::FloodBrake);
        }
        let to = self.dead_letter(reason, message);
        let outcome = DeliveryOutcome::Dead;
        let why = Some(reason.as_str());
        self.report_without_attempt(now, id, outcome, why, Some(to.clone()));
        self.report_event(EventOutcome::Dead);
        self.route(id, to);
    }

    /// Whether the flood brake keeps this delivery from being given up.
    pub(super) fn is_held(&mut self, now: Timestamp, id: DeliveryId, reason: DeadReason) -> bool {
        let Some(delivery) = self.deliveries.get(&id) else {
            return false;
        };
        let event = delivery.record.event.as_ref();
        let merchant = event.map_or("", |event| event.merchant.as_str());
        self.brake.holds(now, reason, merchant)
    }

    #[expect(clippy::unused_self, reason = "reads as a decision of the engine")]
    pub(super) fn dead_letter(&self, reason: DeadReason, message: String) -> Destination {
        Destination::DeadLetter(DeadLetter { reason, message, truncated: false })
    }

    /// One delivery of an event was resolved a second ago: those that are not in flight go on
    /// alone, so that the offset can be resolved.
    pub(super) fn route_laggards(
        &mut self,
        now: Timestamp,
        partition: Partition,
        epoch: Epoch,
        offset: Offset,
    ) {
        if !self.is_current(partition, epoch) {
            return;
        }
        let smallest = self.settings.ladder.smallest();
        let open: Vec<_> = self
            .holds
            .get(&partition)
            .into_iter()
            .flat_map(|hold| hold.deliveries(offset))
            .collect();
        let mut running = false;
        for id in open {
            let Some(delivery) = self.deliveries.get(&id) else {
                continue;
            };
            match delivery.stage {
                Stage::Attempting => running = true,
                Stage::Queued(place) => {
                    self.lanes.parked(place.lane, now + smallest.delay());
                    self.lanes.remove(place);
                    self.park_on(now, id, smallest, ParkReason::FanOut);
                }
                Stage::Resting if delivery.endpoint.is_some() => self.hop(id, smallest),
                _ => {}
            }
        }
        // One that may yet have to wait again is looked at again.
        if running {
            let at = now + super::FAN_OUT_PATIENCE;
            self.timers.set(at, Timer::FanOut { partition, epoch, offset });
        }
    }

    pub(super) fn route(&mut self, id: DeliveryId, to: Destination) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        let route = RouteId(self.next_route);
        self.next_route += 1;
        let mut envelope = delivery.envelope.clone();
        if matches!(to, Destination::DeadLetter(_)) {
            envelope.due = None;
        }
        delivery.stage = Stage::Routing(to.clone());
        self.routes.insert(route, id);
        let route = Route {
            id: route,
            to,
            index: delivery.record.partition.index,
            content: Arc::clone(&delivery.record.content),
            envelope,
        };
        self.commands.push_back(Command::Route(Box::new(route)));
    }
}

/// Where a record goes that cannot go to `to`; `None` when only patience helps.
fn detour(
    to: &Destination,
    failure: RouteFailure,
    ladder: &crate::model::Ladder,
) -> Option<Destination> {
    let reason = match failure {
        RouteFailure::Passing => return None,
        RouteFailure::TooLarge => DeadReason::TooLarge,
        RouteFailure::Refused => DeadReason::System,
    };
    match to {
        Destination::Grade(grade) => Some(ladder.after(*grade).map_or_else(
            || {
                let message = format!("no delay topic takes the record: {failure:?}");
                Destination::DeadLetter(DeadLetter { reason, message, truncated: false })
            },
            Destination::Grade,
        )),
        Destination::DeadLetter(dead) if failure == RouteFailure::TooLarge && !dead.truncated => {
            Some(Destination::DeadLetter(DeadLetter { truncated: true, ..dead.clone() }))
        }
        Destination::DeadLetter(_) => None,
    }
}
