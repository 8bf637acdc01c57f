//! Names → addresses: everything that is dialled by name passes here, so this is where addresses
//! will be guarded.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name that did not resolve, recognisable among the causes of an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    /// The system's resolver failed.
    #[error("the name does not resolve")]
    Lookup(#[source] std::io::Error),
    /// There are no addresses.
    #[error("the name has no address")]
    NoAddress,
}

/// The system's resolver.
#[derive(Debug)]
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is replaced by that of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found.map_err(Unresolved::Lookup)?.collect();
            if addresses.is_empty() {
                return Err(Unresolved::NoAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
