//! Records to standard output: tables for people, JSON Lines for programs.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};

use super::text;

/// The flag of every command that prints records.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Form of the output [default: table on a terminal, json otherwise]
    #[arg(long, value_enum)]
    output: Option<Format>,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people
    Table,
    /// JSON Lines: one record a line
    Json,
}

impl Output {
    /// What was asked for, or what fits standard output.
    pub(super) fn format(&self) -> Format {
        let fits = if io::stdout().is_terminal() { Format::Table } else { Format::Json };
        self.output.unwrap_or(fits)
    }
}

/// Prints a table; its cells are made safe.
pub(super) fn table(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| text::escape(cell)));
    }
    for line in table.lines() {
        line_of(line.trim_end())?;
    }
    Ok(())
}

/// Prints one record as a line of JSON, which escapes control characters by itself.
pub(super) fn json(record: &serde_json::Value) -> io::Result<()> {
    line_of(&record.to_string())
}

/// Prints a line that is safe already.
pub(super) fn line_of(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
