//! Why something may not be dialled, and what to do about it.

use std::net::IpAddr;

use super::Ports;

/// Why a target is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// None of the public internet, and not allowed.
    #[error("the address {0} is not public")]
    Address(IpAddr),
    /// On the operator's list.
    #[error("the address {0} is in delivery.deny_addresses")]
    Listed(IpAddr),
    /// A name of an inside network that leads to an address that is not allowed, or may.
    #[error("{0:?} is a name of an inside network")]
    Name(String),
    /// Not on the list of ports.
    #[error("port {port} is not allowed")]
    Port {
        /// The port of the URL.
        port: u16,
        /// What is on the list.
        allowed: Ports,
    },
    /// A user or a password stands before the host.
    #[error("a user name or a password stands in the URL")]
    Userinfo,
    /// There is no host.
    #[error("the URL names no host")]
    NoHost,
}

impl Denied {
    /// What to do, after "; ".
    pub fn remedy(&self) -> String {
        match self {
            Self::Address(_) => {
                "use a public address, or add this one to delivery.allow_addresses".to_owned()
            }
            Self::Listed(_) => "use another address, or take it off that list".to_owned(),
            Self::Name(_) => {
                "use a public name, or add its addresses to delivery.allow_addresses".to_owned()
            }
            Self::Port { allowed, .. } => {
                format!("use one of {allowed}, or add it to delivery.ports")
            }
            Self::Userinfo | Self::NoHost => "write such as https://shop.example/hooks".to_owned(),
        }
    }
}
