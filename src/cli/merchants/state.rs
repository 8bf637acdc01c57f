//! `merchants enable | disable`: the state of a merchant or of one endpoint, written over the entry
//! as it was read.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{
    store::{Store, Stored},
    stored,
};
use crate::{
    cli::time,
    merchant::directory::{Rules, parse_entry},
    model::{EndpointId, MerchantId, State},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// Which merchant
    #[arg(value_parser = MerchantId::parse)]
    merchant: MerchantId,
    /// Which of its endpoints [default: the merchant as a whole]
    #[arg(long, value_parser = EndpointId::parse)]
    endpoint: Option<EndpointId>,
}

/// Sets the state; a change of the entry like any other, so it also lifts what workers disabled.
pub(super) fn set(
    store: &Store<'_>,
    rules: &Rules,
    which: &Which,
    state: State,
) -> anyhow::Result<()> {
    let Which { merchant, endpoint } = which;
    let Stored { entry, revision } = store
        .entries()?
        .remove(merchant)
        .with_context(|| format!("there is no merchant {merchant}"))?;
    let edited = edited(&entry, which, state)?;
    parse_entry(&edited, rules)?;
    let revision = store.put_over(merchant, &stored(&edited, rules)?, rules, revision)?;
    let name = endpoint.as_ref().map_or_else(
        || format!("merchant {merchant}"),
        |endpoint| format!("endpoint {endpoint} of {merchant}"),
    );
    let state = json!(state);
    let state = state.as_str().unwrap_or_default();
    eprintln!("{name} is {state}, revision {revision}");
    Ok(())
}

fn edited(entry: &[u8], which: &Which, state: State) -> anyhow::Result<Vec<u8>> {
    let merchant = &which.merchant;
    // The parser's own words could quote a secret.
    let unreadable = || format!("the entry of {merchant} is no JSON object; put it anew");
    let mut whole: Value = serde_json::from_slice(entry).ok().with_context(unreadable)?;
    let place = match &which.endpoint {
        None => whole.as_object_mut(),
        Some(wanted) => {
            let endpoints = whole.get_mut("endpoints").and_then(Value::as_array_mut);
            let mut endpoints = endpoints.into_iter().flatten();
            endpoints
                .find(|one| one.get("id").and_then(Value::as_str) == Some(wanted.as_str()))
                .with_context(|| format!("merchant {merchant} has no endpoint {wanted}"))?
                .as_object_mut()
        }
    };
    place.with_context(unreadable)?.insert("state".to_owned(), json!(state));
    // In a file only what is different has another revision.
    if let Some(whole) = whole.as_object_mut() {
        whole.insert("updated_at".to_owned(), json!(time::now()));
    }
    Ok(serde_json::to_vec(&whole)?)
}
