//! The marks topic: which dead letters were replayed or discarded.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::kafka::scan,
    config::Config,
    kafka::TopicNames,
    model::{Coordinates, Timestamp},
};

/// A mark, as far as this version needs it.
#[derive(Deserialize)]
struct Mark {
    state: String,
}

/// Name of the topic.
pub(super) fn topic(config: &Config) -> String {
    TopicNames::new(&config.topics.prefix).marks()
}

/// State of every marked dead letter.
pub(super) fn read(config: &Config) -> anyhow::Result<HashMap<Coordinates, String>> {
    let mut marks = HashMap::new();
    scan(config, &topic(config), |read| {
        let key = read.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let Some(at) = key.and_then(|key| Coordinates::parse(key).ok()) else { return Ok(()) };
        match read.value {
            None => marks.remove(&at),
            // An unreadable mark of a newer version still marks.
            Some(value) => {
                let mark = serde_json::from_slice::<Mark>(&value);
                marks.insert(at, mark.map_or_else(|_| "marked".to_owned(), |mark| mark.state))
            }
        };
        Ok(())
    })?;
    Ok(marks)
}

/// The value of a mark.
pub(super) fn replayed(at: Timestamp, run: &str) -> Vec<u8> {
    json!({ "format": 1, "state": "replayed", "at": at, "run": run }).to_string().into_bytes()
}
