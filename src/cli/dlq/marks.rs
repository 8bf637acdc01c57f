//! The marks topic: which dead letters were replayed or discarded.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use crate::{
    config::Config,
    kafka::{Error, TopicNames, reader},
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
pub(super) fn read(config: &Config) -> Result<HashMap<Coordinates, String>, Error> {
    let mut marks = HashMap::new();
    reader::scan(&config.kafka.client_settings(), &topic(config), |read| {
        let key = read.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let Some(at) = key.and_then(|key| Coordinates::parse(key).ok()) else {
            return Ok::<_, Error>(());
        };
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
