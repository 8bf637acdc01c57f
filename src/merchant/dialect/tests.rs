//! Each dialect against published vectors. What the published libraries say of whole requests is in
//! `tests/dialects.rs` and `tools/verify`.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{collection::vec, option, prelude::*};
use ring::signature::Ed25519KeyPair;

use super::*;
use crate::model::{
    Algorithm, CustomDialect, Encoding, EndpointId, Key, Piece, Policy, SecretBytes, State,
    Template,
};

fn secret(id: &str, key: Key, not_before: Option<i64>, expires: Option<i64>) -> Secret {
    let time = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let (not_before, expires) = (not_before.map(time), expires.map(time));
    Secret { id: id.to_owned(), key, not_before, expires }
}

fn hmac(key: &[u8]) -> Key {
    Key::Hmac(SecretBytes::new(key.to_vec()))
}

fn ed25519(seed: &[u8]) -> Key {
    Key::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).unwrap().into())
}

fn endpoint(dialect: Dialect, secrets: Vec<Secret>) -> Endpoint {
    Endpoint {
        id: EndpointId::parse("e").unwrap(),
        url: url::Url::parse("https://shop.example/hooks?order=1").unwrap(),
        state: State::Active,
        disabled: None,
        events: Vec::new(),
        policy: Policy { dialect, ..Policy::default() },
        authorization: None,
        certificate: None,
        secrets,
    }
}

/// The ids of the keys that signed, and the headers.
fn signed(endpoint: &Endpoint, id: &str, seconds: i64, body: &[u8]) -> (String, HeaderMap) {
    let mut headers = HeaderMap::new();
    let now = Timestamp::from_millis(seconds * 1_000 + 999);
    let ids = sign(endpoint, &EventId::parse(id).unwrap(), now, body, &mut headers);
    (ids.unwrap().unwrap(), headers)
}

