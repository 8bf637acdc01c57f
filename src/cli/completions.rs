//! `paynotify completions SHELL`.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which shell the script is for
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Written at once: the generator itself panics when nobody reads.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "paynotify", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}
