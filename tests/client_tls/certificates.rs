//! Client certificates: who gets which, and which are refused when they are registered.

use paynotify::engine::{Answer, FailReason, TlsFault};
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use super::{Authority, client, delivered, http2::merchant, pki::Issued, registered, send};

fn auth(issued: &Issued) -> Value {
    let key = issued.key.serialize_pem();
    json!({ "kind": "client_certificate", "certificate": issued.pem, "key": key })
}

#[tokio::test]
async fn a_merchant_that_demands_a_client_certificate_gets_that_of_the_endpoint() {
    let authority = Authority::new();
    let ours = authority.issue("paynotify.example");
    for version in [&TLS12, &TLS13] {
        for http2 in [false, true] {
            let tls = authority.issue("localhost").server_with(&[version], authority.demanding());
            let (port, mut requests) = merchant(tls, &["h2", "http/1.1"]).await;
            let url = format!("https://localhost:{port}/");
            let endpoint = registered("e", &url, &auth(&ours), http2).unwrap();
            let answer = send(&client(Some(&authority)), &endpoint).await;
            assert!(delivered(&answer), "{answer:?}");
            let shown = requests.recv().await.unwrap().certificate;
            assert_eq!(shown.as_ref(), Some(&ours.certificate));
        }
    }
}

#[tokio::test]
async fn a_client_certificate_that_the_merchant_does_not_trust_is_told() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = authority.issue("localhost").server_with(&[&TLS13], authority.demanding());
    let (port, _requests) = merchant(tls, &[]).await;
    let url = format!("https://localhost:{port}/");
    let endpoint = registered("e", &url, &auth(&other.issue("us.example")), false).unwrap();
    let answer = send(&client(Some(&authority)), &endpoint).await;
    assert_eq!(answer, Answer::Failed(FailReason::Tls(TlsFault::ClientCertificate)));
}

#[tokio::test]
async fn a_connection_with_a_certificate_serves_no_other_endpoint_and_no_other_certificate() {
    let authority = Authority::new();
    for http2 in [false, true] {
        for version in [&TLS12, &TLS13] {
            let demanding = authority.demanding_or_not();
            let tls = authority.issue("localhost").server_with(&[version], demanding);
            let (port, mut requests) = merchant(tls, &["h2", "http/1.1"]).await;
            let client = client(Some(&authority));
            let url = format!("https://localhost:{port}/");
            let (first, second) = (authority.issue("a.example"), authority.issue("b.example"));
            let none = Value::Null;
            let endpoint = |id, auth: &Value| registered(id, &url, auth, http2).unwrap();
            let mut connections = Vec::new();
            for (endpoint, shown) in [
                (endpoint("one", &auth(&first)), Some(&first)),
                (endpoint("two", &none), None),
                (endpoint("two", &auth(&second)), Some(&second)),
                (endpoint("three", &auth(&first)), Some(&first)),
                // The entry was read again, unchanged.
                (endpoint("one", &auth(&first)), Some(&first)),
                // And with another certificate.
                (endpoint("one", &auth(&second)), Some(&second)),
            ] {
                assert!(delivered(&send(&client, &endpoint).await));
                let asked = requests.recv().await.unwrap();
                let shown = shown.map(|issued| &issued.certificate);
                assert_eq!(asked.certificate.as_ref(), shown, "{}", endpoint.id.as_str());
                connections.push(asked.connection);
            }
            assert_eq!(connections, [0, 1, 2, 3, 0, 4]);
        }
    }
}

#[test]
fn a_certificate_is_checked_when_it_is_registered_and_its_key_is_never_shown() {
    let authority = Authority::new();
    let (ours, other) = (authority.issue("a.example"), authority.issue("b.example"));
    let url = "https://localhost/";
    let good = auth(&ours);
    let endpoint = registered("e", url, &good, false).unwrap();
    let secret = ours.key.serialize_pem().lines().nth(1).unwrap().to_owned();
    assert!(!format!("{endpoint:?}").contains(&secret));
    assert!(endpoint.authorization.is_none());
    let changed = |field: &str, value: &str| {
        let mut changed = good.clone();
        changed[field] = json!(value);
        changed
    };
    let chain = [ours.pem.as_str(), &authority.pem].concat();
    assert!(registered("e", url, &changed("certificate", &chain), false).is_ok());
    let edwards = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
    let backwards = [authority.pem.as_str(), &ours.pem].concat();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (auth, expected) in [
        (changed("key", &other.key.serialize_pem()), "auth.key: is not the key of the first"),
        (changed("key", &edwards), "auth.key: is not the key of the first"),
        (changed("key", "geheim"), "auth.key: must be one private key in PEM"),
        (changed("key", &ours.pem), "auth.key: must be one private key in PEM"),
        (changed("certificate", &backwards), "auth.key: is not the key of the first"),
        (changed("certificate", "geheim"), "auth.certificate: has no certificate in PEM"),
        (changed("certificate", broken), "auth.certificate: cannot be read"),
        (changed("certificate", &ours.pem.repeat(9)), "auth.certificate: has no certificate"),
        (changed("token", "geheim"), "auth: needs certificate and key, and nothing else"),
        (json!({ "kind": "client_certificate" }), "auth: needs certificate and key"),
    ] {
        let error = registered("e", url, &auth, false).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("geheim") && !error.contains(&secret), "{error}");
    }
    let error = registered("e", "http://localhost/", &good, false).unwrap_err();
    assert!(error.contains("auth.kind: client_certificate needs TLS"), "{error}");
}
