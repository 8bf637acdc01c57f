//! What the broker gave → a record for the engine.

use std::sync::Arc;

use crate::{
    engine::{Content, Record},
    envelope::Envelope,
    event,
    kafka::{
        TopicNames,
        consumer::{Decode, RawRecord},
    },
    model::{Coordinates, Source},
};

/// Decodes records of these topics, whose events may have so many bytes.
pub fn decoder(topics: TopicNames, max_bytes: usize) -> Decode {
    Arc::new(move |raw| decode(&topics, max_bytes, raw))
}

/// Reads our headers where we wrote them, and only there: whoever may publish must not steer.
fn decode(topics: &TopicNames, max_bytes: usize, raw: RawRecord) -> Record {
    let origin = || Coordinates {
        topic: topics.of(raw.partition.source),
        partition: raw.partition.index,
        offset: raw.offset,
    };
    let (envelope, headers, broken) = match raw.partition.source {
        Source::Completions => {
            (Envelope::fresh(raw.appended, origin()), event::strip_ours(raw.headers), None)
        }
        Source::Grade(_) => match Envelope::read(raw.headers) {
            Ok((envelope, headers)) => (envelope, headers, None),
            Err(error) => (Envelope::fresh(raw.appended, origin()), Vec::new(), Some(error)),
        },
    };
    let event = if let Some(error) = broken {
        Err(event::Undecodable::NoEvent(error.to_string()))
    } else {
        let (key, value) = (raw.key.as_deref(), raw.value.as_ref());
        event::decode_within(max_bytes, key, value, &headers, raw.appended).map(Arc::new)
    };
    let content = Arc::new(Content { key: raw.key, value: raw.value, headers });
    Record {
        partition: raw.partition,
        offset: raw.offset,
        appended: raw.appended,
        content,
        envelope,
        event,
    }
}
