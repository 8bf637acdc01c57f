//! `paynotify merchants list | show | put | delete`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::model::MerchantId;

use super::{Common, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List every merchant with its endpoints
    List(Output),
    /// Print one merchant's entry, secrets redacted
    Show(One),
    /// Write entries: one JSON object, or JSON Lines
    Put {
        /// File with the entries; `-` is standard input
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    /// Delete a merchant's entry
    Delete {
        /// Which merchant
        #[arg(value_parser = MerchantId::parse)]
        merchant: MerchantId,
    },
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Which merchant
    #[arg(value_parser = MerchantId::parse)]
    merchant: MerchantId,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    let _config = common.load()?.config;
    match command {
        Command::List(output) => {
            let _ = output.format();
        }
        Command::Show(one) => {
            let _ = (&one.merchant, one.output.format());
        }
        Command::Put { file } => {
            let _ = file;
        }
        Command::Delete { merchant } => {
            let _ = merchant;
        }
    }
    anyhow::bail!("merchants is not part of this build")
}
