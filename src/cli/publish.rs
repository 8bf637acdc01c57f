//! `paynotify publish [FILE…]`: events into the completions topic.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::PathBuf,
};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use serde::Deserialize;

use crate::{
    config::Config,
    event,
    kafka::{producer::Outgoing, reader},
    schema,
};

use super::{Common, text, time, writer::Writer};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON Lines files, one event a line; `-` or none is standard input
    files: Vec<PathBuf>,
}

/// One run: what was written and what was not.
struct Run<'a> {
    config: &'a Config,
    writer: Writer<Line>,
    sent: u64,
    refused: u64,
}

/// Where an event was written down.
#[derive(Debug, Clone)]
struct Line {
    file: String,
    number: u64,
}

/// As much of an event as its key needs.
#[derive(Deserialize)]
struct Keyed {
    merchant_id: String,
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<()> {
    let config = common.load()?.config;
    reader::require(&config.kafka.client_settings(), &config.topics.prefix)?;
    let writer = Writer::new(&config)?;
    let mut run = Run { config: &config, writer, sent: 0, refused: 0 };
    if arguments.files.is_empty() {
        run.read("<stdin>", io::stdin().lock())?;
    }
    for file in &arguments.files {
        if file.as_os_str() == "-" {
            run.read("<stdin>", io::stdin().lock())?;
        } else {
            let name = file.display().to_string();
            let open = File::open(file).with_context(|| format!("cannot open {name}"))?;
            run.read(&name, BufReader::new(open))?;
        }
    }
    run.writer.finish();
    run.count();
    eprintln!("published {}, refused {}", run.sent, run.refused);
    anyhow::ensure!(run.refused == 0, "{} lines were not published, see above", run.refused);
    Ok(())
}

impl Run<'_> {
    fn read(&mut self, file: &str, mut lines: impl BufRead) -> anyhow::Result<()> {
        // A line that is longer than any event need not be held to be refused.
        let longest = self.config.events.max_bytes.as_bytes().saturating_add(2);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let at = Line { file: file.to_owned(), number };
            let bytes = (&mut lines).take(longest).read_until(b'\n', &mut line);
            if bytes.with_context(|| format!("cannot read {file}"))? == 0 {
                break;
            }
            if line.last() != Some(&b'\n') && line.len() as u64 >= longest {
                let limit = self.config.events.max_bytes;
                self.refuse(&at, &format!("longer than events.max_bytes, {limit}"));
                lines.skip_until(b'\n')?;
                continue;
            }
            let event = line.trim_ascii();
            if !event.is_empty() {
                self.publish(at, &Bytes::copy_from_slice(event));
            }
            self.count();
        }
        Ok(())
    }

    /// Validates one event as a worker would, then sends it.
    fn publish(&mut self, at: Line, value: &Bytes) {
        let keyed = serde_json::from_slice::<Keyed>(value);
        let key = keyed.as_ref().map_or("", |keyed| &keyed.merchant_id);
        let limit = usize::try_from(self.config.events.max_bytes.as_bytes()).unwrap_or(usize::MAX);
        let decoded =
            event::decode_within(limit, Some(key.as_bytes()), Some(value), &[], time::now());
        // The types first: their messages say more. The schema finds what only others would miss.
        let checked = decoded.map_err(|error| error.to_string());
        if let Err(why) = checked.and_then(|_| schema::event().check(value)) {
            self.refuse(&at, &why);
            return;
        }
        self.writer.send(&Outgoing {
            token: at,
            topic: &self.config.topics.prefix,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: Vec::new(),
        });
    }

    /// Counts what the broker has answered.
    fn count(&mut self) {
        for outcome in self.writer.take() {
            match outcome.result {
                Ok(_) => self.sent += 1,
                Err(error) => self.refuse(&outcome.token, &format!("Kafka: {error}")),
            }
        }
    }

    fn refuse(&mut self, at: &Line, why: &str) {
        self.refused += 1;
        eprintln!("{}:{}: refused: {}", text::escape(&at.file), at.number, text::escape(why));
    }
}
