//! Takes records out of the split queues of wanted partitions, in fair turns.
//!
//! Not polling a split queue is how a partition is paused: nothing is thrown away and nothing is
//! fetched again.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use bytes::BytesMut;
use rdkafka::{
    Message, Offset as RawOffset, Timestamp as RawTimestamp,
    consumer::{BaseConsumer, Consumer, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers},
};

use super::{
    Decode, Input, RawRecord, Read,
    context::Context,
    shared::{Flags, Shared},
};
use crate::{
    engine::Epoch,
    model::{Offset, Partition, Source, Timestamp},
};

/// Records travel in batches of at most so many: the first attempts begin while the others are read …
const BATCH_RECORDS: usize = 64;
/// … and, but for the last record, so many bytes.
const BATCH_BYTES: usize = 1024 * 1024;
/// Grades together give a batch of so many, after what is fresh: a wave that comes back stands before
/// few fresh events, and is never kept out by them.
const BATCH_OF_GRADES: usize = 32;
/// A partition of completions gives at most so many records a turn …
const TURN: usize = 32;
/// … and one of a grade so many.
const GRADE_TURN: usize = 16;

/// The split queues of every partition that may become ours.
pub struct Intake {
    shared: Arc<Shared>,
    decode: Decode,
    slots: Vec<Slot>,
    places: BTreeMap<Partition, usize>,
    /// Whose turn is next, of completions and of grades.
    cursors: [usize; 2],
}

struct Slot {
    partition: Partition,
    queue: PartitionQueue<Context>,
    flags: Arc<Flags>,
    reading: Option<Reading>,
    /// The end of its log was announced, and has not been followed.
    ended: bool,
}

#[derive(Clone, Copy)]
struct Reading {
    epoch: Epoch,
    next: Offset,
}

impl Reading {
    /// Moves past this record; false when it was read before. A rebalance pauses what stays, and
    /// librdkafka fetches a record again that it handed out in the same instant.
    fn advance(&mut self, offset: Offset) -> bool {
        let fresh = offset >= self.next;
        if fresh {
            self.next = offset.next();
        }
        fresh
    }
}

/// What one round brought.
#[derive(Default)]
pub struct Round {
    /// For the worker, in order.
    pub inputs: Vec<Input>,
    /// Partitions whose position the broker no longer has, and where they were.
    pub out_of_range: Vec<(Partition, Offset)>,
    /// The client is beyond repair.
    pub fatal: Option<KafkaError>,
}

impl Intake {
    pub fn new(shared: Arc<Shared>, decode: Decode) -> Self {
        Self { shared, decode, slots: Vec::new(), places: BTreeMap::new(), cursors: [0; 2] }
    }

    /// Gives the partition a queue of its own; to be called before it is assigned. Returns false
    /// when librdkafka does not know such a partition.
    pub fn split(&mut self, consumer: &Arc<BaseConsumer<Context>>, partition: Partition) -> bool {
        if self.places.contains_key(&partition) {
            return true;
        }
        let topic = self.shared.topic(partition.source);
        let Some(mut queue) = consumer.split_partition_queue(&topic, partition.index) else {
            return false;
        };
        let flags = self.shared.flags(partition);
        let (ready, shared) = (Arc::clone(&flags), Arc::clone(&self.shared));
        queue.set_nonempty_callback(move || {
            ready.ready.store(true, Ordering::Release);
            shared.wake();
        });
        self.places.insert(partition, self.slots.len());
        self.slots.push(Slot { partition, queue, flags, reading: None, ended: false });
        true
    }

    /// Begins reading under a new assignment.
    pub fn begin(&mut self, partition: Partition, epoch: Epoch, start: Offset) {
        if let Some(slot) = self.places.get(&partition).and_then(|at| self.slots.get_mut(*at)) {
            slot.reading = Some(Reading { epoch, next: start });
            slot.ended = false;
            slot.flags.wanted.store(true, Ordering::Release);
            slot.flags.ready.store(true, Ordering::Release);
        }
    }

