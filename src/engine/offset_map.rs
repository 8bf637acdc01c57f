//! The resolved offsets beyond the watermark, and their text in the metadata of a commit.
//!
//! Text: `1:<cluster id>:<watermark>:<encoding><base64>`. Encodings: `r`, varint lengths of runs,
//! in turn unresolved and resolved, from the watermark on; `b`, one bit an offset, set when
//! resolved, lowest first. The shorter one is written. A broker keeps at most 4,096 UTF-16 units.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::model::Offset;

/// The longest metadata that a broker accepts (`offset.metadata.max.bytes`), in UTF-16 units.
pub const METADATA_LIMIT: usize = 4_096;

/// Bytes of encoded runs or bits that always fit: what the longest header leaves, as base64.
pub const BUDGET: u64 = ((METADATA_LIMIT - HEADER_LIMIT) / 4 * 3) as u64;

/// Format, cluster id (at most 64), watermark (at most 19 digits), encoding, separators.
pub const HEADER_LIMIT: usize = "1:".len() + 64 + ":".len() + 19 + ":r".len();

/// Runs of resolved offsets: `[first, end)`, ascending, disjoint and apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetMap(Vec<(Offset, Offset)>);

/// Why a map is not used; the records are read again instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Not written by this program.
    #[error("the commit metadata is not a resolved-offset map")]
    Foreign,
    /// A format that this version cannot read.
    #[error("the resolved-offset map has format {0}, which this version does not read")]
    Format(String),
    /// Offsets of another cluster mean other records.
    #[error("the resolved-offset map is of cluster {0}")]
    Cluster(String),
    /// The commit was moved by hand, or the map belongs to another one.
    #[error("the resolved-offset map begins at {map}, but the commit is at {commit}")]
    Watermark {
        /// Where the map begins.
        map: String,
        /// Where the commit is.
        commit: Offset,
    },
    /// Cut or damaged.
    #[error("the resolved-offset map is damaged")]
    Damaged,
}

impl OffsetMap {
    /// From ascending runs; touching ones are joined, empty ones dropped.
    pub fn from_runs(runs: impl IntoIterator<Item = (Offset, Offset)>) -> Self {
        let mut joined: Vec<(Offset, Offset)> = Vec::new();
        for (first, end) in runs {
            match joined.last_mut() {
                _ if first >= end => {}
                Some(last) if last.1 >= first => last.1 = last.1.max(end),
                _ => joined.push((first, end)),
            }
        }
        Self(joined)
    }

    /// The runs, ascending.
    pub fn runs(&self) -> &[(Offset, Offset)] {
        &self.0
    }

