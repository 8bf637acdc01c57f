//! TLS towards merchants: 1.2 and later, the platform's certificates or the operator's.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_platform_verifier::Verifier;

use crate::merchant::trust::TrustStore;

/// Trusts the certificates of `store`, and those of the platform only without one.
pub(super) fn config(store: Option<&TrustStore>) -> Result<ClientConfig, rustls::Error> {
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
