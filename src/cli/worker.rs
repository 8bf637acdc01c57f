//! `paynotify worker`.

use std::{sync::Arc, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Effective, Origin},
    kafka::position::FirstStart,
    shutdown,
    telemetry::{
        admin::{Admin, Sources},
        logging,
    },
    worker::{self, Shown, Stopped},
};

use super::Common;

/// How long calls that block may take when everything else has ended.
const LAST_CALLS: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// Where a group without any commit begins on topics that hold records
    #[arg(long, value_name = "earliest|latest|TIME")]
    first_start: Option<FirstStart>,
    /// Start although no merchant is known
    #[arg(long)]
    allow_empty_directory: bool,
    /// Start although topics are missing or unsafe: for development only
    #[arg(long)]
    allow_unsafe: bool,
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<()> {
    let loaded = common.load()?;
    logging::start(&loaded.config.log)?;
    #[cfg(feature = "fail-points")]
    loaded.config.testing.begin();
    for Effective { key, value, origin } in &loaded.effective {
        if *origin != Origin::Default {
            tracing::info!(key, value, from = %origin, "setting");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        // On a thread of the runtime the loop starts attempts without waking another thread.
        tokio::spawn(serve(loaded.config, arguments.clone(), stop)).await?
    });
    // A call into Kafka's client that hangs must not keep a worker that has to end.
    runtime.shutdown_timeout(LAST_CALLS);
    served
}

async fn serve(
    config: Config,
    arguments: Arguments,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (listen, grace) = (config.admin.listen, config.shutdown.grace);
    let settings = worker::Settings {
        first_start: arguments.first_start,
        allow_empty_directory: arguments.allow_empty_directory,
        allow_unsafe: arguments.allow_unsafe,
        embedded_broker: false,
        deadlines: worker::Deadlines::default(),
        worker: worker_name(),
        config,
    };
    let shown = Shown::new(&settings.config)?;
    let admin = Admin::bind(listen).await?;
    tracing::info!(address = %admin.address(), worker = settings.worker, "admin server");
    let sources = Sources {
        metrics: Arc::clone(&shown.metrics),
        health: Arc::clone(&shown.health),
        status: shown.status.subscribe(),
    };
    let closing = CancellationToken::new();
    let serving = tokio::spawn(admin.serve(sources, closing.clone()));
    let ended = match worker::start(settings, shown, &stop).await {
        Ok(worker) => worker.run(stop).await,
        Err(worker::Error::Stopped) => Ok(Stopped { cut: 0 }),
        Err(error) => Err(error),
    };
    closing.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), serving).await;
    let stopped = ended?;
    anyhow::ensure!(
        stopped.cut == 0,
        "{} running attempts were cut because shutdown.grace ({grace}) was over; they are repeated",
        stopped.cut
    );
    Ok(())
}

/// A name that tells replicas apart: host and process.
fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "worker" } else { host };
    format!("{host}-{}", std::process::id())
}
