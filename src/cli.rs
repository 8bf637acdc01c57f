//! The command line: one file per subcommand, and one way to end.
//!
//! Exit status: 0 done, 1 failed, 2 usage or configuration (`contract`, section 7).

mod completions;
mod config;
mod demo;
mod dlq;
mod merchants;
mod output;
mod publish;
mod text;
mod time;
mod topics;
mod worker;
mod writer;

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::{Error as ConfigError, Inputs, Loaded};

/// Tells merchants about completed payments over HTTP, with Kafka as the only store.
#[derive(Debug, Parser)]
#[command(name = "paynotify", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
struct Common {
    /// Configuration file (TOML); `-` is standard input [default: paynotify.toml, if present]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key over file and environment, such as kafka.group=blue; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deliver events as a member of the consumer group, until SIGTERM or SIGINT
    Worker(worker::Arguments),
    /// Show everything at work: broker, merchants, publisher and worker in one process
    Demo(demo::Arguments),
    /// Create the topics, or check their settings
    #[command(subcommand)]
    Topics(topics::Command),
    /// Write events to the completions topic, validated first
    Publish(publish::Arguments),
    /// See and edit the directory of merchants
    #[command(subcommand)]
    Merchants(merchants::Command),
    /// See and replay dead letters
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Print a completion script
    Completions(completions::Arguments),
}

/// A wrong use of a command that the parser of arguments cannot see; exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // `paynotify … | head` has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            for line in text_of(&error).lines() {
                eprintln!("paynotify: {}", text::escape(line));
            }
            let usage = error.is::<ConfigError>() || error.is::<Usage>();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Worker(arguments) => worker::run(&arguments, &cli.common),
        Command::Demo(arguments) => demo::run(&arguments, &cli.common),
        Command::Topics(command) => topics::run(&command, &cli.common),
        Command::Publish(arguments) => publish::run(&arguments, &cli.common),
        Command::Merchants(command) => merchants::run(&command, &cli.common),
        Command::Dlq(command) => dlq::run(&command, &cli.common),
        Command::Config(command) => config::run(&command, &cli.common),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

impl Common {
    /// Reads the configuration that these flags name.
    fn load(&self) -> Result<Loaded, ConfigError> {
        Inputs::of_process(self.config.as_deref(), self.set.clone())?.load()
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        // The text may hold a secret: it is not repeated.
        _ => Err("write KEY=VALUE, such as kafka.group=blue".to_owned()),
    }
}

/// The error and its causes, but no cause that was told already.
fn text_of(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}
