//! `paynotify merchants list | show | put | enable | disable | rotate-secret | rewrap | ping | delete`:
//! the directory, on its topic or in `directory.file`.

mod converge;
mod ping;
mod rewrap;
mod rotate;
mod state;
mod store;

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    merchant::directory::{self, Entry, Rules, parse_entry, redacted, seal_entry},
    model::{MerchantId, Revision, State},
    schema,
};

use super::{
    Common, Usage,
    output::{self, Format, Output},
    text,
};

use rotate::Rotate;
use store::{Store, Stored};

/// Bytes that one `put` reads at most.
const MAX_INPUT_BYTES: u64 = 256 << 20;

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
        /// Write the one entry only over this revision, which `list` and `show` tell; 0 where there
        /// must be none yet
        #[arg(long, value_name = "N")]
        revision: Option<Revision>,
    },
    /// Let an endpoint sign with a new key, and for a while with those before it
    RotateSecret(Rotate),
    /// Seal every secret by the current key: those in the clear, and those of other keys
    Rewrap,
    /// Set a merchant or an endpoint to be sent to; lifts what workers disabled of it
    Enable(state::Which),
    /// Set a merchant or an endpoint not to be sent to: its events become dead letters
    Disable(state::Which),
    /// Send a signed test event to a merchant's endpoints, to each at most once a second
    Ping(ping::Ping),
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
    let config = common.load()?.config;
    let store = Store::new(&config);
    match command {
        Command::List(output) => list(&store, output.format()),
        Command::Show(One { merchant, output }) => show(&store, merchant, output.format()),
        Command::RotateSecret(command) => rotate::rotate(&store, &config.rules()?, command),
        Command::Rewrap => rewrap::run(&store, &config.rules()?),
        Command::Put { file, revision } => put(&store, &config.rules()?, file, *revision),
        Command::Enable(which) => state::set(&store, &config.rules()?, which, State::Active),
        Command::Disable(which) => state::set(&store, &config.rules()?, which, State::Disabled),
        Command::Ping(command) => ping::ping(&store, &config, command),
        Command::Delete { merchant } => {
            anyhow::ensure!(store.delete(merchant)?, "there is no merchant {merchant}");
            eprintln!("deleted {merchant}");
            Ok(())
        }
    }
}

fn list(store: &Store<'_>, format: Format) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (merchant, Stored { entry, revision }) in store.entries()? {
        match (Entry::parse(&entry), format) {
            (Ok(entry), Format::Json) => output::json(&shown(&entry, revision))?,
            (Ok(entry), Format::Table) => rows.push(row(&merchant, &entry, revision)),
            (Err(error), _) => eprintln!("{}", text::escape(&format!("unreadable: {error}"))),
        }
    }
    if format == Format::Table {
        output::table(&["MERCHANT", "REVISION", "NAME", "STATE", "ENDPOINTS"], rows)?;
    }
    Ok(())
}

/// The entry as JSON for people, with its revision.
fn shown(entry: &Entry, revision: Revision) -> Value {
    let mut shown = redacted(entry);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("revision".to_owned(), json!(revision));
    }
    shown
}

fn row(merchant: &MerchantId, entry: &Entry, revision: Revision) -> Vec<String> {
    let shown = redacted(entry);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let endpoints = shown["endpoints"].as_array().into_iter().flatten().map(|endpoint| {
        let host = endpoint["url"].as_str().and_then(|url| url::Url::parse(url).ok());
        let host = host.as_ref().and_then(url::Url::host_str).unwrap_or("-");
        format!("{} ({host})", text(&endpoint["id"]))
    });
    let endpoints = endpoints.collect::<Vec<_>>().join(", ");
    vec![
        merchant.to_string(),
        revision.to_string(),
        text(&shown["name"]),
        text(&shown["state"]),
        endpoints,
    ]
}

fn show(store: &Store<'_>, merchant: &MerchantId, format: Format) -> anyhow::Result<()> {
    let entry = store.entries()?.remove(merchant);
    let Stored { entry, revision } =
        entry.with_context(|| format!("there is no merchant {merchant}"))?;
    let entry = shown(&Entry::parse(&entry)?, revision);
    match format {
        Format::Json => output::json(&entry)?,
        Format::Table => {
            for line in serde_json::to_string_pretty(&entry)?.lines() {
                output::line_of(&text::escape(line))?;
            }
        }
    }
    Ok(())
}

/// Writes each good entry; a bad one is refused alone, with its line.
fn put(
    store: &Store<'_>,
    rules: &Rules,
    file: &Path,
    revision: Option<Revision>,
) -> anyhow::Result<()> {
    let (name, input) = read(file)?;
    let (mut good, mut refused) = (Vec::new(), 0_u64);
    let entries = entries(&input);
    if revision.is_some() && entries.len() != 1 {
        let message = format!(
            "merchants put: --revision is of one entry, but {name} has {}; put one at a time",
            entries.len()
        );
        return Err(Usage(message).into());
    }
    for (line, entry) in entries {
        // The types first: their messages say more. The schema finds what only others would miss.
        let checked = parse_entry(entry, rules).map_err(|error| error.to_string());
        let checked =
            checked.and_then(|merchant| schema::merchant().check(entry).map(|()| merchant));
        match checked {
            Ok(merchant) => match stored(entry, rules) {
                Ok(entry) => good.push((merchant.id, entry)),
                Err(error) => {
                    refused += 1;
                    eprintln!("{}", text::escape(&format!("{name}:{line}: refused: {error}")));
                }
            },
            Err(error) => {
                refused += 1;
                eprintln!("{}", text::escape(&format!("{name}:{line}: refused: {error}")));
            }
        }
    }
    let written = match (revision, good.as_slice()) {
        (Some(expected), [(merchant, entry)]) => {
            let revision = store.put_over(merchant, entry, rules, expected)?;
            eprintln!("{merchant} is at revision {revision}");
            1
        }
        _ => store.put(&good, rules)?,
    };
    eprintln!("put {written}, refused {refused}");
    anyhow::ensure!(refused == 0, "{refused} entries were refused, see above");
    Ok(())
}

/// The form in which an entry is kept: sealed where there are keys.
fn stored<'e>(entry: &'e [u8], rules: &Rules) -> Result<Cow<'e, [u8]>, directory::Error> {
    let sealed = rules.vault.as_ref().map(|vault| seal_entry(entry, vault)).transpose()?.flatten();
    Ok(sealed.map_or(Cow::Borrowed(entry), Cow::Owned))
}

fn read(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut input = Vec::new();
    let name = if file.as_os_str() == "-" {
        io::stdin().lock().take(MAX_INPUT_BYTES).read_to_end(&mut input)?;
        "<stdin>".to_owned()
    } else {
        let name = file.display().to_string();
        let open = File::open(file).with_context(|| format!("cannot open {name}"))?;
        open.take(MAX_INPUT_BYTES).read_to_end(&mut input)?;
        name
    };
    let full = input.len() as u64 >= MAX_INPUT_BYTES;
    anyhow::ensure!(!full, "{name}: longer than 256 MiB; split it");
    Ok((name, input))
}

/// One JSON value over any number of lines, or one a line; with line numbers from 1.
fn entries(input: &[u8]) -> Vec<(usize, &[u8])> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(input).is_ok() {
        return vec![(1, input.trim_ascii())];
    }
    let lines = input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty()).collect()
}