    /// Goes on elsewhere under the same assignment.
    pub fn go_on(&mut self, partition: Partition, start: Offset) {
        let slot = self.places.get(&partition).and_then(|at| self.slots.get_mut(*at));
        if let Some(Slot { reading: Some(reading), ended, .. }) = slot {
            reading.next = start;
            *ended = false;
        }
    }

    /// Takes at most one batch of what is fresh and one of grades. With `sweep`, queues that did not
    /// announce anything are looked at too: announcements have been lost before.
    pub fn collect(&mut self, consumer: &BaseConsumer<Context>, sweep: bool) -> Round {
        self.forget_what_is_not_held();
        let mut round = Round::default();
        for (group, most) in [(Group::Fresh, BATCH_RECORDS), (Group::Grades, BATCH_OF_GRADES)] {
            self.take_turns(group, most, sweep, &mut round);
        }
        if sweep {
            self.follow_ends(consumer, &mut round);
        }
        round
    }

    fn take_turns(&mut self, group: Group, most: usize, sweep: bool, round: &mut Round) {
        let mut batch = Batch::new(&self.decode, most);
        let cursor = &mut self.cursors[group as usize];
        for step in 0..self.slots.len() {
            let at = (*cursor + step) % self.slots.len();
            let slot = &mut self.slots[at];
            let ready = slot.flags.ready.load(Ordering::Acquire);
            if slot.reading.is_none() || !slot.flags.wanted.load(Ordering::Acquire) {
                continue; // `ready` stays, for when it is wanted again
            }
            if slot.group() != group || !(ready || sweep) {
                continue;
            }
            if batch.is_full() {
                *cursor = at;
                break;
            }
            slot.flags.ready.store(false, Ordering::Release);
            if slot.turn(&mut batch, round) == Turn::More {
                slot.flags.ready.store(true, Ordering::Release);
            }
        }
        batch.finish(&self.shared, round);
    }

    /// Takes a record that was on its way through the common queue before its own was split off.
    pub fn accept(&mut self, message: &BorrowedMessage<'_>) -> Option<Input> {
        let topics = &self.shared.topics;
        let mut slots = self.slots.iter_mut();
        let slot = slots.find(|slot| {
            let Partition { source, index } = slot.partition;
            index == message.partition() && *topics.of(source) == *message.topic()
        })?;
        let partition = slot.partition;
        let reading = slot.reading.as_mut()?;
        if !reading.advance(Offset(message.offset())) {
            return None;
        }
        self.shared.traffic.took(message.key_len() + message.payload_len());
        let record = (self.decode)(record(message, partition));
        Some(Input::Records(vec![Read { epoch: reading.epoch, record }]))
    }

    /// Whether some queue has more that is wanted.
    pub fn has_more(&self) -> bool {
        self.slots.iter().any(|slot| {
            slot.reading.is_some()
                && slot.flags.ready.load(Ordering::Acquire)
                && slot.flags.wanted.load(Ordering::Acquire)
        })
    }

    fn forget_what_is_not_held(&mut self) {
        let held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in &mut self.slots {
            let epoch = held.get(&slot.partition).copied();
            slot.reading = slot.reading.filter(|reading| Some(reading.epoch) == epoch);
        }
    }

    /// The client's position is past control records that were never handed out; it only moves
    /// when its queue is polled, and the end was announced behind them. Positions cost a turn of the
    /// client's main thread, and a partition that is kept up with ends all the time: a sweep asks once.
    fn follow_ends(&mut self, consumer: &BaseConsumer<Context>, to: &mut Round) {
        if !self.slots.iter().any(|slot| slot.ended) {
            return;
        }
        let Ok(positions) = consumer.position() else { return };
        for Slot { partition, reading, ended, .. } in &mut self.slots {
            let Some(reading) = reading.as_mut().filter(|_| std::mem::take(ended)) else {
                continue;
            };
            let topic = self.shared.topic(partition.source);
            let entry = positions.find_partition(&topic, partition.index);
            let Some(RawOffset::Offset(position)) = entry.map(|entry| entry.offset()) else {
                continue;
            };
            if position > reading.next.0 {
                reading.next = Offset(position);
                let (partition, epoch, position) = (*partition, reading.epoch, reading.next);
                to.inputs.push(Input::End { partition, epoch, position });
            }
        }
    }
}

