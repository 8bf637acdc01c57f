//! The directory of a world: every version of every entry, and what an event owes under each.

use std::sync::Arc;

use paynotify::model::{
    Acknowledge, ClassId, Dialect, Disabled, DisabledReason, Endpoint, EndpointId, Event,
    EventFilter, Jitter, Key, Merchant, MerchantId, Policy, Rate, Revision, Secret, SecretBytes,
    Span, State, Timestamp, Weight,
};

use super::dice::Dice;

/// Number that stands for the endpoint of a `notify_url`.
pub const NOTIFY_URL: u8 = 9;
/// Endpoints that an event can be owed to.
pub const ENDPOINTS: usize = 10;
/// Types of events.
pub const KINDS: [&str; 3] = ["payment.completed", "refund.created", "payout.failed"];

/// What a merchant's entry was from some time on.
#[derive(Debug)]
pub struct Version {
    pub from: Timestamp,
    pub entry: Option<Arc<Merchant>>,
}

/// Every version of every entry, by the merchant's number.
#[derive(Debug, Default)]
pub struct Directory {
    pub merchants: Vec<Vec<Version>>,
}

/// What an event owes under one version of its merchant's entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Owed {
    /// The merchant is not known: the event waits, or is given up.
    Unknown,
    /// The event names an address that the merchant does not allow.
    NotAllowed,
    /// These have to get it.
    Endpoints(Vec<u8>),
}

/// The id of a merchant.
pub fn merchant_id(merchant: usize) -> MerchantId {
    MerchantId::parse(&format!("m{merchant}")).unwrap()
}

/// The number of an endpoint.
pub fn number(endpoint: &EndpointId) -> u8 {
    let last = endpoint.as_str().as_bytes()[endpoint.as_str().len() - 1];
    if last.is_ascii_digit() { last - b'0' } else { NOTIFY_URL }
}

/// What the event owes under this entry.
pub fn owed(entry: Option<&Merchant>, event: &Event) -> Owed {
    let Some(entry) = entry else { return Owed::Unknown };
    if let Some(url) = &event.notify_url {
        let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
        let allowed = entry.notify_url_hosts.iter().any(|one| one == host);
        let model = !entry.endpoints.is_empty();
        return if allowed && model { Owed::Endpoints(vec![NOTIFY_URL]) } else { Owed::NotAllowed };
    }
    let wanted = entry.endpoints.iter().filter(|one| one.wants(&event.kind));
    Owed::Endpoints(wanted.map(|one| number(&one.id)).collect())
}

/// A policy as an entry may have it.
fn policy(dice: &mut Dice, classes: usize) -> Policy {
    let schedules: [&[u64]; 11] = [
        &[],
        &[1_000, 5_000],
        &[2_000, 2_000, 7_000],
        &[5_000, 15_000, 30_000],
        &[5_000, 15_000, 30_000],
        &[300, 300, 300, 300, 300],
        &[20_000, 40_000],
        &[1_500],
        &[10_000, 10_000, 10_000, 10_000],
        &[2_000, 60_000],
        &[90_000, 400_000],
    ];
    let intervals = schedules[dice.index(schedules.len())].iter().copied();
    let intervals: Vec<Span> = intervals.map(Span::from_millis).collect();
    let sum = intervals.iter().fold(Span::ZERO, |sum, interval| sum.plus(*interval));
    let more = dice.pick(&[100, 2_000, 60_000, 345_600_000]);
    let rate = dice.one_in(4).then(|| {
        let (rate, burst) = dice.pick(&[(0.5, 1.0), (2.0, 1.0), (2.0, 4.0), (20.0, 1.0)]);
        Rate::parse(rate, Some(burst)).unwrap()
    });
    // One class more than there are: an unknown one is the first.
    let class = ClassId::at(dice.index(classes + 1)).unwrap();
    let body = dice.one_in(6).then(|| "success".to_owned());
    Policy {
        max_age: sum.plus(Span::from_millis(more)),
        intervals,
        jitter: Jitter::parse(dice.pick(&[0.0, 0.0, 0.1, 1.0])).unwrap(),
        timeout: Span::from_secs(dice.pick(&[1, 5, 10])),
        max_in_flight: u32::try_from(dice.pick(&[1, 1, 2, 4])).unwrap(),
        rate,
        weight: Weight::parse(dice.pick(&[1.0, 1.0, 0.3, 5.0])).unwrap(),
        class,
        acknowledge: Acknowledge { body, ..Acknowledge::default() },
        http2: false,
        dialect: Dialect::None,
        headers: Vec::new(),
    }
}

fn endpoint(dice: &mut Dice, merchant: usize, number: u8, classes: usize) -> Endpoint {
    let filters = match dice.below(5) {
        0 => vec![EventFilter::Under("payment".to_owned())],
        1 => vec![EventFilter::Exactly(KINDS[1].to_owned())],
        _ => Vec::new(),
    };
    Endpoint {
        id: EndpointId::parse(&format!("e{number}")).unwrap(),
        url: url::Url::parse(&format!("https://m{merchant}.example/{number}")).unwrap(),
        state: State::Active,
        disabled: None,
        events: filters,
        policy: policy(dice, classes),
        authorization: None,
        certificate: None,
        secrets: Vec::new(),
    }
}

