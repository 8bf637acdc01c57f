//! Names → addresses → connections: everything that is dialled passes here, so this is where
//! addresses, literal ones too, will be guarded.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::ring,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tower_service::Service;

/// A name that did not resolve, recognisable among the causes of an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    /// The system's resolver failed.
    #[error("the name does not resolve")]
    Lookup(#[source] io::Error),
    /// There are no addresses.
    #[error("the name has no address")]
    NoAddress,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Opens connections: name, TCP and TLS within one deadline.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    connector: HttpsConnector<HttpConnector<Resolver>>,
    timeout: Duration,
}

impl Dial {
    /// Trusts the platform's certificates and `roots`.
    pub fn new(
        timeout: Duration,
        allow_http: bool,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .dangerous() // only for those who bring a verifier that is not that of the platform
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let builder = if allow_http { builder.https_or_http() } else { builder.https_only() };
        Ok(Self { connector: builder.enable_all_versions().wrap_connector(tcp), timeout })
    }
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.connector.call(to));
        Box::pin(async move {
            connecting
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}

/// The system's resolver.
#[derive(Debug, Clone)]
struct Resolver;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            // The port is replaced by that of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<_> = found.map_err(Unresolved::Lookup)?.collect();
            if addresses.is_empty() {
                return Err(Unresolved::NoAddress);
            }
            Ok(addresses.into_iter())
        })
    }
}
