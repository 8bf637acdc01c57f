//! What is wrong with a value, and where; and the checks that every part needs.

use super::super::Error;
use crate::model::{MerchantId, Span};

/// An error still on its way up to the root of the entry.
#[derive(Debug)]
pub(in super::super) struct Problem {
    path: String,
    what: String,
    remedy: String,
}

/// A value, or what is wrong with it.
pub(in super::super) type Checked<T> = Result<T, Problem>;

impl Problem {
    pub(in super::super) fn new(path: &str, what: impl Into<String>, remedy: &str) -> Self {
        Self { path: path.to_owned(), what: what.into(), remedy: remedy.to_owned() }
    }

    pub(in super::super) fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }

    pub(in super::super) fn into_error(self, merchant: Option<MerchantId>) -> Error {
        Error { merchant, ..Error::new(&self.path, self.what, &self.remedy) }
    }
}

pub(super) fn at_most(path: &str, found: usize, most: usize) -> Checked<()> {
    if found <= most {
        return Ok(());
    }
    let what = format!("has {found} items, but at most {most} are allowed");
    Err(Problem::new(path, what, "leave some out"))
}

pub(super) fn within(path: &str, found: Span, least: Span, most: Span) -> Checked<()> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let what = format!("is {found}, but must be from {least} to {most}");
    Err(Problem::new(path, what, "correct it"))
}

pub(super) fn each<T>(
    path: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Checked<Vec<T>> {
    let parse = |(at, text): (usize, &String)| {
        parse(text).map_err(|what| Problem::new(&format!("{path}[{at}]"), what, "correct it"))
    };
    texts.iter().enumerate().map(parse).collect()
}
