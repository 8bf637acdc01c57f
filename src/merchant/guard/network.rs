//! Ranges of addresses as operators write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// This machine's own addresses.
pub const LOOPBACK: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// Reads a single address or a range such as `10.1.0.0/16`; the error says what is wrong.
pub fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let range: IpNet =
        text.parse().map_err(|_| format!("{text:?} is not an address or a range"))?;
    let whole = range.trunc();
    if whole != range {
        // Who wrote this may have meant the address or the range.
        return Err(format!("{text:?} begins in the middle of the range {whole}"));
    }
    Ok(range)
}
