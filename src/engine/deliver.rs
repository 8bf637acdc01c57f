//! A delivery's time has come: to whom it goes, whether it may go now, and whose turn it is.

use std::sync::Arc;

use super::{
    Attempt, AttemptId, Command, DeadReason, Delivery, Engine, EventOutcome, InFlight, ParkReason,
    Stage,
    addressee::{endpoint_of, lane_key_of, lanes_of, notify_url_endpoint, state_of},
    fair_queue::{LaneId, Place},
    lane::{DeliveryId, Limits},
    schedule::{self, Wait},
    timers::Timer,
};
use crate::{
    event::Undecodable,
    model::{Endpoint, Event, Merchant, State, Timestamp},
};

impl Engine {
    /// A delivery has waited long enough on its topic; it may have further to go.
    pub(super) fn release(&mut self, now: Timestamp, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        if !matches!(delivery.stage, Stage::Resting) || delivery.due > now {
            return;
        }
        if let Some(due) = delivery.envelope.due {
            match schedule::wait(&self.settings.ladder, now, due) {
                Wait::Over => {}
                Wait::Rest => return self.rest(id, due),
                Wait::Hop(grade) => return self.hop(id, grade),
            }
        }
        // Lateness counts from what the schedule said, not from when the topic let it go.
        delivery.due = delivery.envelope.due.unwrap_or(delivery.due);
        if delivery.envelope.parked > 0
            && let Some(key) = lane_key_of(delivery)
        {
            self.lanes.returned(&key, delivery.due);
        }
        self.address(now, id);
    }

