//! `__consumer_offsets` as the broker wrote it: every commit that it accepted, and every generation
//! of the group, in one order.

use paynotify::kafka::reader::StoredRecord;

/// One entry that concerns our group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Commit {
        topic: String,
        partition: i32,
        position: i64,
        metadata: String,
    },
    /// A generation with the partitions of completions that each member holds.
    Generation {
        number: i32,
        members: Vec<(String, Vec<i32>)>,
    },
}

/// Reads a record; `None` where it is another group's, or a tombstone.
pub fn decode(record: &StoredRecord, group: &str) -> Option<Entry> {
    let mut key = Bytes(record.key.as_deref()?);
    let mut value = Bytes(record.value.as_deref()?);
    match key.i16()? {
        0 | 1 => {
            if key.text(false)? != group {
                return None;
            }
            let (topic, partition) = (key.text(false)?, key.i32()?);
            let version = value.i16()?;
            let flexible = version >= 4;
            let position = value.i64()?;
            if version >= 3 {
                value.i32()?;
            }
            let metadata = value.text(flexible)?;
            Some(Entry::Commit { topic, partition, position, metadata })
        }
        2 => {
            if key.text(false)? != group {
                return None;
            }
            generation(&mut value)
        }
        _ => None,
    }
}

fn generation(value: &mut Bytes<'_>) -> Option<Entry> {
    let version = value.i16()?;
    let flexible = version >= 4;
    value.text(flexible)?;
    let number = value.i32()?;
    value.text(flexible)?;
    value.text(flexible)?;
    if version >= 2 {
        value.i64()?;
    }
    let count = if flexible { value.varint()?.checked_sub(1)? } else { value.length()? };
    let mut members = Vec::new();
    for _ in 0..count {
        let id = value.text(flexible)?;
        if version >= 3 {
            value.text(flexible)?;
        }
        value.text(flexible)?;
        value.text(flexible)?;
        value.take(8)?;
        value.bytes(flexible)?;
        let assignment = value.bytes(flexible)?;
        if flexible {
            value.tags()?;
        }
        members.push((id, assigned(assignment)));
    }
    Some(Entry::Generation { number, members })
}

/// The partitions of an assignment of the consumer protocol; a member may have none yet.
fn assigned(assignment: &[u8]) -> Vec<i32> {
    let read = || {
        let mut bytes = Bytes(assignment);
        bytes.i16()?;
        let mut partitions = Vec::new();
        for _ in 0..bytes.length()? {
            bytes.text(false)?;
            for _ in 0..bytes.length()? {
                partitions.push(bytes.i32()?);
            }
        }
        Some(partitions)
    };
    read().unwrap_or_default()
}

/// Kafka's own encoding.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.i32()?).ok()
    }

    fn varint(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Nothing and null are the same here.
    fn text(&mut self, flexible: bool) -> Option<String> {
        let length = if flexible {
            self.varint()?.saturating_sub(1)
        } else {
            usize::try_from(self.i16()?).unwrap_or(0)
        };
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn bytes(&mut self, flexible: bool) -> Option<&'a [u8]> {
        let length = if flexible {
            self.varint()?.saturating_sub(1)
        } else {
            usize::try_from(self.i32()?).unwrap_or(0)
        };
        self.take(length)
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Some(())
    }
}
