//! `paynotify topics create | check`.

use clap::{Args, Subcommand};

use super::{Common, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create what is missing and commit its beginning for the group; safe to repeat
    Create(Create),
    /// Check the settings of every topic; exit status 1 when one is missing or unsafe
    Check(Output),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Partitions of completions and of every grade [default: topics.partitions]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// Replicas of every partition [default: 3, or the number of brokers where fewer]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    replication_factor: Option<u32>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    let _config = common.load()?.config;
    match command {
        Command::Create(create) => {
            let _ = (create.partitions, create.replication_factor, create.output.format());
            anyhow::bail!("topics create is not part of this build")
        }
        Command::Check(output) => {
            let _ = output.format();
            anyhow::bail!("topics check is not part of this build")
        }
    }
}
