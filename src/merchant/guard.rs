//! Which addresses, names and ports may be dialled, so that nobody who chooses a URL chooses an
//! address inside.
//!
//! Pure: names are resolved by `client::dial`, which asks here about every address that it is to
//! dial. An IP literal in any notation is an address, since `url` reads it as one.
//!
//! - Addresses: those of the public internet, and what the operator allows; what the operator denies
//!   wins over both.
//! - Names: those of the public DNS. A name of an inside network (`localhost`, `intranet`,
//!   `db.internal`) is for operators: it is taken only where they allow addresses, and then every
//!   address that it leads to must be one of those.
//! - Ports: a list, never 0.

mod address;
mod denied;
mod network;
mod ports;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

pub use denied::Denied;
pub use network::{LOOPBACK, network};
pub use ports::Ports;

/// What may be dialled. The default is the public internet at ports 443 and 8443.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    ports: Ports,
    proxied: bool,
}

/// What a host is, once it may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An address that may be dialled.
    Address,
    /// A name whose addresses are yet to be checked.
    Name,
}

impl Guard {
    /// `allow` (`delivery.allow_addresses`) opens addresses that are not public, `deny`
    /// (`delivery.deny_addresses`) closes any.
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>, ports: Ports) -> Self {
        Self { allow, deny, ports, proxied: false }
    }

    /// The public internet and this machine's loopback at any port, for tests and demonstrations.
    pub fn with_loopback() -> Self {
        Self::new(LOOPBACK.to_vec(), Vec::new(), Ports::any())
    }

    /// The same where a proxy resolves the names: names of inside networks are refused, since
    /// nobody sees where they lead.
    #[must_use]
    pub fn behind_proxy(self) -> Self {
        Self { proxied: true, ..self }
    }

    /// What can be said of a URL without resolving its name.
    pub fn url(&self, url: &Url) -> Result<Target, Denied> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied::Userinfo);
        }
        let host = url.host().ok_or(Denied::NoHost)?;
        self.target(&host.to_owned(), url.port_or_known_default().unwrap_or_default())
    }

    /// What can be said of a host and a port without resolving the name.
    pub fn target(&self, host: &Host, port: u16) -> Result<Target, Denied> {
        let target = self.host(host)?;
        if !self.ports.contains(port) {
            return Err(Denied::Port { port, allowed: self.ports.clone() });
        }
        Ok(target)
    }

    /// What can be said of a host at whatever port.
    pub fn host(&self, host: &Host) -> Result<Target, Denied> {
        match host {
            Host::Ipv4(address) => self.address((*address).into()).map(|()| Target::Address),
            Host::Ipv6(address) => self.address((*address).into()).map(|()| Target::Address),
            // Where nothing inside is allowed, there is no need to ask where the name leads.
            Host::Domain(name) if is_inside(name) && (self.allow.is_empty() || self.proxied) => {
                Err(Denied::Name(name.clone()))
            }
            Host::Domain(_) => Ok(Target::Name),
        }
    }

    /// Whether a name that leads to these addresses may be dialled: every one of them must be
    /// allowed, since who answers chooses their order too.
    pub fn resolved(
        &self,
        name: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<(), Denied> {
        let inside = is_inside(name);
        for address in addresses {
            self.address(address)?;
            if inside && !contains(&self.allow, address) {
                return Err(Denied::Name(name.to_owned()));
            }
        }
        Ok(())
    }

    fn address(&self, address: IpAddr) -> Result<(), Denied> {
        let embedded = address::embedded(address);
        if [Some(address), embedded].into_iter().flatten().any(|one| contains(&self.deny, one)) {
            return Err(Denied::Listed(address));
        }
        if address::is_public(address) {
            return Ok(());
        }
        if !contains(&self.allow, address) {
            return Err(Denied::Address(address));
        }
        // To allow a form that carries IPv4 addresses is not to allow all that it can carry.
        embedded.map_or(Ok(()), |embedded| self.address(embedded))
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Whether a name is none of the public DNS, with the dot of the root or without.
fn is_inside(name: &str) -> bool {
    const INSIDE: [&str; 3] = ["internal", "local", "localhost"];
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some((_, last)) = name.rsplit_once('.') else { return true };
    last.is_empty() || INSIDE.iter().any(|inside| last.eq_ignore_ascii_case(inside))
}
