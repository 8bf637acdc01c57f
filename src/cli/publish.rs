//! `paynotify publish [FILE…]`.

use std::path::PathBuf;

use clap::Args;

use super::Common;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON Lines files, one event a line; `-` or none is standard input
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<()> {
    let _config = common.load()?.config;
    let _ = &arguments.files;
    anyhow::bail!("publish is not part of this build")
}