/// A custom dialect that signs the body alone, in one header.
fn custom(algorithm: Algorithm, encoding: Encoding) -> Dialect {
    let headers = vec![("x-signature".parse().unwrap(), Template(vec![Piece::Signature]))];
    let content = Template(vec![Piece::Body]);
    Dialect::Custom(Arc::new(CustomDialect { algorithm, encoding, headers, content }))
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The vector of standardwebhooks' own libraries.
#[test]
fn the_published_vector_of_v1_is_signed_as_published() {
    let key = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let endpoint = endpoint(Dialect::Standard, vec![secret("s1", hmac(&key), None, None)]);
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let (ids, headers) = signed(&endpoint, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
    assert_eq!(ids, "s1");
    assert_eq!(headers["webhook-signature"], "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

/// The vectors of Svix's server (`svix-server/src/worker.rs`), whose `v1a` is also the example in
/// Standard Webhooks 1.0.0, "Webhook headers".
#[test]
fn the_published_vectors_of_v1_and_v1a_are_signed_as_published() {
    let seed = STANDARD.decode("6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=").unwrap();
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let secrets =
        vec![secret("h", hmac(&key), None, None), secret("e", ed25519(&seed), None, None)];
    let endpoint = endpoint(Dialect::Standard, secrets);
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let (ids, headers) = signed(&endpoint, id, 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(ids, "h,e");
    assert_eq!(
        headers["webhook-signature"],
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/\
         enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    );
}

/// The vector of Stripe's .NET library (`EventUtilityTest`, `event_test_signature.json`).
#[test]
fn the_published_vector_of_stripe_is_signed_as_published() {
    let body = include_bytes!("tests/stripe_event.json");
    let secrets = vec![secret("s1", hmac(b"webhook_secret"), None, None)];
    let endpoint = endpoint(Dialect::named("stripe-like").unwrap(), secrets);
    let (ids, headers) = signed(&endpoint, "e", 1_533_204_620, body);
    assert_eq!(ids, "s1");
    assert_eq!(
        headers["stripe-signature"],
        "t=1533204620,v1=f0bdba6d4eacbd8ad8a3bbadd7248e633ec1477f7899c124c51b39405fa36613"
    );
}

/// The vector of Adyen's Node library (`hmacValidator.spec.ts`, `validateBankingHMAC`).
#[test]
fn the_published_vector_of_adyen_is_signed_as_published() {
    let key = hex("D7DD5BA6146493707BF0BE7496F6404EC7A63616B7158EC927B9F54BB436765F");
    let body = include_bytes!("tests/adyen_event.json").trim_ascii_end();
    let dialect = custom(Algorithm::HmacSha256, Encoding::Base64);
    let endpoint = endpoint(dialect, vec![secret("s1", hmac(&key), None, None)]);
    let (_, headers) = signed(&endpoint, "e", 0, body);
    assert_eq!(headers["x-signature"], "9Qz9S/0xpar1klkniKdshxpAhRKbiSAewPpWoxKefQA=");
}

/// RFC 4231, section 4.3, and RFC 8032, section 7.1, test 3.
#[test]
fn the_vectors_of_the_rfcs_are_signed_as_published() {
    let dialect = custom(Algorithm::HmacSha512, Encoding::Hex);
    let mut endpoint = endpoint(dialect, vec![secret("s1", hmac(b"Jefe"), None, None)]);
    let (_, headers) = signed(&endpoint, "e", 0, b"what do ya want for nothing?");
    assert_eq!(
        headers["x-signature"],
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
         9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    );
    let seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    endpoint.policy.dialect = custom(Algorithm::Ed25519, Encoding::Hex);
    endpoint.secrets = vec![secret("s1", ed25519(&seed), None, None)];
    let (_, headers) = signed(&endpoint, "e", 0, &[0xaf, 0x82]);
    assert_eq!(
        headers["x-signature"],
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    );
}

fn rotation() -> Vec<Secret> {
    vec![
        secret("old", hmac(b"1"), None, Some(200)),
        secret("new", hmac(b"2"), Some(50), None),
        secret("gone", hmac(b"3"), None, Some(100)),
        secret("later", hmac(b"4"), Some(101), None),
    ]
}

#[test]
fn every_secret_valid_now_signs_newest_first_and_the_newest_alone_where_there_is_one_signature() {
    let mut endpoint = endpoint(Dialect::Standard, rotation());
    let (ids, headers) = signed(&endpoint, "e", 100, b"{}");
    assert_eq!(ids, "new,old");
    assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), 2);
    endpoint.policy.dialect = Dialect::named("stripe-like").unwrap();
    let (ids, headers) = signed(&endpoint, "e", 100, b"{}");
    assert_eq!(ids, "new,old");
    assert_eq!(headers["stripe-signature"].to_str().unwrap().matches("v1=").count(), 2);
    endpoint.policy.dialect = custom(Algorithm::HmacSha256, Encoding::Hex);
    assert_eq!(signed(&endpoint, "e", 100, b"{}").0, "new");
}

#[test]
fn without_a_fitting_key_nothing_is_signed() {
    let pair = secret("p", ed25519(&[7; 32]), None, None);
    for dialect in [
        Dialect::Standard,
        Dialect::named("stripe-like").unwrap(),
        custom(Algorithm::HmacSha256, Encoding::Hex),
        custom(Algorithm::RsaSha256, Encoding::Hex),
    ] {
        let id = EventId::parse("e").unwrap();
        let mut headers = HeaderMap::new();
        let unfit = if dialect == Dialect::Standard { vec![] } else { vec![pair.clone()] };
        let endpoint = endpoint(dialect, unfit);
        let result = sign(&endpoint, &id, Timestamp::default(), b"", &mut headers);
        assert_eq!((result, headers.len()), (Err(FailReason::NoSecret), 0));
    }
    let unsigned = endpoint(Dialect::None, rotation());
    let mut headers = HeaderMap::new();
    let id = EventId::parse("e").unwrap();
    assert_eq!(sign(&unsigned, &id, Timestamp::default(), b"", &mut headers), Ok(None));
    assert!(headers.is_empty());
}

#[test]
fn base64_in_a_percent_encoded_form_has_nothing_to_be_decoded_twice() {
    let mut text = String::new();
    encode::encode(Encoding::PercentBase64, &[0xfb, 0xff, 0xfe, 0xff], &mut text);
    assert_eq!(text, "%2B%2F%2F%2B%2Fw%3D%3D");
}

prop_compose! {
    fn any_secret()(
        key in prop_oneof![
            vec(any::<u8>(), 1..70).prop_map(|key| hmac(&key)),
            any::<[u8; 32]>().prop_map(|seed| ed25519(&seed)),
        ],
        id in "[a-z]{1,9}", not_before in option::of(0_i64..99), expires in option::of(0_i64..99),
    ) -> Secret {
        secret(&id, key, not_before, expires)
    }
}

proptest! {
    #[test]
    fn the_same_secrets_id_time_and_body_give_the_same_signature_and_no_other_body_does(
        secrets in vec(any_secret(), 0..4), id in "[A-Za-z0-9_:-]{1,20}", now in 0_i64..99_000,
        body in vec(any::<u8>(), 0..99),
        dialect in prop::sample::select(vec![
            Dialect::Standard,
            Dialect::named("stripe-like").unwrap(),
            custom(Algorithm::HmacSha512, Encoding::PercentBase64),
            custom(Algorithm::Ed25519, Encoding::Hex),
        ]),
    ) {
        let endpoint = endpoint(dialect, secrets);
        let sign = |body: &[u8]| {
            let mut headers = HeaderMap::new();
            let (id, now) = (EventId::parse(&id).unwrap(), Timestamp::from_millis(now));
            sign(&endpoint, &id, now, body, &mut headers).map(|ids| (ids, headers))
        };
        prop_assert_eq!(sign(&body), sign(&body.clone()));
        let mut other = body.clone();
        other.push(0);
        prop_assert!(sign(&body).is_err() || sign(&body) != sign(&other));
    }
}
