//! Names → addresses, each of them checked: those that come out are those that are dialled, so
//! nobody can answer otherwise in between.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};
use hyper_util::client::legacy::connect::dns;
use tower_service::Service;

use super::dial::BoxError;
use crate::{merchant::guard::Guard, model::Span};

/// How names are resolved.
#[derive(Debug, Clone)]
pub struct Names {
    /// Name servers; without any those of the operating system.
    pub servers: Vec<SocketAddr>,
    /// Longest wait for the answers about one name.
    pub deadline: Span,
    /// Answers are kept for as long as they say, but not shorter than this,
    pub shortest: Span,
    /// nor longer than this.
    pub longest: Span,
    /// That a name has no address is kept no longer than this.
    pub longest_negative: Span,
    /// Answers kept at most.
    pub answers: u32,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            deadline: Span::from_secs(3),
            shortest: Span::from_secs(5),
            longest: Span::from_secs(300),
            longest_negative: Span::from_secs(10),
            answers: 10_000,
        }
    }
}

/// A name that did not resolve, recognisable among the causes of an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    /// It cannot be asked for.
    #[error("the name cannot be asked for: {0}")]
    NoName(hickory_resolver::proto::ProtoError),
    /// Nobody answered with an address. What lies below is not a source: a name server that
    /// cannot be reached is no merchant that cannot be reached.
    #[error("the name does not resolve: {0}")]
    Lookup(NetError),
    /// Nobody answered in time.
    #[error("the name servers do not answer in time")]
    Late,
    /// There are no addresses.
    #[error("the name has no address")]
    NoAddress,
}

/// Resolves names for a connector; a clone shares the cache.
#[derive(Clone)]
pub(super) struct Resolver {
    dns: TokioResolver,
    hosts: Arc<Hosts>,
    deadline: std::time::Duration,
    guard: Option<Arc<Guard>>,
}

impl Resolver {
    /// Without a guard every address will do: for names that the operator has chosen.
    pub fn new(names: &Names, guard: Option<Arc<Guard>>) -> Result<Self, NetError> {
        let mut builder = if names.servers.is_empty() {
            match TokioResolver::builder_tokio() {
                Err(error) if is_missing(&error) => with_servers(&[([127, 0, 0, 1], 53).into()]),
                builder => builder?,
            }
        } else {
            with_servers(&names.servers)
        };
        set(builder.options_mut(), names);
        Ok(Self {
            dns: builder.build()?,
            hosts: Arc::new(Hosts::from_system().unwrap_or_default()),
            deadline: names.deadline.into(),
            guard,
        })
    }

    async fn addresses(self, name: dns::Name) -> Result<Vec<SocketAddr>, BoxError> {
        let addresses = self.lookup(name.as_str()).await?;
        if let Some(guard) = &self.guard {
            guard.resolved(name.as_str(), addresses.iter().copied()).inspect_err(|denied| {
                tracing::debug!(name = name.as_str(), %denied, "not dialled");
            })?;
        }
        // The port is replaced by that of the URL.
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let mut name = Name::from_ascii(name).map_err(Unresolved::NoName)?;
        // Suffixes of this machine's network have no business with names of strangers.
        name.set_fqdn(true);
        let known = self.known(&name);
        if !known.is_empty() {
            return Ok(known);
        }
        let (v4, v6) = tokio::join!(
            self.answers(name.clone(), RecordType::A),
            self.answers(name.clone(), RecordType::AAAA),
        );
        match (v4, v6) {
            (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => Err(Unresolved::NoAddress),
            (Ok(v4), Ok(v6)) => Ok(v4.into_iter().chain(v6).collect()),
            // Servers that are silent about one family are no reason not to use the other.
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// What the hosts file says; then nobody else is asked.
    fn known(&self, name: &Name) -> Vec<IpAddr> {
        let family = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = [family(RecordType::A), family(RecordType::AAAA)];
        found.iter().flatten().flat_map(|found| addresses_of(found.answers())).collect()
    }

    async fn answers(&self, name: Name, kind: RecordType) -> Result<Vec<IpAddr>, Unresolved> {
        match tokio::time::timeout(self.deadline, self.dns.lookup(name, kind)).await {
            Ok(Ok(found)) => Ok(addresses_of(found.answers()).collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(Unresolved::Lookup(error)),
            Err(_) => Err(Unresolved::Late),
        }
    }
}

fn addresses_of(
    records: &[hickory_resolver::proto::rr::Record],
) -> impl Iterator<Item = IpAddr> + '_ {
    records.iter().filter_map(|record| record.data.ip_addr())
}

type Builder = hickory_resolver::ResolverBuilder<TokioRuntimeProvider>;

fn with_servers(servers: &[SocketAddr]) -> Builder {
    let server = |address: &SocketAddr| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        server
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

/// Without a configuration the name server is on this machine, as for other programs.
fn is_missing(error: &NetError) -> bool {
    matches!(error, NetError::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn set(options: &mut ResolverOpts, names: &Names) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Read here, once for both families: a name that has an entry is never asked for.
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = names.answers.into();
    options.positive_min_ttl = Some(names.shortest.into());
    options.positive_max_ttl = Some(names.longest.into());
    options.negative_min_ttl = Some(std::time::Duration::from_secs(1));
    options.negative_max_ttl = Some(names.longest_negative.into());
    // Twice within the deadline.
    options.timeout = options.timeout.min(std::time::Duration::from(names.deadline) / 2);
    options.attempts = options.attempts.max(2);
    options.max_active_requests = 1024;
}

impl Service<dns::Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { resolver.addresses(name).await.map(Vec::into_iter) })
    }
}