/// A new entry of a merchant.
pub fn entry(dice: &mut Dice, merchant: usize, classes: usize) -> Merchant {
    let count = dice.pick(&[1, 1, 1, 2, 3]);
    let endpoints = (0..count).map(|number| Arc::new(endpoint(dice, merchant, number, classes)));
    Merchant {
        id: merchant_id(merchant),
        revision: Revision::NONE,
        name: format!("m{merchant}"),
        state: State::Active,
        notify_url_hosts: vec![format!("n{merchant}.example")],
        endpoints: endpoints.collect(),
    }
}

/// An entry like most: one endpoint that wants everything, nothing out of the ordinary.
pub fn ordinary(merchant: usize) -> Merchant {
    let mut entry = entry(&mut Dice::new(0, "an ordinary entry"), merchant, 1);
    entry.endpoints.truncate(1);
    let endpoint = Arc::make_mut(&mut entry.endpoints[0]);
    endpoint.events.clear();
    let intervals = [5, 15, 30].map(Span::from_secs).to_vec();
    endpoint.policy = Policy { intervals, dialect: Dialect::None, ..Policy::default() };
    entry
}

/// The entry after a change of some kind, and the kind.
pub fn changed(
    dice: &mut Dice,
    now: Timestamp,
    merchant: usize,
    before: &Merchant,
    classes: usize,
) -> (Merchant, &'static str) {
    let mut entry = before.clone();
    let at = dice.index(entry.endpoints.len().max(1));
    let change = |entry: &mut Merchant, change: &mut dyn FnMut(&mut Endpoint)| {
        if let Some(endpoint) = entry.endpoints.get_mut(at) {
            change(Arc::make_mut(endpoint));
        }
    };
    let what = match dice.below(9) {
        0 => {
            let taken =
                |number: &u8| entry.endpoints.iter().any(|one| self::number(&one.id) == *number);
            if let Some(free) = (0..6).find(|number| !taken(number)) {
                entry.endpoints.push(Arc::new(endpoint(dice, merchant, free, classes)));
            }
            "an endpoint more"
        }
        1 => {
            if entry.endpoints.len() > 1 || dice.one_in(2) {
                entry.endpoints.pop();
            }
            "an endpoint less"
        }
        2 => {
            change(&mut entry, &mut |one| one.state = State::Disabled);
            "an endpoint disabled"
        }
        3 => {
            change(&mut entry, &mut |one| one.state = State::Paused);
            "an endpoint paused"
        }
        4 => {
            let reason = DisabledReason::Gone;
            let found = Disabled { at: now, since: now, reason };
            change(&mut entry, &mut |one| one.disabled = Some(found));
            "an endpoint found gone"
        }
        5 => {
            let policy = policy(dice, classes);
            change(&mut entry, &mut |one| one.policy = policy.clone());
            "another policy"
        }
        6 => {
            entry.state = dice.pick(&[State::Paused, State::Disabled]);
            "the merchant's state"
        }
        7 => {
            let later = now + Span::from_secs(dice.between(1, 60));
            change(&mut entry, &mut |one| {
                one.policy.dialect = Dialect::Standard;
                one.secrets = vec![Secret {
                    id: "later".to_owned(),
                    key: Key::Hmac(SecretBytes::new(vec![7; 32])),
                    not_before: Some(later),
                    expires: None,
                }];
            });
            "no secret yet"
        }
        _ => {
            entry = healthy(&entry);
            "all is well"
        }
    };
    (entry, what)
}

/// The entry with everything that keeps deliveries back taken off.
pub fn healthy(before: &Merchant) -> Merchant {
    let mut entry = before.clone();
    entry.state = State::Active;
    for endpoint in &mut entry.endpoints {
        let endpoint = Arc::make_mut(endpoint);
        endpoint.state = State::Active;
        endpoint.disabled = None;
        endpoint.policy.dialect = Dialect::None;
    }
    entry
}

impl Directory {
    /// The newest version of an entry.
    pub fn newest(&self, merchant: usize) -> Option<&Arc<Merchant>> {
        self.merchants[merchant].last().and_then(|version| version.entry.as_ref())
    }

    /// The last version that was an entry.
    pub fn last_entry(&self, merchant: usize) -> Option<&Arc<Merchant>> {
        self.merchants[merchant].iter().rev().find_map(|version| version.entry.as_ref())
    }

    /// Versions that some worker may have had after `since`: the one in force then, the later ones,
    /// and those that changed less than `lag` before.
    pub fn since(
        &self,
        merchant: usize,
        since: Timestamp,
        lag: Span,
    ) -> impl Iterator<Item = &Version> {
        let versions = &self.merchants[merchant];
        let first = versions.partition_point(|version| version.from + lag <= since);
        versions[first.saturating_sub(1)..].iter()
    }
}
