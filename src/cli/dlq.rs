//! `paynotify dlq list | show | replay`.

use clap::Subcommand;

use crate::model::Coordinates;

use super::{Common, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters
    List(Output),
    /// Print one dead letter
    Show {
        /// Where it is: topic/partition/offset
        #[arg(value_parser = Coordinates::parse)]
        letter: Coordinates,
    },
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    let _config = common.load()?.config;
    match command {
        Command::List(output) => {
            let _ = output.format();
        }
        Command::Show { letter } => {
            let _ = letter;
        }
    }
    anyhow::bail!("dlq is not part of this build")
}
