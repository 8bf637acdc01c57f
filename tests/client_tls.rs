//! The HTTP client and merchants whose certificates it trusts, or not.

use std::sync::Arc;

use bytes::Bytes;
use paynotify::{
    engine::{Answer, AttemptResult, FailReason},
    merchant::{
        client::{Client, ClientSettings},
        directory::{Rules, parse_entry},
        guard::Guard,
    },
    model::Timestamp,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        version::{TLS12, TLS13},
    },
};

/// A merchant with a certificate of its own for `name`; gives its port and the certificate in PEM.
async fn merchant(name: &str, version: &'static SupportedProtocolVersion) -> (u16, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust it ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut bytes = [0; 4096];
            while stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    (port, cert.pem().into_bytes())
}

async fn send(url: &str, trusted: &[Vec<u8>]) -> AttemptResult {
    let guard = Guard::with_loopback();
    let rules = Rules { guard: guard.clone(), ..Rules::default() };
    let settings =
        ClientSettings { extra_roots: trusted.to_vec(), guard, ..ClientSettings::default() };
    let entry = json!({ "format": 1, "merchant_id": "m", "endpoints": [{
        "id": "e", "url": url, "policy": { "timeout": "5s" },
        "secrets": [{ "id": "s", "kind": "hmac", "value": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }],
    }] });
    let endpoint = parse_entry(entry.to_string().as_bytes(), &rules).unwrap();
    let endpoint = Arc::clone(&endpoint.endpoints[0]);
    let value = json!({ "id": "evt", "type": "payment.completed", "merchant_id": "m",
        "timestamp": "2026-01-31T12:00:00Z", "data": {} });
    let value = Bytes::from(value.to_string());
    let now = || Timestamp::from_millis(1_769_860_800_000);
    let event = paynotify::event::decode(Some(b"m"), Some(&value), &[], now()).unwrap();
    Client::new(&settings).unwrap().attempt(&endpoint, &event, 1, &[], now).await
}

#[tokio::test]
async fn a_merchant_is_reached_over_tls_1_2_and_1_3_when_its_certificate_is_trusted() {
    for version in [&TLS12, &TLS13] {
        let (port, certificate) = merchant("localhost", version).await;
        let result = send(&format!("https://localhost:{port}/"), &[certificate]).await;
        assert!(matches!(result.answer, Answer::Response { status: 200, .. }), "{result:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_known_or_for_another_name_is_a_tls_failure() {
    let (port, _) = merchant("localhost", &TLS13).await;
    let result = send(&format!("https://localhost:{port}/"), &[]).await;
    assert_eq!(result.answer, Answer::Failed(FailReason::Tls));
    let (port, certificate) = merchant("shop.example", &TLS13).await;
    let result = send(&format!("https://localhost:{port}/"), &[certificate]).await;
    assert_eq!(result.answer, Answer::Failed(FailReason::Tls));
}

#[test]
fn a_root_that_is_no_certificate_is_named() {
    let settings =
        ClientSettings { extra_roots: vec![b"nothing".to_vec()], ..ClientSettings::default() };
    let error = Client::new(&settings).unwrap_err().to_string();
    assert!(error.starts_with("root certificate 0 is not PEM"), "{error}");
}