    /// Waits in memory until `due`.
    pub(super) fn rest(&mut self, id: DeliveryId, due: Timestamp) {
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.due = due;
            delivery.stage = Stage::Resting;
            self.timers.set(due, Timer::Due(id));
        }
    }

    /// What waits goes by the limits that its endpoint has now: nothing waits for a token or a place
    /// of an older policy.
    pub(super) fn renew_lanes(&mut self, now: Timestamp, merchant: &Merchant) {
        if self.lanes.is_empty() {
            return;
        }
        for (key, limits) in lanes_of(merchant) {
            if let Some((lane, wake)) = self.lanes.renew(now, &key, limits) {
                self.look_later(lane, wake);
            }
        }
    }

    /// Finds the endpoints of a delivery in the directory as it is now.
    fn address(&mut self, now: Timestamp, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get(&id) else {
            return;
        };
        let event = match &delivery.record.event {
            Ok(event) => Arc::clone(event),
            Err(why) => {
                let (reason, message) = match why {
                    Undecodable::NoEvent(message) => (DeadReason::Undecodable, message.clone()),
                    Undecodable::Invalid(message) => (DeadReason::Invalid, message.clone()),
                };
                return self.bury(now, id, reason, message);
            }
        };
        let Some(merchant) = self.directory.get(&event.merchant).map(Arc::clone) else {
            return self.await_merchant(now, id);
        };
        match delivery.envelope.endpoint.clone() {
            Some(wanted) => {
                if let Some(endpoint) = endpoint_of(&merchant, &event, &wanted) {
                    self.admit(now, id, &merchant, &endpoint);
                } else {
                    let message = format!("merchant {} has no endpoint {wanted}", merchant.id);
                    self.bury(now, id, DeadReason::EndpointRemoved, message);
                }
            }
            None => self.fan_out(now, id, &merchant, &event),
        }
    }

    fn fan_out(&mut self, now: Timestamp, id: DeliveryId, merchant: &Merchant, event: &Event) {
        if event.notify_url.is_some() {
            let Some(endpoint) = notify_url_endpoint(merchant, event) else {
                let message = format!(
                    "notify_url names a host that is not in notify_url_hosts of merchant {}",
                    merchant.id
                );
                return self.bury(now, id, DeadReason::Invalid, message);
            };
            return self.admit(now, id, merchant, &endpoint);
        }
        let mut wanting = merchant.endpoints.iter().filter(|one| one.wants(&event.kind));
        let Some(first) = wanting.next() else {
            self.report_event(EventOutcome::Filtered);
            self.report_without_attempt(now, id, super::DeliveryOutcome::Filtered, None, None);
            return self.resolve(now, id);
        };
        let others: Vec<_> = wanting.collect();
        if !others.is_empty() {
            self.report_event(EventOutcome::FannedOut);
        }
        let copies: Vec<_> =
            others.into_iter().filter_map(|endpoint| Some((self.copy(id)?, endpoint))).collect();
        self.admit(now, id, merchant, first);
        for (copy, endpoint) in copies {
            self.admit(now, copy, merchant, endpoint);
        }
    }

    /// One more delivery of the same record.
    fn copy(&mut self, of: DeliveryId) -> Option<DeliveryId> {
        let original = self.deliveries.get(&of)?;
        let copy = Delivery {
            record: Arc::clone(&original.record),
            epoch: original.epoch,
            envelope: original.envelope.clone(),
            endpoint: None,
            due: original.due,
            queued: original.queued,
            stage: Stage::Resting,
            failures: 0,
        };
        let id = DeliveryId(self.next_delivery);
        self.next_delivery += 1;
        let hold = self.holds.get_mut(&copy.record.partition)?;
        hold.add_delivery(copy.record.offset, id);
        self.deliveries.insert(id, Box::new(copy));
        Some(id)
    }

    /// Gives a delivery its endpoint and its place in that endpoint's lane.
    fn admit(
        &mut self,
        now: Timestamp,
        id: DeliveryId,
        merchant: &Merchant,
        endpoint: &Arc<Endpoint>,
    ) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        delivery.envelope.endpoint = Some(endpoint.id.clone());
        delivery.endpoint = Some(Arc::clone(endpoint));
        if let Some(message) = expired_while_parked(delivery, endpoint, now) {
            let reason = DeadReason::Expired.after(delivery.envelope.last_reason.as_deref());
            return self.bury(now, id, reason, message);
        }
        match state_of(merchant, endpoint) {
            State::Active if !endpoint.can_sign(now) => {
                return self.park(now, id, ParkReason::NoSecret);
            }
            State::Active => {}
            State::Paused => return self.park(now, id, ParkReason::Paused),
            State::Disabled => {
                let found = endpoint.disabled.map(|found| format!(": {found}"));
                let message = format!(
                    "endpoint {} of {} is disabled{}",
                    endpoint.id,
                    merchant.id,
                    found.unwrap_or_default()
                );
                return self.bury(now, id, DeadReason::Disabled, message);
            }
        }
        self.queue(now, id, endpoint);
    }

    fn queue(&mut self, now: Timestamp, id: DeliveryId, endpoint: &Endpoint) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        let Some(key) = lane_key_of(delivery) else {
            return;
        };
        let partition = delivery.record.partition;
        let bytes = delivery.record.content.size();
        let limits = Limits::from(&endpoint.policy);
        let (lane, wake) = self.lanes.lane(now, key, partition.index, limits);
        let accepted = delivery.envelope.accepted;
        let place = Place { lane, source: partition.source, accepted, delivery: id };
        delivery.stage = Stage::Queued(place);
        delivery.queued = now;
        self.look_later(lane, wake);
        let wake = self.lanes.push(now, place, bytes);
        self.look_later(lane, wake);
        self.unbalanced.insert(partition);
        // An older delivery takes the place of a fresher one.
        let waiting = self.lanes.get(lane).map_or(0, |lane| lane.waiting.len());
        if waiting > self.settings.lane_records
            && let Some(newest) = self.lanes.newest(lane, None)
        {
            self.spill(now, newest);
        }
    }

    /// Starts what has its turn, until the slots are taken.
    pub(super) fn start_attempts(&mut self, now: Timestamp) {
        while self.attempting {
            let Some((place, wake)) = self.lanes.start_next(now) else {
                if let Some(at) = self.lanes.next_start(now) {
                    self.timers.set(at, Timer::Start);
                }
                return;
            };
            self.look_later(place.lane, wake);
            self.start(now, place);
        }
    }

    pub(super) fn look_at_lane(&mut self, now: Timestamp, lane: LaneId) {
        let again = self.lanes.look(lane, now);
        self.look_later(lane, again);
        if self.first_impatient(now, lane).is_some() {
            self.impatient.insert(lane);
        }
    }

    pub(super) fn look_later(&mut self, lane: LaneId, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.timers.set(at, Timer::Lane(lane));
        }
    }

    fn start(&mut self, now: Timestamp, place: Place) {
        let id = place.delivery;
        let current = self.deliveries.get(&id).and_then(|delivery| self.current(delivery));
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return self.lanes.cancel(place.lane);
        };
        let (Some((state, endpoint)), Ok(event)) = (current, &delivery.record.event) else {
            // The directory has changed since it was queued.
            delivery.stage = Stage::Resting;
            self.lanes.cancel(place.lane);
            return self.address(now, id);
        };
        // Nor may it begin under a cap, a rate or a class that is no longer the endpoint's.
        let limits = Limits::from(&endpoint.policy);
        if state != State::Active
            || !endpoint.can_sign(now)
            || !self.lanes.has_limits(place.lane, limits)
        {
            delivery.stage = Stage::Resting;
            self.lanes.cancel(place.lane);
            return self.address(now, id);
        }
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        let command = Attempt {
            id: attempt,
            event: Arc::clone(event),
            content: Arc::clone(&delivery.record.content),
            endpoint: Arc::clone(&endpoint),
            number: delivery.envelope.attempts.saturating_add(1),
        };
        delivery.endpoint = Some(Arc::clone(&endpoint));
        delivery.stage = Stage::Attempting;
        self.unbalanced.insert(delivery.record.partition);
        let is_slow = false;
        self.attempts
            .insert(attempt, InFlight { lane: place.lane, delivery: id, endpoint, is_slow });
        self.watch_for_slow(now, attempt);
        self.commands.push_back(Command::Attempt(command));
    }

    /// The endpoint of a delivery as the directory has it now.
    fn current(&self, delivery: &Delivery) -> Option<(State, Arc<Endpoint>)> {
        let event = delivery.record.event.as_ref().ok()?;
        let merchant = self.directory.get(&event.merchant)?;
        let endpoint = endpoint_of(merchant, event, delivery.envelope.endpoint.as_ref()?)?;
        Some((state_of(merchant, &endpoint), endpoint))
    }
}

fn expired_while_parked(
    delivery: &Delivery,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Option<String> {
    let envelope = &delivery.envelope;
    let first = envelope.first_attempt.filter(|_| envelope.attempts > 0)?;
    let limit = first + endpoint.policy.max_age;
    (envelope.parked > 0 && now > limit).then(|| {
        format!(
            "reached max_age {} while parked ({} times)",
            endpoint.policy.max_age, envelope.parked
        )
    })
}
