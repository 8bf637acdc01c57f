//! `paynotify dlq list | show | replay`.

mod filter;
mod letter;
mod marks;
mod replay;

use clap::{Args, Subcommand};

use crate::{
    config::Config,
    kafka::{TopicNames, reader},
    model::Coordinates,
};

use super::{
    Common,
    output::{self, Format, Output},
    text,
};

use filter::Filter;
use letter::Letter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters
    List(List),
    /// Print one dead letter
    Show(Show),
    /// Deliver dead letters anew: each once, for its one endpoint
    Replay(replay::Arguments),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Show the value too: it is what the merchant would have received
    #[arg(long)]
    with_payload: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Where it is: topic/partition/offset, as list prints it
    #[arg(value_parser = Coordinates::parse)]
    letter: Coordinates,
    /// Show the value too: it is what the merchant would have received
    #[arg(long)]
    with_payload: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    let config = common.load()?.config;
    let topic = TopicNames::new(&config.topics.prefix).dead_letters();
    match command {
        Command::List(arguments) => list(arguments, &config, &topic)?,
        Command::Show(Show { letter, with_payload, output }) => {
            anyhow::ensure!(
                *letter.topic == *topic,
                "{letter} is not on {topic}; `paynotify dlq list` prints where dead letters are"
            );
            let read = reader::one(&config.kafka.client_settings(), letter)?;
            let read =
                read.ok_or_else(|| anyhow::anyhow!("there is no dead letter at {letter}"))?;
            let marks = marks::read(&config)?;
            let state = marks.get(letter).map(String::as_str);
            let record = Letter::read(read).json(state, *with_payload);
            if output.format() == Format::Json {
                output::json(&record)?;
            } else if let Some(fields) = record.as_object() {
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    let value = value.as_str().map_or_else(|| value.to_string(), text::escape);
                    output::line_of(&format!("{name:>16}  {value}"))?;
                }
            }
        }
        Command::Replay(arguments) => replay::run(arguments, &config, &topic)?,
    }
    Ok(())
}

/// Rows of a table that are laid out together; a longer list begins the next table.
const PAGE: usize = 500;

fn list(arguments: &List, config: &Config, topic: &str) -> anyhow::Result<()> {
    let List { filter, with_payload, output } = arguments;
    let header: Vec<_> =
        letter::HEADER.into_iter().chain(with_payload.then_some("PAYLOAD")).collect();
    let marks = marks::read(config)?;
    let table = output.format() == Format::Table;
    let mut rows = Vec::new();
    reader::scan(&config.kafka.client_settings(), topic, |read| {
        let letter = Letter::read(read);
        if !filter.matches(&letter) {
            return anyhow::Ok(());
        }
        let state = marks.get(&letter.at).map(String::as_str);
        if !table {
            output::json(&letter.json(state, *with_payload))?;
            return Ok(());
        }
        rows.push(letter.row(state, *with_payload));
        if rows.len() >= PAGE {
            output::table(&header, rows.drain(..))?;
        }
        Ok(())
    })?;
    if table {
        output::table(&header, rows)?;
    }
    Ok(())
}
