//! What happened, line by line, for people and to compare two runs; costs nothing unless wanted.

use paynotify::model::Timestamp;

/// The lines of a world's story.
#[derive(Debug, Default)]
pub struct Story {
    /// Whether anybody wants to read it.
    pub wanted: bool,
    /// One line for each thing that happened.
    pub lines: Vec<String>,
}

impl Story {
    /// Adds a line.
    pub fn tell(&mut self, now: Timestamp, start: Timestamp, line: &str) {
        let since = now.since(start).as_millis();
        self.lines.push(format!("{:>8}.{:03}  {line}", since / 1_000, since % 1_000));
    }
}

/// Tells a line of a world's story, if anybody wants it.
macro_rules! tell {
    ($world:expr, $($line:tt)*) => {
        if $world.story.wanted {
            let line = format!($($line)*);
            $world.story.tell($world.now, $crate::world::START, &line);
        }
    };
}
pub(crate) use tell;
