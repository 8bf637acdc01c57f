//! Names → addresses → connections: everything that is dialled passes here, so this is where the
//! guard stands, for literal addresses and ports; for resolved ones it stands in the resolver.

use std::{io, sync::Arc, time::Duration};

use hickory_resolver::net::NetError;
use http::{Uri, uri::Authority};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{Connection as _, HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;
use url::Host;

use super::{ClientSettings, resolve::Resolver, tls::Tls};
use crate::{
    merchant::guard::{Denied, Guard},
    model::Endpoint,
};

/// A silent connection is probed so often.
const PROBE: Duration = Duration::from_secs(15);
/// It is closed when so many probes in a row found nobody.
const PROBES: u32 = 3;
/// A connection is closed when what was sent is not acknowledged for so long.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Tcp = HttpConnector<Resolver>;

/// Opens connections: name, TCP and TLS within one deadline.
#[derive(Clone)]
pub(super) struct Dial {
    guard: Arc<Guard>,
    way: Way,
    tls: Tls,
    timeout: Duration,
}

#[derive(Clone)]
enum Way {
    Direct(Tcp),
    /// By CONNECT, also where TLS is not wanted: nobody on the way reads what merchants get.
    Proxy(Tunnel<Tcp>),
}

/// An open connection.
pub(super) struct Dialled {
    pub stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// Whether HTTP/2 was agreed on.
    pub is_http2: bool,
}

impl Dial {
    /// Through the proxy of the settings, if there is one.
    pub fn new(settings: &ClientSettings, tls: Tls) -> Result<Self, NetError> {
        let timeout = settings.connect_timeout.into();
        let guard = settings.guard.clone();
        let (guard, way) = if let Some(proxy) = &settings.proxy {
            // Its address is the operator's choice; addresses of merchants are never seen here.
            let resolver = Resolver::new(&settings.names, None)?;
            let tunnel = Tunnel::new(proxy.address(), tcp(resolver, timeout));
            let tunnel = match proxy.authorization() {
                Some(authorization) => tunnel.with_auth(authorization),
                None => tunnel,
            };
            (Arc::new(guard.behind_proxy()), Way::Proxy(tunnel))
        } else {
            let guard = Arc::new(guard);
            let resolver = Resolver::new(&settings.names, Some(Arc::clone(&guard)))?;
            (guard, Way::Direct(tcp(resolver, timeout)))
        };
        Ok(Self { guard, way, tls, timeout })
    }

    /// Opens a connection to scheme, host and port of `to`, as this endpoint wants it.
    pub async fn open(&self, to: Uri, endpoint: &Endpoint) -> Result<Dialled, BoxError> {
        // Literal addresses never come to a resolver.
        check(&self.guard, &to)?;
        let tls = self.tls.of(endpoint.policy.http2, endpoint.certificate.as_ref());
        let connecting = async {
            match &self.way {
                Way::Direct(tcp) => connect(HttpsConnector::from((tcp.clone(), tls)), to).await,
                Way::Proxy(tunnel) => {
                    connect(HttpsConnector::from((tunnel.clone(), tls)), with_port(to)).await
                }
            }
        };
        let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
        let stream = tokio::time::timeout(self.timeout, connecting).await.unwrap_or_else(late)?;
        let is_http2 = stream.connected().is_negotiated_h2();
        Ok(Dialled { stream, is_http2 })
    }
}

async fn connect<S>(mut connector: S, to: Uri) -> Result<S::Response, BoxError>
where
    S: Service<Uri, Error = BoxError>,
{
    std::future::poll_fn(|context| connector.poll_ready(context)).await?;
    connector.call(to).await
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
    guard.target(&host, authority.port_u16().unwrap_or(usual_port(to))).map(|_| ())
}

fn usual_port(to: &Uri) -> u16 {
    if to.scheme_str() == Some("https") { 443 } else { 80 }
}

/// The same, its port said: a tunnel without one would lead to 443 whatever the scheme.
fn with_port(to: Uri) -> Uri {
    let said = to.authority().filter(|authority| authority.port().is_none());
    let said = said.map(|authority| format!("{}:{}", authority.host(), usual_port(&to)));
    let mut parts = to.clone().into_parts();
    match said.map(Authority::try_from) {
        Some(Ok(authority)) => {
            parts.authority = Some(authority);
            Uri::from_parts(parts).unwrap_or(to)
        }
        _ => to,
    }
}

#[cfg(test)]
mod tests;