    /// Whether this offset is resolved.
    pub fn contains(&self, offset: Offset) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= offset);
        after > 0 && offset < self.0[after - 1].1
    }

    /// Offsets between `from` and the last run that no run covers.
    pub fn holes_after(&self, from: Offset) -> u64 {
        let mut at = from;
        let mut holes = 0;
        for (first, end) in &self.0 {
            holes += (first.0 - at.0).max(0).unsigned_abs();
            at = at.max(*end);
        }
        holes
    }

    /// Drops what lies below `offset`.
    pub fn forget_below(&mut self, offset: Offset) {
        let gone = self.0.partition_point(|(_, end)| *end <= offset);
        self.0.drain(..gone);
        if let Some(run) = self.0.first_mut() {
            run.0 = run.0.max(offset);
        }
    }

    /// The text for a commit at `watermark`.
    pub fn encode(&self, cluster: &str, watermark: Offset) -> String {
        let header = format!("1:{}:{watermark}:", cluster.get(..64).unwrap_or(cluster));
        if self.0.is_empty() {
            return header;
        }
        let (runs, bits) = (self.as_run_lengths(watermark), self.bit_count(watermark));
        if (runs.len() as u64) <= bits.div_ceil(8) {
            format!("{header}r{}", STANDARD_NO_PAD.encode(runs))
        } else {
            format!("{header}b{}", STANDARD_NO_PAD.encode(self.as_bits(watermark)))
        }
    }

    /// Reads a text that was committed at `commit`, if it speaks of this cluster and commit.
    pub fn decode(text: &str, cluster: &str, commit: Offset) -> Result<Self, Ignored> {
        let mut parts = text.splitn(4, ':');
        let (Some(format), Some(of_cluster), Some(watermark), Some(body)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Ignored::Foreign);
        };
        if format != "1" {
            return Err(Ignored::Format(format.chars().take(20).collect()));
        }
        if of_cluster != cluster.get(..64).unwrap_or(cluster) {
            return Err(Ignored::Cluster(of_cluster.chars().take(64).collect()));
        }
        if watermark != commit.to_string() {
            let map = watermark.chars().take(20).collect();
            return Err(Ignored::Watermark { map, commit });
        }
        let Some(encoding) = body.chars().next() else {
            return Ok(Self::default());
        };
        let bytes =
            STANDARD_NO_PAD.decode(body.get(1..).unwrap_or("")).map_err(|_| Ignored::Damaged)?;
        match encoding {
            'r' => from_run_lengths(&bytes, commit).ok_or(Ignored::Damaged),
            'b' => Ok(from_bits(&bytes, commit)),
            _ => Err(Ignored::Damaged),
        }
    }

    fn as_run_lengths(&self, watermark: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = watermark;
        for (first, end) in &self.0 {
            push_varint(&mut bytes, (first.0 - at.0).max(0).unsigned_abs());
            push_varint(&mut bytes, (end.0 - first.0.max(at.0)).max(0).unsigned_abs());
            at = *end;
        }
        bytes
    }

    fn bit_count(&self, watermark: Offset) -> u64 {
        self.0.last().map_or(0, |(_, end)| (end.0 - watermark.0).max(0).unsigned_abs())
    }

    fn as_bits(&self, watermark: Offset) -> Vec<u8> {
        let length = usize::try_from(self.bit_count(watermark).div_ceil(8)).unwrap_or(0);
        let mut bits = vec![0_u8; length];
        for (first, end) in &self.0 {
            for offset in first.0.max(watermark.0)..end.0 {
                let distance = (offset - watermark.0).unsigned_abs();
                if let Some(byte) =
                    usize::try_from(distance / 8).ok().and_then(|place| bits.get_mut(place))
                {
                    *byte |= 1 << (distance % 8);
                }
            }
        }
        bits
    }
}

/// The most bytes that a map with so many unresolved offsets over so long a span can need: the
/// smaller of one bit an offset, and two varints for each unresolved offset, where only
/// `span / 128` runs can be long enough for a second byte, `span / 16384` for a third, and so on.
pub fn largest_size(holes: u64, span: u64) -> u64 {
    let mut runs = 2 * holes;
    let mut reach = 128_u64;
    while reach <= span {
        runs += (span / reach).min(2 * holes);
        reach = reach.saturating_mul(128);
    }
    runs.min(span.div_ceil(8))
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        // Masked to seven bits, so it fits.
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return i64::try_from(number).ok();
        }
    }
    None
}

fn from_run_lengths(mut bytes: &[u8], watermark: Offset) -> Option<OffsetMap> {
    let mut runs = Vec::new();
    let mut at = watermark.0;
    while !bytes.is_empty() {
        let first = at.checked_add(take_varint(&mut bytes)?)?;
        let end = first.checked_add(take_varint(&mut bytes)?)?;
        runs.push((Offset(first), Offset(end)));
        at = end;
    }
    Some(OffsetMap::from_runs(runs))
}

fn from_bits(bytes: &[u8], watermark: Offset) -> OffsetMap {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    // What is beyond the last offset that there can be is no record.
    let offsets = (watermark.0..i64::MAX).zip(bits).filter(|(_, resolved)| *resolved);
    OffsetMap::from_runs(offsets.map(|(offset, _)| (Offset(offset), Offset(offset + 1))))
}
