//! Names → addresses → connections: everything that is dialled passes here, so this is where the
//! guard stands, for literal addresses and ports; for resolved ones it stands in the resolver.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
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
use url::Host;

use super::resolve::Resolver;
use crate::merchant::guard::{Denied, Guard};

/// A silent connection is probed so often.
const PROBE: Duration = Duration::from_secs(15);
/// It is closed when so many probes in a row found nobody.
const PROBES: u32 = 3;
/// A connection is closed when what was sent is not acknowledged for so long.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Opens connections: name, TCP and TLS within one deadline.
#[derive(Clone)]
pub(super) struct Dial {
    guard: Arc<Guard>,
    connector: HttpsConnector<HttpConnector<Resolver>>,
    timeout: Duration,
}

impl Dial {
    /// Trusts the platform's certificates and `roots`; `resolver` has to have the same guard.
    pub fn new(
        guard: Arc<Guard>,
        resolver: Resolver,
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
        let tcp = tcp(resolver, timeout);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let builder = if allow_http { builder.https_or_http() } else { builder.https_only() };
        let connector = builder.enable_all_versions().wrap_connector(tcp);
        Ok(Self { guard, connector, timeout })
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
        // Literal addresses never come to a resolver.
        if let Err(denied) = check(&self.guard, &to) {
            return Box::pin(std::future::ready(Err(denied.into())));
        }
        let connecting = tokio::time::timeout(self.timeout, self.connector.call(to));
        Box::pin(async move {
            connecting
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}

/// `timeout` is divided among the addresses of a name: a silent one leaves time for the next.
fn tcp<R>(resolver: R, timeout: Duration) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeout));
    // One HTTP/2 connection serves a busy host without ever being idle: were its other end gone,
    // every attempt would time out on it until the kernel gave up, a quarter of an hour later.
    tcp.set_keepalive(Some(PROBE));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    tcp
}

fn check(guard: &Guard, to: &Uri) -> Result<(), Denied> {
    let authority = to.authority().ok_or(Denied::NoHost)?;
    if authority.as_str().contains('@') {
        return Err(Denied::Userinfo);
    }
    let host = Host::parse(authority.host()).map_err(|_| Denied::NoHost)?;
    let usual = if to.scheme_str() == Some("https") { 443 } else { 80 };
    guard.target(&host, authority.port_u16().unwrap_or(usual)).map(|_| ())
}

#[cfg(test)]
mod tests;
