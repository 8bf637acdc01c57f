//! `paynotify config check | show | default`.

use std::io::{self, Write as _};

use clap::Subcommand;
use serde_json::json;

use crate::config::{DEFAULT_TEXT, Effective, Origin};

use super::{
    Common,
    output::{self, Format, Output},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check file, environment and flags; exit status 2 names every mistake
    Check,
    /// Print every effective value, secrets redacted, and where it came from
    Show(Output),
    /// Print the commented default configuration
    Default,
}

pub(super) fn run(command: &Command, common: &Common) -> anyhow::Result<()> {
    match command {
        Command::Check => {
            let loaded = common.load()?;
            let set = loaded.effective.iter().filter(|value| value.origin != Origin::Default);
            output::line_of(&format!("configuration is valid: {} keys set", set.count()))?;
        }
        Command::Show(output) => show(&common.load()?.effective, output.format())?,
        Command::Default => io::stdout().lock().write_all(DEFAULT_TEXT.as_bytes())?,
    }
    Ok(())
}

fn show(effective: &[Effective], format: Format) -> io::Result<()> {
    if format == Format::Table {
        let rows = effective.iter().map(|effective| {
            let value = effective.value.clone().unwrap_or_else(|| "(not set)".to_owned());
            vec![effective.key.clone(), value, effective.origin.to_string()]
        });
        return output::table(&["KEY", "VALUE", "FROM"], rows);
    }
    for Effective { key, value, origin } in effective {
        let value = value.as_deref().and_then(json_of);
        output::json(&json!({ "key": key, "value": value, "from": origin.to_string() }))?;
    }
    Ok(())
}

/// A TOML value as JSON.
fn json_of(value: &str) -> Option<serde_json::Value> {
    let value = value.parse::<toml::Value>().ok()?;
    serde_json::to_value(value).ok()
}
