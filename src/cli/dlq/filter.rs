//! Which dead letters are meant.

use clap::Args;

use crate::{
    cli::time,
    model::{EndpointId, MerchantId, Timestamp},
};

use super::Letter;

/// Conditions that must all hold.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Filter {
    /// Only of this merchant
    #[arg(long, value_parser = MerchantId::parse)]
    merchant: Option<MerchantId>,
    /// Only for this endpoint
    #[arg(long, value_parser = EndpointId::parse)]
    endpoint: Option<EndpointId>,
    /// Only events of this type; payment.* takes all below payment
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only with this reason, such as exhausted
    #[arg(long)]
    reason: Option<String>,
    /// Only faults of this side
    #[arg(long, value_parser = ["publisher", "merchant", "system"])]
    class: Option<String>,
    /// Only dead since then: RFC 3339, or a duration before now such as 2h
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<Timestamp>,
    /// Only dead before then
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<Timestamp>,
}

impl Filter {
    pub(super) fn matches(&self, letter: &Letter) -> bool {
        let view = letter.view.as_ref().ok();
        self.merchant.as_ref().is_none_or(|id| letter.merchant().as_deref() == Some(id.as_str()))
            && self.endpoint.as_ref().is_none_or(|id| letter.endpoint() == Some(id))
            && self.kind.as_ref().is_none_or(|kind| letter.kind().is_some_and(|k| under(kind, k)))
            && self.reason.as_ref().is_none_or(|word| view.is_some_and(|v| v.reason == *word))
            && self.class.as_ref().is_none_or(|word| view.is_some_and(|v| v.class == *word))
            && self.since.is_none_or(|since| since <= letter.time)
            && self.until.is_none_or(|until| letter.time < until)
    }

    /// Whether nothing is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.merchant.is_none()
            && self.endpoint.is_none()
            && self.kind.is_none()
            && self.reason.is_none()
            && self.class.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }
}

fn under(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(above) => kind.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == kind,
    }
}