/// What is read in turns of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Fresh,
    Grades,
}

#[derive(PartialEq, Eq)]
enum Turn {
    Drained,
    More,
}

impl Slot {
    fn group(&self) -> Group {
        match self.partition.source {
            Source::Completions => Group::Fresh,
            Source::Grade(_) => Group::Grades,
        }
    }

    fn turn(&mut self, batch: &mut Batch<'_>, round: &mut Round) -> Turn {
        let group = self.group();
        let Some(reading) = &mut self.reading else { return Turn::Drained };
        let turn = match group {
            Group::Fresh => TURN,
            Group::Grades => GRADE_TURN,
        };
        for _ in 0..turn {
            if batch.is_full() {
                return Turn::More;
            }
            match self.queue.poll(std::time::Duration::ZERO) {
                None => return Turn::Drained,
                Some(Ok(message)) => {
                    if reading.advance(Offset(message.offset())) {
                        batch.push(&message, self.partition, reading.epoch);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.ended = true,
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                ))) => round.out_of_range.push((self.partition, reading.next)),
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    round.fatal = Some(error);
                }
                Some(Err(error)) => {
                    tracing::warn!(partition = %self.partition, %error, "a fetch failed");
                }
            }
        }
        Turn::More
    }
}

struct Batch<'a> {
    decode: &'a Decode,
    records: Vec<Read>,
    bytes: usize,
    /// It takes no more records than this.
    most: usize,
    stamped: Option<Timestamp>,
}

impl<'a> Batch<'a> {
    fn new(decode: &'a Decode, most: usize) -> Self {
        Self { decode, records: Vec::new(), bytes: 0, most, stamped: None }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.most || self.bytes >= BATCH_BYTES
    }

    fn push(&mut self, message: &BorrowedMessage<'_>, partition: Partition, epoch: Epoch) {
        if let RawTimestamp::LogAppendTime(time) = message.timestamp() {
            self.stamped = self.stamped.max(Some(Timestamp::from_millis(time)));
        }
        self.bytes += message.payload_len() + message.key_len();
        let record = (self.decode)(record(message, partition));
        self.records.push(Read { epoch, record });
    }

    fn finish(self, shared: &Shared, round: &mut Round) {
        if let Some(appended) = self.stamped {
            shared.clock.observe_consumed(appended);
        }
        if !self.records.is_empty() {
            shared.traffic.took(self.bytes);
            round.inputs.push(Input::Records(self.records));
        }
    }
}

fn record(message: &BorrowedMessage<'_>, partition: Partition) -> RawRecord {
    // One piece of memory for all of a record: its parts live and die together.
    let mut memory = BytesMut::with_capacity(size(message));
    let mut keep = |part: &[u8]| {
        memory.extend_from_slice(part);
        memory.split().freeze()
    };
    let key = message.key().map(&mut keep);
    let value = message.payload().map(&mut keep);
    let headers = message.headers().map(|headers| {
        let header = |header: Header<'_, &[u8]>| {
            (header.key.to_owned(), keep(header.value.unwrap_or_default()))
        };
        headers.iter().map(header).collect()
    });
    RawRecord {
        partition,
        offset: Offset(message.offset()),
        appended: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
        key,
        value,
        headers: headers.unwrap_or_default(),
    }
}

/// Bytes of key, value and values of headers.
fn size(message: &BorrowedMessage<'_>) -> usize {
    let headers = message.headers().map_or(0, |headers| {
        headers.iter().map(|header| header.value.map_or(0, <[u8]>::len)).sum()
    });
    message.key_len() + message.payload_len() + headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_comes_again_is_not_read_again() {
        let mut reading = Reading { epoch: Epoch(1), next: Offset(5) };
        assert!(reading.advance(Offset(5)));
        assert!(reading.advance(Offset(9)), "after control records");
        for again in [5, 8, 9] {
            assert!(!reading.advance(Offset(again)));
            assert_eq!(reading.next, Offset(10));
        }
    }
}
