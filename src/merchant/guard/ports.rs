//! Lists of ports.

use std::{fmt, ops::RangeInclusive};

/// Ports that may be dialled: single ones and ranges, never 0. The default is 443 and 8443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Default for Ports {
    fn default() -> Self {
        Self(vec![443..=443, 8443..=8443])
    }
}

impl Ports {
    /// Every port.
    pub fn any() -> Self {
        Self(vec![1..=u16::MAX])
    }

    /// Reads items such as `443` and `8000-8999`; the error says what is wrong.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let ranges: Vec<_> = items.into_iter().map(range).collect::<Result<_, _>>()?;
        if ranges.is_empty() { Err("no port".to_owned()) } else { Ok(Self(ranges)) }
    }

    /// Whether this port is on the list.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// Single ports and ranges in the order of the list.
    pub fn ranges(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(format!("{text:?} is not a port")),
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let (first, last) = (range.start(), range.end());
            f.write_str(if at == 0 { "" } else { ", " })?;
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}
