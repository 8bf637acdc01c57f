//! Which endpoints fail, since when, and when that disables them. Pure, like the engine, and beside
//! it: the worker tells it how attempts ended, and writes what it says to the endpoints topic.

use std::collections::{BTreeSet, HashMap};

use crate::model::{
    Disabled, DisabledReason, EndpointId, Merchant, MerchantId, Named, Revision, Span, Standing,
    Timestamp,
};

/// A change of standing is written no sooner than this, and what is over by then never: an endpoint
/// that flickers costs two records a minute at most, whatever its traffic.
const SETTLE: Span = Span::from_secs(60);

/// So many are written at a time: where thousands have failed for a minute, deliveries to others go on
/// between them.
const AT_ONCE: usize = 16;

/// An endpoint of a merchant.
pub type EndpointKey = (MerchantId, EndpointId);

/// How long an endpoint may fail before it is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// With only 410 as an answer.
    pub gone: Span,
    /// In any way, none succeeded.
    pub failing: Span,
}

/// How an attempt ended, as far as the endpoint's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Acknowledged.
    Delivered,
    /// Answered with 410.
    Gone,
    /// Answered with something else that does not acknowledge.
    Answered,
    /// No complete answer.
    Unanswered,
}

/// A record to write: the standing of an endpoint, or that it has none any more.
pub type Finding = (EndpointKey, Option<Standing>);

/// Every endpoint that fails, as far as this worker knows.
#[derive(Debug)]
pub struct EndpointHealth {
    patience: Patience,
    known: HashMap<EndpointKey, Known>,
    /// How many of a merchant's endpoints these are.
    by_merchant: Named<MerchantId, usize>,
    /// What is to be written, and when.
    pending: BTreeSet<(Timestamp, EndpointKey)>,
    disabled: BTreeSet<EndpointKey>,
}

#[derive(Debug)]
struct Known {
    standing: Option<Standing>,
    stored: Stored,
    pending: Option<Timestamp>,
}

/// What the topic holds.
#[derive(Debug, PartialEq, Eq)]
enum Stored {
    Nothing,
    This(Standing),
    /// A write failed.
    Unknown,
}

