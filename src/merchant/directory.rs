//! The directory: JSON entries (`contract`, section 2) → checked
//! [`Merchant`]s, from records of the topic or lines of a file.
//!
//! What this version cannot do is refused by name, never ignored. No message shows a secret.

mod check;
mod entry;
pub mod file;
mod rotate;
mod sealed;
#[cfg(test)]
mod tests;

use crate::{
    engine::hops,
    merchant::{guard::Guard, vault::Vault},
    model::{Ladder, Merchant, MerchantId, Offset, Policy, Revision, Span},
};

pub use check::{acknowledging_body, acknowledging_json, event_filter, status_set};
pub use entry::{
    AcknowledgeEntry, AuthEntry, DialectEntry, EndpointEntry, Entry, IntervalsEntry, JsonEntry,
    PolicyEntry, RateEntry, SecretEntry, redacted,
};
pub use rotate::{Rotation, rotated};
pub use sealed::seal_entry;

/// Bytes of one entry at most.
pub const MAX_ENTRY_BYTES: usize = 512 * 1024;

/// What entries are held against.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Fills what an entry leaves out.
    pub defaults: Defaults,
    /// Whether `http://` may be used (`delivery.allow_http`).
    pub allow_http: bool,
    /// What the intervals of a schedule may be.
    pub schedules: Schedules,
    /// Names of the scheduling classes (`scheduling.classes`), by their places.
    pub classes: Vec<String>,
    /// What may be dialled.
    pub guard: Guard,
    /// Opens secrets that are stored sealed.
    pub vault: Option<Vault>,
}

/// What a schedule is held against.
#[derive(Debug, Clone)]
pub struct Schedules {
    /// The shortest interval (`directory.shortest_interval`).
    pub shortest: Span,
    /// The longest interval (`directory.longest_interval`).
    pub longest: Span,
    /// The delay topics, on which intervals are composed.
    pub ladder: Ladder,
}

/// An interval that is composed of more hops is refused: each is a record to write and to read.
const MOST_HOPS: usize = 16;

impl Schedules {
    /// What is wrong with an interval that the ladder can keep only by too many hops, and the remedy.
    pub fn too_many_hops(&self, interval: Span) -> Option<(String, String)> {
        (hops(&self.ladder, interval, MOST_HOPS + 1) > MOST_HOPS).then(|| {
            let what = format!("{interval} needs more than {MOST_HOPS} hops over the delay topics");
            let remedy = format!("add the grade {interval} to topics.grades, or change it");
            (what, remedy)
        })
    }
}

impl Default for Schedules {
    fn default() -> Self {
        let (shortest, longest) = (Span::from_secs(1), Span::from_secs(7 * 86_400));
        Self { shortest, longest, ladder: Ladder::default() }
    }
}

/// The policy of endpoints that say nothing else (`[defaults.policy]`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults(pub Policy);

impl Defaults {
    /// The built-in defaults with these settings over them, checked like a merchant's own.
    pub fn with(settings: PolicyEntry, schedules: &Schedules) -> Result<Self, Error> {
        let built_in = Self::default();
        check::policy(settings, &built_in, schedules, &[])
            .map(Self)
            .map_err(|problem| problem.within("defaults.policy").into_error(None))
    }
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{path}: {what}; {remedy}", merchant.as_ref().map(|id| format!("merchant {id}, ")).unwrap_or_default())]
pub struct Error {
    /// The merchant, where its id could be read.
    pub merchant: Option<MerchantId>,
    /// Where in the entry, such as `endpoints[0].policy.timeout`.
    pub path: String,
    /// What is wrong; never a secret.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// A refused line of a file, or a refused record of the topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{error}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct LineError {
    /// Line number from 1; none for a record or for the file as a whole.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub error: Error,
}

/// A change of the directory.
#[derive(Debug, Clone)]
pub enum Update {
    /// This merchant is new or different.
    Put(Merchant),
    /// This merchant is gone.
    Remove(MerchantId),
    /// Everything that the source holds has been said.
    Loaded,
    /// Refused; an earlier entry of that merchant stays.
    Refused(LineError),
}

/// Reads one entry and fills in the defaults.
pub fn parse_entry(bytes: &[u8], rules: &Rules) -> Result<Merchant, Error> {
    let mut entry = Entry::parse(bytes)?;
    sealed::open(&mut entry, rules.vault.as_ref())?;
    check::merchant(entry, rules)
}

/// Header of a record that holds an earlier entry in another form: its revision, in decimal digits.
pub const REVISION_HEADER: &str = "paynotify-revision";

/// The revision of the record at this offset, with this [`REVISION_HEADER`]. An entry that was only
/// sealed anew is no other entry: what workers found of its endpoints goes on to hold.
pub fn revision(offset: Offset, header: Option<&[u8]>) -> Revision {
    let told = header.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    told.unwrap_or(Revision::at(offset))
}

/// What a record of the directory topic changes.
pub fn update(key: Option<&[u8]>, value: Option<&[u8]>, rules: &Rules) -> Update {
    let refused = |error| Update::Refused(LineError { line: None, error });
    let text = key.map(String::from_utf8_lossy).unwrap_or_default();
    let key = match MerchantId::parse(&text) {
        Ok(key) => key,
        Err(error) => {
            return refused(Error::new(
                "key",
                error.to_string(),
                "write the merchant id as the key",
            ));
        }
    };
    let Some(value) = value else { return Update::Remove(key) };
    match parse_entry(value, rules) {
        Ok(merchant) if merchant.id == key => Update::Put(merchant),
        Ok(merchant) => refused(Error {
            merchant: Some(key),
            ..Error::new(
                "merchant_id",
                format!("is {:?}, but the key of the record is another", merchant.id.as_str()),
                "write both alike",
            )
        }),
        Err(error) => refused(Error { merchant: Some(key), ..error }),
    }
}

impl Error {
    fn new(path: &str, what: impl Into<String>, remedy: &str) -> Self {
        Self {
            merchant: None,
            path: if entry::holds_key(path) { "entry" } else { path }.to_owned(),
            what: masked(what.into()),
            remedy: remedy.to_owned(),
        }
    }
}

/// A signing key may stand where something else is expected, and be quoted for it.
fn masked(what: String) -> String {
    if entry::holds_key(&what) { "holds a signing key in the wrong place".to_owned() } else { what }
}
