//! `paynotify topics create | check`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::kafka::topics::{self, Beginning, Finding, Report};

use super::{
    Common,
    output::{self, Format, Output},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create what is missing and commit its beginning for the group; safe to repeat
    Create(Create),
    /// Check the settings of every topic; exit status 1 when one is missing or unsafe
    Check(Output),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Partitions of completions and of every grade [default: topics.partitions, or 12 for new
    /// topics]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: Option<i32>,
    /// Replicas of every partition [default: 3, or the number of brokers where fewer]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100))]
    replication_factor: Option<i32>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    let config = common.load()?.config;
    let client = config.kafka.client_settings();
    let mut settings = config.topic_settings();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = match command {
        Command::Create(create) => {
            settings.partitions = create.partitions.or(settings.partitions);
            settings.replication_factor = create.replication_factor;
            let report = runtime.block_on(topics::create(&client, &settings))?;
            created(&report, create.output.format())?;
            &create.output
        }
        Command::Check(output) => output,
    };
    let findings = runtime.block_on(topics::check(&client, &settings))?;
    found(&findings, output.format())?;
    let dangerous = findings.iter().filter(|finding| finding.unsafe_).count();
    anyhow::ensure!(dangerous == 0, "{dangerous} settings are unsafe, see above");
    Ok(())
}

fn created(report: &Report, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        for topic in &report.created {
            output::json(&json!({ "topic": topic, "did": "created" }))?;
        }
        for grown in &report.grown {
            let (from, to) = (grown.from, grown.to);
            output::json(&json!({ "topic": grown.topic, "did": "grown", "from": from, "to": to }))?;
        }
    } else {
        let new = report.created.iter().map(|topic| vec![topic.clone(), "created".to_owned()]);
        let grown = report.grown.iter().map(|grown| {
            vec![grown.topic.clone(), format!("grown from {} to {}", grown.from, grown.to)]
        });
        let rows: Vec<_> = new.chain(grown).collect();
        if !rows.is_empty() {
            output::table(&["TOPIC", "DONE"], rows)?;
        }
    }
    let (created, grown) = (report.created.len(), report.grown.len());
    let beginning = match report.beginning {
        Beginning::Committed(count) => format!("beginning committed on {count} partitions"),
        Beginning::GroupIsActive => {
            "the group is active and begins new partitions by itself".into()
        }
    };
    eprintln!("created {created}, grown {grown}; {beginning}");
    Ok(())
}

fn found(findings: &[Finding], format: Format) -> anyhow::Result<()> {
    for finding in findings {
        if format == Format::Json {
            output::json(&json!({
                "topic": finding.topic,
                "setting": finding.setting,
                "found": finding.found,
                "wanted": finding.wanted,
                "why": finding.why,
                "unsafe": finding.unsafe_,
            }))?;
        } else {
            let weight = if finding.unsafe_ { "unsafe" } else { "note" };
            output::line_of(&super::text::escape(&format!("{weight}: {finding}")))?;
        }
    }
    if findings.is_empty() {
        eprintln!("every topic is there and safe");
    }
    Ok(())
}
