//! `paynotify dlq replay`: dead letters back to the smallest grade, each once (`design`,
//! decision 13).

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    cli::{Usage, text, time, writer::Writer},
    config::Config,
    envelope::Envelope,
    kafka::{Error, TopicNames, producer::Outgoing, reader},
    model::{Coordinates, Header},
};

use super::{Filter, Letter, marks};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// Replay every dead letter that has an endpoint
    #[arg(long)]
    all: bool,
    /// Dead letters a second at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
}

/// What was sent: a dead letter, or the mark that says so.
#[derive(Debug, Clone)]
enum Sent {
    Letter(Coordinates),
    Mark(Coordinates),
}

struct Replay<'a> {
    config: &'a Config,
    writer: Writer<Sent>,
    marks: HashMap<Coordinates, String>,
    grade: String,
    run: String,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    replayed: u64,
    marked_before: u64,
    refused: u64,
}

pub(super) fn run(arguments: &Arguments, config: &Config, topic: &str) -> anyhow::Result<()> {
    if arguments.filter.is_empty() && !arguments.all {
        let message =
            "dlq replay: no filter given; say which, such as --reason exhausted, or --all";
        return Err(Usage(message.to_owned()).into());
    }
    let grade = TopicNames::new(&config.topics.prefix).grade(config.topics.grades.smallest());
    let clients = config.kafka.client_settings();
    reader::require(&clients, &grade)?;
    let mut replay = Replay {
        config,
        writer: Writer::new(config)?,
        marks: marks::read(config)?,
        grade,
        run: format!("replay-{}-{}", time::now(), std::process::id()),
        counts: Counts::default(),
    };
    let mut pace = Pace { next: Instant::now(), step: Duration::from_secs(1) / arguments.rate };
    reader::scan(&clients, topic, |read| {
        let letter = Letter::read(read);
        if arguments.filter.matches(&letter) && replay.send(&letter) {
            pace.wait();
        }
        replay.settle();
        Ok::<_, Error>(())
    })?;
    // The second wait is for the marks of what the first brought.
    for _ in 0..2 {
        replay.writer.finish();
        replay.settle();
    }
    let Counts { replayed, marked_before, refused } = replay.counts;
    eprintln!("replayed {replayed}, skipped {marked_before} marked before, refused {refused}");
    anyhow::ensure!(refused == 0, "{refused} dead letters were not replayed, see above");
    Ok(())
}

impl Replay<'_> {
    /// Sends one dead letter to the ladder; whether it did.
    fn send(&mut self, letter: &Letter) -> bool {
        if self.marks.contains_key(&letter.at) {
            self.counts.marked_before += 1;
            return false;
        }
        let headers = match headers(letter) {
            Ok(headers) => headers,
            Err(why) => {
                self.refuse(&letter.at, &why);
                return false;
            }
        };
        self.writer.send(&Outgoing {
            token: Sent::Letter(letter.at.clone()),
            topic: &self.grade,
            partition: Some(letter.at.partition),
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers,
        });
        true
    }

    /// Marks what the broker has acknowledged; a crash before the mark repeats, never skips.
    fn settle(&mut self) {
        for outcome in self.writer.take() {
            match (outcome.token, outcome.result) {
                (Sent::Letter(at), Ok(_)) => {
                    let key = at.to_string();
                    let value = marks::replayed(time::now(), &self.run);
                    self.writer.send(&Outgoing {
                        token: Sent::Mark(at),
                        topic: &marks::topic(self.config),
                        partition: None,
                        key: Some(key.as_bytes()),
                        value: Some(&value),
                        headers: Vec::new(),
                    });
                    self.counts.replayed += 1;
                    self.progress();
                }
                (Sent::Mark(_), Ok(_)) => {}
                (Sent::Letter(at), Err(error)) => self.refuse(&at, &format!("Kafka: {error}")),
                (Sent::Mark(at), Err(error)) => {
                    let why = format!("replayed, but the mark failed ({error}): do not repeat it");
                    self.refuse(&at, &why);
                }
            }
        }
    }

    fn refuse(&mut self, at: &Coordinates, why: &str) {
        self.counts.refused += 1;
        eprintln!("{at}: refused: {}", text::escape(why));
    }

    fn progress(&self) {
        if self.counts.replayed.is_multiple_of(100) && io::stderr().is_terminal() {
            eprintln!("replayed {} …", self.counts.replayed);
        }
    }
}

/// Headers of the replayed record: the publisher's, then ours as of an event just accepted.
fn headers(letter: &Letter) -> Result<Vec<Header>, String> {
    let view = letter.view.as_ref().map_err(|error| format!("its headers are broken: {error}"))?;
    let Some(endpoint) = view.envelope.endpoint.clone() else {
        return Err(format!(
            "{}: it has no endpoint; the publisher must put it right and publish it anew",
            view.reason
        ));
    };
    if view.truncated || letter.value.is_none() {
        let origin = &view.envelope.origin;
        return Err(format!("its value is only at {origin}; publish that record anew"));
    }
    let mut envelope = Envelope::fresh(time::now(), view.envelope.origin.clone());
    envelope.endpoint = Some(endpoint);
    envelope.replay = Some(letter.at.clone());
    envelope.unknown.clone_from(&view.envelope.unknown);
    Ok(view.headers.iter().cloned().chain(envelope.write()).collect())
}

/// Keeps to a rate.
struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    #[expect(clippy::disallowed_methods, reason = "a short command that has nothing else to do")]
    fn wait(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = self.next.max(Instant::now()) + self.step;
    }
}
