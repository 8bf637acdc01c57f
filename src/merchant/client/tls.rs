//! TLS towards merchants: 1.2 and later, the platform's certificates and ours.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::ring,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use rustls_platform_verifier::Verifier;

/// Trusts the platform's certificates and `roots`.
pub(super) fn config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous() // only for those who bring a verifier that is not that of the platform
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}
