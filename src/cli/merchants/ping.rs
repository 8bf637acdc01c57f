//! `paynotify merchants ping`: one signed test event to endpoints of a merchant, over the way of every
//! delivery, its guard included.

mod turn;

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use super::{
    parse_entry,
    store::{Store, Stored},
};
use crate::{
    cli::{
        output::{self, Format, Output},
        time,
    },
    config::Config,
    engine::{Answer, AttemptResult, Verdict, judge},
    event,
    merchant::client::Client,
    model::{Endpoint, EndpointId, Event, MerchantId},
};

use turn::Turn;

/// An endpoint gets no more than one in this time.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Ping {
    /// Which merchant
    #[arg(value_parser = MerchantId::parse)]
    merchant: MerchantId,
    /// Which of its endpoints [default: each of them]
    #[arg(long, value_parser = EndpointId::parse)]
    endpoint: Option<EndpointId>,
    #[command(flatten)]
    output: Output,
}

/// Fails unless every endpoint acknowledged. Says how each of them answered.
pub(super) fn ping(store: &Store<'_>, config: &Config, command: &Ping) -> anyhow::Result<()> {
    let Ping { merchant, endpoint, output } = command;
    let Stored { entry, .. } = store
        .entries()?
        .remove(merchant)
        .with_context(|| format!("there is no merchant {merchant}"))?;
    let known = parse_entry(&entry, &config.rules()?)?;
    let wanted = |one: &Endpoint| endpoint.as_ref().is_none_or(|wanted| *wanted == one.id);
    let endpoints: Vec<_> = known.endpoints.iter().filter(|one| wanted(one)).collect();
    if endpoints.is_empty() {
        let which = endpoint.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        anyhow::bail!("merchant {merchant} has no endpoint{which}; see `paynotify merchants show`");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut rows, mut silent) = (Vec::new(), 0);
    for endpoint in &endpoints {
        let (event, result) = runtime.block_on(send(config, merchant, endpoint))?;
        let acknowledged =
            judge(&endpoint.policy.acknowledge, &result.answer) == Verdict::Delivered;
        silent += usize::from(!acknowledged);
        let told = told(endpoint, &event, &result);
        match output.format() {
            Format::Json => output::json(&told)?,
            Format::Table => rows.push(row(&told)),
        }
    }
    if output.format() == Format::Table {
        output::table(&["ENDPOINT", "OUTCOME", "STATUS", "REASON", "TOOK", "ANSWER"], rows)?;
    }
    anyhow::ensure!(silent == 0, "{silent} of {} endpoints did not acknowledge", endpoints.len());
    Ok(())
}

async fn send(
    config: &Config,
    merchant: &MerchantId,
    endpoint: &Endpoint,
) -> anyhow::Result<(Event, AttemptResult)> {
    let turn = Turn::take(&config.topics.prefix, merchant, &endpoint.id)?;
    let event = event(merchant, &endpoint.id)?;
    let client = Client::new(&config.delivery.client_settings(true))?;
    let attempt = client.attempt(endpoint, &event, 1, &[], time::now);
    // Whatever comes after this command finds the interval over.
    let (result, ()) = tokio::join!(attempt, tokio::time::sleep(INTERVAL));
    drop(turn);
    Ok((event, result))
}

/// An event as publishers write it, so that merchants see one like all the others.
fn event(merchant: &MerchantId, endpoint: &EndpointId) -> anyhow::Result<Event> {
    let now = time::now();
    let mut random = [0; 8];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    let id = format!("evt_ping_{:016x}", u64::from_be_bytes(random));
    let value = json!({
        "id": id, "type": "paynotify.ping", "timestamp": now, "merchant_id": merchant,
        "data": { "endpoint": endpoint },
    });
    let value = Bytes::from(serde_json::to_vec(&value)?);
    Ok(event::decode(Some(merchant.as_str().as_bytes()), Some(&value), &[], now)?)
}

fn told(endpoint: &Endpoint, event: &Event, result: &AttemptResult) -> Value {
    let (outcome, reason) = match judge(&endpoint.policy.acknowledge, &result.answer) {
        Verdict::Delivered => ("delivered", None),
        Verdict::Retry(reason) => ("failed", Some(reason)),
    };
    let (status, excerpt) = match &result.answer {
        Answer::Response { status, excerpt, .. } => (Some(*status), excerpt.clone()),
        Answer::Failed(reason) => (None, reason.detail().map(str::to_owned)),
    };
    json!({
        "merchant_id": event.merchant, "endpoint": endpoint.id, "event_id": event.id,
        "outcome": outcome, "reason": reason, "status": status,
        "duration_ms": result.ended.since(result.started).as_millis(),
        "response_excerpt": excerpt, "key_id": result.key_id,
    })
}

fn row(told: &Value) -> Vec<String> {
    let text = |key: &str| match &told[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let took = format!("{} ms", text("duration_ms"));
    let cells = ["endpoint", "outcome", "status", "reason"].map(text);
    cells.into_iter().chain([took, text("response_excerpt")]).collect()
}
