//! `paynotify worker`.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    model::{Timestamp, TimestampError},
    shutdown,
    telemetry::logging,
};

use super::Common;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where a group without any commit begins on topics that hold records
    #[arg(long, value_name = "earliest|latest|TIME", value_parser = first_start)]
    first_start: Option<FirstStart>,
    /// Start although no merchant is known
    #[arg(long)]
    allow_empty_directory: bool,
    /// Start although settings of the topics are unsafe: for development only
    #[arg(long)]
    allow_unsafe: bool,
}

/// Where a group without any commit begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    Latest,
    /// At the first record appended then or later.
    At(Timestamp),
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<()> {
    let loaded = common.load()?;
    logging::start(&loaded.config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        serve(loaded.config, arguments, stop).await
    })
}

/// The one call into the worker.
#[expect(clippy::unused_async, reason = "the worker is joined here")]
async fn serve(
    config: Config,
    arguments: &Arguments,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Arguments { first_start, allow_empty_directory, allow_unsafe } = arguments;
    tracing::debug!(?config, ?first_start, allow_empty_directory, allow_unsafe, "would start");
    drop(stop);
    anyhow::bail!("the worker is not part of this build")
}

fn first_start(text: &str) -> Result<FirstStart, TimestampError> {
    match text {
        "earliest" => Ok(FirstStart::Earliest),
        "latest" => Ok(FirstStart::Latest),
        time => Timestamp::parse(time).map(FirstStart::At),
    }
}
