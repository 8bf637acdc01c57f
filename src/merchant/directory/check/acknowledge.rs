//! The rule of acknowledgement.

use super::problem::{Checked, Problem};
use crate::{
    merchant::directory::AcknowledgeEntry,
    model::{Acknowledge, StatusSet},
};

pub(super) fn acknowledge(
    entry: Option<AcknowledgeEntry>,
    defaults: Acknowledge,
) -> Checked<Acknowledge> {
    Ok(match entry {
        Some(AcknowledgeEntry { statuses: Some(statuses), .. }) => Acknowledge {
            statuses: status_set(&statuses)
                .map_err(|what| Problem::new("acknowledge.statuses", what, "correct it"))?,
        },
        _ => defaults,
    })
}

/// Reads a status set: `2xx`, `204` or `200-204`; neither 1xx, which is no answer, nor 3xx, which
/// is never followed.
pub fn status_set(texts: &[String]) -> Result<StatusSet, String> {
    let number = |text: &str| -> Option<u16> {
        text.parse().ok().filter(|_| text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()))
    };
    let range = |text: &str| match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(class), _) => {
            let class: u16 = class.parse().ok().filter(|_| class.len() == 1)?;
            Some((class * 100, class * 100 + 99))
        }
        (None, Some((first, last))) => Some((number(first)?, number(last)?)),
        (None, None) => number(text).map(|status| (status, status)),
    };
    let good = |(first, last): &(u16, u16)| {
        first <= last && *first >= 200 && *last <= 599 && (*last < 300 || *first >= 400)
    };
    let mut ranges = Vec::with_capacity(texts.len());
    for text in texts {
        ranges.push(range(text).filter(good).ok_or_else(|| {
            let found: String = text.chars().take(20).collect();
            format!("{found:?} is no status: write 2xx, 204 or 200-204, but not 1xx or 3xx")
        })?);
    }
    if ranges.is_empty() {
        return Err("no status counts as acknowledged: write at least one, such as 2xx".to_owned());
    }
    Ok(StatusSet(ranges))
}
