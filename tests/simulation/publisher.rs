//! Who publishes events, and what is published that is none.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use paynotify::{
    engine::Content,
    event::Undecodable,
    model::{Event, EventId, EventType, Offset, Partition, Source},
};

use super::{
    directory::{ENDPOINTS, KINDS, merchant_id},
    ledger::Truth,
    story::tell,
    world::World,
};

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Event,
    Large,
    NoEvent,
    Invalid,
    Tombstone,
}

impl World {
    /// A record of somebody is published.
    pub fn publish_one(&mut self, kind: Kind) {
        let merchant = self.dice.events.index(self.plan.merchants);
        self.publish_of(merchant, kind);
    }

    /// A record of this merchant is published.
    pub fn publish_of(&mut self, merchant: usize, kind: Kind) {
        let dice = &mut self.dice.events;
        let no = self.ledger.events.len();
        let size = if kind == Kind::Large { 3_000 } else { dice.pick(&[2, 2, 100, 900]) };
        let body = Bytes::from(format!("{no}:{}", "x".repeat(size)));
        let host = dice.one_in(12).then(|| {
            // Every third names a host that is not allowed.
            if dice.one_in(3) { "elsewhere".to_owned() } else { format!("n{merchant}") }
        });
        let event_type = EventType::parse(dice.pick(&KINDS)).unwrap();
        let event = match kind {
            Kind::Event | Kind::Large => Ok(Arc::new(Event {
                id: EventId::parse(&format!("evt_{no}")).unwrap(),
                kind: event_type,
                happened: self.now,
                merchant: merchant_id(merchant),
                resource: None,
                notify_url: host.map(|host| format!("https://{host}.example/{no}")),
                body: body.clone(),
            })),
            Kind::NoEvent => Err(Undecodable::NoEvent("not JSON".to_owned())),
            Kind::Invalid => Err(Undecodable::Invalid("no id".to_owned())),
            Kind::Tombstone => Err(Undecodable::NoEvent("a tombstone".to_owned())),
        };
        match kind {
            Kind::Event | Kind::Large => {}
            Kind::NoEvent => self.coverage.saw("poison", "undecodable"),
            Kind::Invalid => self.coverage.saw("poison", "invalid"),
            Kind::Tombstone => self.coverage.saw("poison", "tombstone"),
        }
        let headers = if self.dice.events.one_in(3) {
            vec![("traceparent".to_owned(), Bytes::from_static(b"00-1-2-01"))]
        } else {
            Vec::new()
        };
        let content = Arc::new(Content {
            key: Some(Bytes::from(format!("m{merchant}"))),
            value: (kind != Kind::Tombstone).then_some(body),
            headers,
        });
        self.largest = self.largest.max(content.size());
        let index = i32::try_from(merchant).unwrap() % self.plan.indexes;
        let partition = Partition { source: Source::Completions, index };
        self.ledger.events.push(Truth {
            merchant,
            event,
            content,
            large: kind == Kind::Large,
            partition,
            offset: Offset(0),
            accepted: self.now,
            acknowledged: [0; ENDPOINTS],
            attempts: [0; ENDPOINTS],
            first: BTreeMap::new(),
            dead: Vec::new(),
            carriers: Vec::new(),
            not_before: BTreeMap::new(),
            numbers: BTreeMap::new(),
            lost: false,
            excused_for_all: 0,
        });
        let offset = self.append(partition, no, None, None);
        self.ledger.events[no].offset = offset;
        tell!(self, "evt_{no} ({kind:?}) of m{merchant} is published at {partition} {offset}");
    }
}
