//! How it goes: a live table on a terminal, plain lines otherwise.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use comfy_table::{Table, presets};
use hdrhistogram::Histogram;

use super::{book::Book, book::Standing, cast::Manner};

/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(3);

/// Draws on standard output.
pub struct Screen {
    live: bool,
    lines: usize,
    written: Option<Instant>,
}

impl Screen {
    /// What fits standard output.
    pub fn new() -> Self {
        Self { live: io::stdout().is_terminal(), lines: 0, written: None }
    }

    /// Renews the table, or writes a line when it is time for one.
    pub fn glance(&mut self, book: &Book) -> io::Result<()> {
        if self.live {
            return self.draw(book);
        }
        if self.written.is_some_and(|written| written.elapsed() < LINE) {
            return Ok(());
        }
        self.written = Some(Instant::now());
        let (mut delivered, mut waiting, mut dead) = (0, 0, 0);
        for (_, standing) in book.standings() {
            delivered += standing.delivered;
            waiting += standing.waiting;
            dead += standing.dead;
        }
        writeln!(io::stdout(), "delivered {delivered}, waiting {waiting}, dead {dead}")
    }

    /// The table, over the one before on a terminal.
    pub fn draw(&mut self, book: &Book) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["MERCHANTS", "DELIVERED", "WAITING", "DEAD", "P50", "P99"]);
        for (manner, standing) in book.standings() {
            table.add_row(row(manner, &standing));
        }
        let text = table.to_string();
        let mut out = io::stdout().lock();
        if self.live && self.lines > 0 {
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        self.lines = text.lines().count();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

fn row(manner: Manner, standing: &Standing) -> Vec<String> {
    let quantile = |of: f64| {
        let took = quantile(&standing.took, of);
        took.map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms"))
    };
    vec![
        manner.name().to_owned(),
        standing.delivered.to_string(),
        standing.waiting.to_string(),
        standing.dead.to_string(),
        quantile(0.5),
        quantile(0.99),
    ]
}

/// In milliseconds; none without a value.
fn quantile(took: &[Duration], of: f64) -> Option<u64> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000, 3).ok()?;
    for took in took {
        histogram.saturating_record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
    (!took.is_empty()).then(|| histogram.value_at_quantile(of))
}
