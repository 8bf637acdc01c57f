//! `paynotify demo`.

use clap::Args;

use super::Common;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run on a real cluster, under a random prefix that is deleted at the end
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
}

pub(super) fn run(arguments: &Arguments, _common: &Common) -> anyhow::Result<()> {
    let _kafka = arguments.kafka.as_deref();
    // Call site: demo::run(kafka).await
    anyhow::bail!("the demo is not part of this build")
}
