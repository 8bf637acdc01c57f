//! `paynotify demo`.

use std::io::IsTerminal as _;

use clap::Args;

use super::Common;
use crate::{
    config::{Log, Origin},
    demo, shutdown,
    telemetry::logging,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run on a real cluster, under a random prefix that is deleted at the end
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<()> {
    let loaded = common.load()?;
    let asked = |setting: &crate::config::Effective| {
        setting.key == "log.filter" && setting.origin != Origin::Default
    };
    let mut log = loaded.config.log;
    if !loaded.effective.iter().any(asked) {
        // Lines between its rows would break the live table.
        let quiet = if std::io::stdout().is_terminal() { "error" } else { "warn" };
        log = Log { filter: quiet.to_owned(), ..log };
    }
    logging::start(&log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        Ok(demo::run(arguments.kafka.clone(), stop).await?)
    })
}
