//! Who a delivery is for: the endpoint as the directory has it, how it stands, and its lane.

use std::sync::Arc;

use super::{
    Delivery,
    lane::{LaneKey, Limits},
};
use crate::model::{Endpoint, EndpointId, Event, Merchant, State};

/// Id of the endpoint that stands for an event's own `notify_url`.
const NOTIFY_URL: &str = "notify_url";

/// The lane of a delivery whose endpoint is known.
pub fn lane_key_of(delivery: &Delivery) -> Option<LaneKey> {
    let event = delivery.record.event.as_ref().ok()?;
    let endpoint = delivery.envelope.endpoint.clone()?;
    let by_url = (endpoint.as_str() == NOTIFY_URL).then_some(event.notify_url.as_ref()).flatten();
    let host = by_url.and_then(|url| Some(url::Url::parse(url).ok()?.host_str()?.to_owned()));
    Some(LaneKey { merchant: event.merchant.clone(), endpoint, host })
}

/// The endpoint of this id, an event's own address included.
pub fn endpoint_of(merchant: &Merchant, event: &Event, id: &EndpointId) -> Option<Arc<Endpoint>> {
    if id.as_str() == NOTIFY_URL {
        return notify_url_endpoint(merchant, event);
    }
    merchant.endpoints.iter().find(|endpoint| endpoint.id == *id).cloned()
}

/// Lanes that an entry speaks of, and what it says of each.
pub fn lanes_of(merchant: &Merchant) -> impl Iterator<Item = (LaneKey, Limits)> {
    let key = |endpoint: &EndpointId, host| LaneKey {
        merchant: merchant.id.clone(),
        endpoint: endpoint.clone(),
        host,
    };
    let own = merchant.endpoints.iter();
    let own = own.map(move |one| (key(&one.id, None), Limits::from(&one.policy)));
    let model = model_of(merchant).zip(EndpointId::parse(NOTIFY_URL).ok());
    let by_url = model.into_iter().flat_map(move |(model, id)| {
        let hosts = merchant.notify_url_hosts.iter().map(|host| host.to_ascii_lowercase());
        hosts.map(move |host| (key(&id, Some(host)), Limits::from(&model.policy)))
    });
    own.chain(by_url)
}

/// The endpoint whose policy and secrets hold for an event's own address: the first active one.
fn model_of(merchant: &Merchant) -> Option<&Arc<Endpoint>> {
    let is_active = |one: &&Arc<Endpoint>| one.state == State::Active && one.disabled.is_none();
    merchant.endpoints.iter().find(is_active).or(merchant.endpoints.first())
}

/// The endpoint `notify_url`: the event's address with policy and secrets of the merchant's first
/// active endpoint, where the merchant allows that host.
pub fn notify_url_endpoint(merchant: &Merchant, event: &Event) -> Option<Arc<Endpoint>> {
    let url = url::Url::parse(event.notify_url.as_ref()?).ok()?;
    let host = url.host_str()?;
    if !merchant.notify_url_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return None;
    }
    let model = model_of(merchant)?;
    let id = EndpointId::parse(NOTIFY_URL).ok()?;
    // What lets in at one server is no business of another.
    let same = url.origin() == model.url.origin();
    let authorization = model.authorization.clone().filter(|_| same);
    let certificate = model.certificate.clone().filter(|_| same);
    Some(Arc::new(Endpoint {
        id,
        url,
        events: Vec::new(),
        // Another address failed.
        disabled: None,
        authorization,
        certificate,
        ..Endpoint::clone(model)
    }))
}

/// How an endpoint stands: its own state, unless its merchant's is worse.
pub fn state_of(merchant: &Merchant, endpoint: &Endpoint) -> State {
    match (merchant.state, endpoint.state) {
        (State::Active, State::Active) if endpoint.disabled.is_some() => State::Disabled,
        (State::Active, state) | (state, _) => state,
    }
}