impl EndpointHealth {
    /// Knows of no failure.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            known: HashMap::new(),
            by_merchant: Named::default(),
            pending: BTreeSet::new(),
            disabled: BTreeSet::new(),
        }
    }

    /// The topic says so, by another worker or from before this one began.
    pub fn learn(&mut self, key: &EndpointKey, standing: Option<Standing>) {
        self.drop_known(key);
        if let Some(standing) = standing {
            self.set_disabled(key, standing.disabled.is_some());
            let stored = Stored::This(standing.clone());
            self.know(key, Known { standing: Some(standing), stored, pending: None });
        }
    }

    /// Whether any endpoint of the merchant is known to fail: if not, a success says nothing new.
    pub fn knows(&self, merchant: &MerchantId) -> bool {
        self.by_merchant.contains_key(merchant)
    }

    /// An attempt under this revision of the entry ended; true when that disables the endpoint.
    pub fn observe(
        &mut self,
        now: Timestamp,
        key: &EndpointKey,
        revision: Revision,
        ended: Ended,
    ) -> bool {
        if ended == Ended::Delivered {
            self.succeeded(now, key, revision);
            return false;
        }
        let patience = self.patience;
        let unknown = Known { standing: None, stored: Stored::Nothing, pending: None };
        let known = self.know(key, unknown);
        let standing = match &mut known.standing {
            Some(standing) if standing.revision == revision => standing,
            other => other.insert(Standing {
                revision,
                failing_since: now,
                gone_since: None,
                disabled: None,
            }),
        };
        if standing.disabled.is_some() {
            return false;
        }
        match ended {
            Ended::Gone => drop(standing.gone_since.get_or_insert(now)),
            Ended::Answered => standing.gone_since = None,
            Ended::Unanswered | Ended::Delivered => {}
        }
        let disabled = verdict(patience, now, standing, ended);
        standing.disabled = disabled;
        self.set_disabled(key, disabled.is_some());
        self.plan(key, if disabled.is_some() { now } else { now + SETTLE });
        disabled.is_some()
    }

    /// The merchant is gone, and what was found of it with it.
    pub fn forget_merchant(&mut self, now: Timestamp, merchant: &MerchantId) {
        let of_it = self.known.keys().filter(|(owner, _)| owner == merchant);
        for key in of_it.cloned().collect::<Vec<_>>() {
            self.ended(now, &key);
        }
    }

    /// Some of what has to be written by now, the earliest first. Whoever could not write it says
    /// [`EndpointHealth::unwritten`].
    pub fn due(&mut self, now: Timestamp) -> Vec<Finding> {
        let mut due = Vec::new();
        while due.len() < AT_ONCE && self.next_due().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.pending.pop_first() else { break };
            due.extend(self.write(key));
        }
        due
    }

    /// When something has to be written, if anything has.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.pending.first().map(|(at, _)| *at)
    }

    /// Everything that is not written yet: another worker goes on from there.
    pub fn flush(&mut self) -> Vec<Finding> {
        let all = std::mem::take(&mut self.pending);
        all.into_iter().filter_map(|(_, key)| self.write(key)).collect()
    }

    /// The record was not taken; it is said again later, as it is then.
    pub fn unwritten(&mut self, now: Timestamp, key: &EndpointKey) {
        let unknown = Known { standing: None, stored: Stored::Unknown, pending: None };
        self.know(key, unknown).stored = Stored::Unknown;
        self.plan(key, now + SETTLE);
    }

    /// Marks what was disabled under this very revision of the entry, and unmarks the rest; whether
    /// anything is different now.
    pub fn mark(&self, merchant: &mut Merchant) -> bool {
        let mut changed = false;
        for endpoint in &mut merchant.endpoints {
            let key = (merchant.id.clone(), endpoint.id.clone());
            let found = self.disabled_under(&key, merchant.revision);
            if endpoint.disabled != found {
                std::sync::Arc::make_mut(endpoint).disabled = found;
                changed = true;
            }
        }
        changed
    }

    /// Endpoints that were disabled, under whatever revision.
    pub fn disabled(&self) -> impl Iterator<Item = (&EndpointKey, Revision, Disabled)> {
        self.disabled.iter().filter_map(|key| {
            let standing = self.known.get(key)?.standing.as_ref()?;
            Some((key, standing.revision, standing.disabled?))
        })
    }

    fn disabled_under(&self, key: &EndpointKey, revision: Revision) -> Option<Disabled> {
        let standing =
            self.disabled.get(key).and_then(|key| self.known.get(key)?.standing.as_ref());
        standing.filter(|standing| standing.revision == revision)?.disabled
    }

    fn succeeded(&mut self, now: Timestamp, key: &EndpointKey, revision: Revision) {
        // One that was under way when its endpoint was disabled does not enable it: that is for
        // the operator, or the dead letters in between would be forgotten.
        let disabled = self.disabled_under(key, revision).is_some();
        if !disabled && self.known.contains_key(key) {
            self.ended(now, key);
        }
    }

    /// This endpoint has no standing any more.
    fn ended(&mut self, now: Timestamp, key: &EndpointKey) {
        self.set_disabled(key, false);
        let Some(known) = self.known.get_mut(key) else { return };
        known.standing = None;
        if known.stored == Stored::Nothing {
            self.drop_known(key);
        } else {
            self.plan(key, now);
        }
    }

    fn plan(&mut self, key: &EndpointKey, at: Timestamp) {
        let Some(known) = self.known.get_mut(key) else { return };
        let settled =
            matches!((&known.stored, &known.standing), (Stored::This(a), Some(b)) if a == b);
        if settled || known.pending.is_some_and(|pending| pending <= at) {
            return;
        }
        let before = known.pending.replace(at);
        if let Some(before) = before {
            self.pending.remove(&(before, key.clone()));
        }
        self.pending.insert((at, key.clone()));
    }

    /// What is to be written of this endpoint, if anything still is.
    fn write(&mut self, key: EndpointKey) -> Option<Finding> {
        let known = self.known.get_mut(&key)?;
        known.pending = None;
        let Some(standing) = known.standing.clone() else {
            self.remove(&key);
            return Some((key, None));
        };
        if known.stored == Stored::This(standing.clone()) {
            return None;
        }
        known.stored = Stored::This(standing.clone());
        Some((key, Some(standing)))
    }

    fn set_disabled(&mut self, key: &EndpointKey, disabled: bool) {
        if !disabled {
            self.disabled.remove(key);
        } else if !self.disabled.contains(key) {
            self.disabled.insert(key.clone());
        }
    }

    fn drop_known(&mut self, key: &EndpointKey) {
        self.disabled.remove(key);
        if let Some(pending) = self.remove(key).and_then(|known| known.pending) {
            self.pending.remove(&(pending, key.clone()));
        }
    }

    /// What is known of this endpoint; where nothing was, this.
    fn know(&mut self, key: &EndpointKey, otherwise: Known) -> &mut Known {
        self.known.entry(key.clone()).or_insert_with(|| {
            *self.by_merchant.entry(key.0.clone()).or_default() += 1;
            otherwise
        })
    }

    fn remove(&mut self, key: &EndpointKey) -> Option<Known> {
        let known = self.known.remove(key)?;
        if let Some(count) = self.by_merchant.get_mut(&key.0) {
            *count -= 1;
            if *count == 0 {
                self.by_merchant.remove(&key.0);
            }
        }
        Some(known)
    }
}

fn verdict(
    patience: Patience,
    now: Timestamp,
    standing: &Standing,
    ended: Ended,
) -> Option<Disabled> {
    let over = |since: Timestamp, patience| now >= since + patience;
    let disabled = |since, reason| Disabled { at: now, since, reason };
    let gone = standing.gone_since.filter(|since| over(*since, patience.gone));
    match gone {
        Some(since) if ended == Ended::Gone => Some(disabled(since, DisabledReason::Gone)),
        _ => over(standing.failing_since, patience.failing)
            .then(|| disabled(standing.failing_since, DisabledReason::Failing)),
    }
}
