//! `testing.…`, in builds for tests alone: where a worker ends, and how wrong its clock is.

use std::collections::BTreeMap;

use crate::{clock, fail_point, fail_point::Point, model::Span};

use super::reader::Reader;

const SECTION: &str = "testing.";

/// What a test does to a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Testing {
    /// `testing.fail_at = "acknowledged:3"`: the process ends there the third time.
    pub fail_at: Option<(Point, u32)>,
    /// `testing.clock_shift = "-1h"`: how far its wall clock is ahead, in milliseconds.
    pub clock_shift: i64,
}

impl Testing {
    /// Lets it happen in this process.
    pub fn begin(&self) {
        clock::shift_wall(self.clock_shift);
        if let Some((point, times)) = self.fail_at {
            fail_point::arm(point, times);
        }
    }

    pub(super) fn read(&mut self, reader: &mut Reader) {
        let mut given = BTreeMap::new();
        reader.read_map(SECTION, &mut given, |_, value| value.to_owned());
        for (key, value) in &given {
            let known = match key.as_str() {
                "fail_at" => point(value).map(|found| self.fail_at = Some(found)),
                "clock_shift" => shift(value).map(|found| self.clock_shift = found),
                _ => None,
            };
            if known.is_none() {
                let what = format!("{value:?} is nothing that a test does");
                reader.refuse(&format!("{SECTION}{key}"), what, "see src/config/testing.rs");
            }
        }
    }
}

fn point(text: &str) -> Option<(Point, u32)> {
    let (name, times) = text.split_once(':')?;
    let (point, _) = Point::ALL.into_iter().find(|(_, found)| *found == name)?;
    Some((point, times.parse().ok()?))
}

fn shift(text: &str) -> Option<i64> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let millis = Span::parse(span).ok()?.as_millis();
    Some(sign * i64::try_from(millis).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_has_its_name_and_how_often_it_is_passed() {
        assert_eq!(point("route-sent:12"), Some((Point::RouteSent, 12)));
        assert_eq!(point("route-sent"), None);
        assert_eq!(point("nowhere:1"), None);
    }

    #[test]
    fn a_clock_is_ahead_or_behind() {
        assert_eq!(shift("-1h"), Some(-3_600_000));
        assert_eq!(shift("30s"), Some(30_000));
        assert_eq!(shift("late"), None);
    }
}
