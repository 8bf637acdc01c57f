//! Values of an entry → a merchant, every rule of the contract held.

mod acknowledge;
mod auth;
mod certificate;
mod dialect;
mod headers;
mod keys;
mod policy;
pub(super) mod problem;
mod schedule;
mod secrets;
mod template;
mod url;

use std::{collections::HashSet, sync::Arc};

pub(super) use self::policy::policy;
use self::problem::{Checked, Problem, at_most, each};
pub use self::{
    acknowledge::{acknowledging_body, acknowledging_json, status_set},
    url::event_filter,
};
use super::{EndpointEntry, Entry, Error, Rules};
use crate::model::{Endpoint, Merchant, MerchantId, Revision};

const ENDPOINTS: usize = 32;
const FILTERS: usize = 64;
const HOSTS: usize = 64;
/// The id under which events with their own `notify_url` are delivered.
const RESERVED_ENDPOINT: &str = "notify_url";

pub(super) fn merchant(entry: Entry, rules: &Rules) -> Result<Merchant, Error> {
    let id = entry.merchant_id.clone();
    checked(entry, rules).map_err(|problem| problem.into_error(Some(id)))
}

fn checked(entry: Entry, rules: &Rules) -> Checked<Merchant> {
    if entry.format != 1 {
        let what = format!("is {}, but this version reads 1", entry.format);
        return Err(Problem::new("format", what, "write \"format\": 1"));
    }
    let name = entry.name.unwrap_or_else(|| entry.merchant_id.to_string());
    if name.len() > 256 {
        return Err(Problem::new("name", "is longer than 256 bytes", "shorten it"));
    }
    at_most("notify_url_hosts", entry.notify_url_hosts.len(), HOSTS)?;
    for (at, host) in entry.notify_url_hosts.iter().enumerate() {
        url::host(host, rules)
            .map_err(|problem| problem.within(&format!("notify_url_hosts[{at}]")))?;
    }
    at_most("endpoints", entry.endpoints.len(), ENDPOINTS)?;
    let merchant_id = entry.merchant_id;
    let mut ids = HashSet::new();
    let mut endpoints = Vec::with_capacity(entry.endpoints.len());
    for (at, entry) in entry.endpoints.into_iter().enumerate() {
        let path = format!("endpoints[{at}]");
        let endpoint =
            endpoint(entry, &merchant_id, rules).map_err(|problem| problem.within(&path))?;
        if !ids.insert(endpoint.id.clone()) {
            let what = format!("{:?} is used twice", endpoint.id.as_str());
            return Err(Problem::new("id", what, "give each endpoint its own id").within(&path));
        }
        endpoints.push(Arc::new(endpoint));
    }
    Ok(Merchant {
        id: merchant_id,
        revision: Revision::NONE,
        name,
        state: entry.state,
        notify_url_hosts: entry.notify_url_hosts,
        endpoints,
    })
}

fn endpoint(entry: EndpointEntry, merchant: &MerchantId, rules: &Rules) -> Checked<Endpoint> {
    if entry.id.as_str() == RESERVED_ENDPOINT {
        let what = "\"notify_url\" is reserved for events with a URL of their own";
        return Err(Problem::new("id", what, "choose another id"));
    }
    let shown = auth::auth(entry.auth.as_ref(), merchant, &entry.id);
    let shown = shown.map_err(|problem| problem.within("auth"))?;
    let url = url::url(&entry.url, rules)?;
    at_most("events", entry.events.len(), FILTERS)?;
    let events = each("events", &entry.events, event_filter)?;
    let policy = policy(entry.policy, &rules.defaults, &rules.schedules, &rules.classes)
        .map_err(|problem| problem.within("policy"))?;
    if url.scheme() != "https" {
        encrypted(shown.certificate.is_some(), "auth.kind", "client_certificate")?;
        encrypted(policy.http2 && !rules.defaults.0.http2, "policy.http2", "HTTP/2")?;
    }
    Ok(Endpoint {
        id: entry.id,
        url,
        state: entry.state,
        disabled: None,
        events,
        authorization: shown.authorization,
        certificate: shown.certificate,
        secrets: secrets::secrets(&entry.secrets, &policy.dialect)?,
        policy,
    })
}

/// Refuses what only TLS brings about.
fn encrypted(wanted: bool, path: &str, what: &str) -> Checked<()> {
    if !wanted {
        return Ok(());
    }
    Err(Problem::new(path, format!("{what} needs TLS"), "write an https:// URL, or leave it out"))
}
