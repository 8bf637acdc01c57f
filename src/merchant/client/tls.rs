//! TLS towards merchants: 1.2 and later, the platform's certificates or the operator's.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    client::{Resumption, danger::ServerCertVerifier},
    crypto::ring,
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};
use rustls_platform_verifier::Verifier;

use crate::{merchant::trust::TrustStore, model::ClientCertificate};

/// What differs between TLS connections.
#[derive(Clone)]
pub(super) struct Tls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts the certificates of `store`, and those of the platform only without one.
    pub fn new(store: Option<&TrustStore>) -> Result<Self, rustls::Error> {
        let http1 = config(store)?;
        let mut http2 = http1.clone();
        http2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { http1: Arc::new(http1), http2: Arc::new(http2) })
    }

    /// For one connection. With a certificate, no session of before is resumed: it could be that of
    /// another endpoint.
    pub fn of(&self, http2: bool, certificate: Option<&ClientCertificate>) -> Arc<ClientConfig> {
        let usual = if http2 { &self.http2 } else { &self.http1 };
        let Some(certificate) = certificate else { return Arc::clone(usual) };
        let mut own = ClientConfig::clone(usual);
        own.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certificate.key()));
        own.resumption = Resumption::disabled();
        Arc::new(own)
    }
}

/// Trusts the certificates of `store`, and those of the platform only without one.
fn config(store: Option<&TrustStore>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    if let Some(store) = store {
        return Ok(builder.with_root_certificates(store.roots()).with_no_client_auth());
    }
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verifier::new(provider)?);
    Ok(builder
        .dangerous() // only for those who bring a verifier that is not that of the platform
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}
