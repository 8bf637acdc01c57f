use std::sync::Arc;

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    sign::{CertifiedKey, Signer, SigningKey},
};

use super::scenario::*;
use crate::engine::*;
use crate::model::*;

/// Reads an event that names its own address.
fn read_for(given: &mut Scenario, offset: i64, url: &str) {
    let mut record = given.record(completions(0), Offset(offset), "acme", |_| ());
    let mut event = Event::clone(record.event.as_ref().unwrap());
    event.notify_url = Some(url.to_owned());
    record.event = Ok(Arc::new(event));
    given.engine.handle_record(given.now, Epoch(1), record);
    given.settle();
}

/// Knows the merchant with these endpoints and hosts.
fn knowing(endpoints: Vec<Endpoint>, hosts: &[&str]) -> Scenario {
    let mut given = Scenario::new();
    let mut acme = merchant("acme", endpoints);
    acme.notify_url_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    given.know(acme);
    given
}

fn found_gone() -> Disabled {
    let at = Timestamp::from_millis(0);
    Disabled { at, since: at, reason: DisabledReason::Gone }
}

#[test]
fn an_event_with_its_own_address_goes_there_only_where_the_merchant_allows_the_host() {
    let url = "https://orders.example/o/1";
    let mut given = knowing(vec![endpoint("main", policy(&[5]))], &["orders.example"]);
    read_for(&mut given, 0, url);
    let attempt = given.attempt();
    assert_eq!(attempt.endpoint.url.as_str(), url);
    assert_eq!(attempt.endpoint.id.as_str(), "notify_url");
    let mut given = knowing(vec![endpoint("main", policy(&[5]))], &[]);
    read_for(&mut given, 0, url);
    assert_eq!(dead(&given.route()).reason, DeadReason::Invalid);
}

#[test]
fn credentials_go_to_the_server_that_they_are_for_and_to_no_other_that_an_event_names() {
    let mut main = endpoint("main", policy(&[5]));
    main.authorization = Some(SecretBytes::new(b"Bearer x".to_vec()));
    let key = CertifiedKey::new(Vec::new(), Arc::new(NoKey));
    main.certificate = Some(ClientCertificate::new(key, [7; 32]));
    for (url, sent) in
        [("https://shop.example/o/1", true), ("https://shop.example:8443/o/1", false)]
    {
        let mut given = knowing(vec![main.clone()], &["shop.example"]);
        read_for(&mut given, 0, url);
        let asked = given.attempt().endpoint;
        assert_eq!(asked.authorization.is_some(), sent, "{url}");
        assert_eq!(asked.certificate.is_some(), sent, "{url}");
    }
}

#[test]
fn the_address_of_an_event_has_the_policy_of_the_first_active_endpoint() {
    let named = |id: &str, cap| {
        let policy = Policy { max_in_flight: cap, ..policy(&[5]) };
        endpoint(id, policy)
    };
    let (mut one, mut two, three) = (named("one", 1), named("two", 2), named("three", 3));
    one.state = State::Disabled;
    two.disabled = Some(found_gone());
    let mut given = knowing(vec![one, two, three, named("four", 4)], &["orders.example"]);
    read_for(&mut given, 0, "https://orders.example/o/1");
    assert_eq!(given.attempt().endpoint.policy.max_in_flight, 3);
}

#[test]
fn what_the_model_of_an_own_address_wants_and_what_became_of_it_says_nothing_of_the_address() {
    let mut main = endpoint("main", policy(&[5]));
    main.events = vec![EventFilter::Exactly("refund.created".to_owned())];
    main.disabled = Some(found_gone());
    let mut given = knowing(vec![main], &["orders.example"]);
    read_for(&mut given, 0, "https://orders.example/o/1");
    let asked = given.attempt().endpoint;
    assert_eq!((asked.disabled, asked.events.as_slice()), (None, &[][..]));
}

#[test]
fn each_host_that_events_name_has_its_own_turn() {
    let policy = Policy { max_in_flight: 1, ..policy(&[5]) };
    let mut given = knowing(vec![endpoint("main", policy)], &["one.example", "two.example"]);
    for (offset, url) in ["https://one.example/1", "https://one.example/2", "https://two.example/"]
        .into_iter()
        .enumerate()
    {
        read_for(&mut given, i64::try_from(offset).unwrap(), url);
    }
    let asked: Vec<_> = given.attempts.iter().map(|one| one.endpoint.url.as_str()).collect();
    assert_eq!(asked, ["https://one.example/1", "https://two.example/"]);
}

#[test]
fn whom_the_engine_knows_is_told() {
    let mut given = Scenario::new();
    given.know(merchant("globex", Vec::new()));
    let [known, strange] = ["acme", "nobody"].map(|id| MerchantId::parse(id).unwrap());
    assert_eq!(given.engine.merchants(), 2);
    assert_eq!(given.engine.merchant(&known).unwrap().id, known);
    assert!(given.engine.merchant(&strange).is_none());
}

/// A key that signs nothing.
#[derive(Debug)]
struct NoKey;

impl SigningKey for NoKey {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}
