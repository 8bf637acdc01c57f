//! How long nothing has moved in a partition where something could. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    engine::PartitionStatus,
    model::{Offset, Partition},
};

/// What moves in a partition: its watermark, and how far it was read.
type Mark = (Offset, Offset);

/// The heads of the held partitions.
#[derive(Debug, Default)]
pub struct Heads(BTreeMap<Partition, (Mark, Duration)>);

impl Heads {
    /// Looks, so much time after the look before. `ends` are the ends of the logs as far as they are
    /// known.
    pub fn look(
        &mut self,
        passed: Duration,
        partitions: &[PartitionStatus],
        ends: &BTreeMap<Partition, Offset>,
    ) {
        let mut idle = BTreeMap::new();
        for one in partitions {
            if !could_move(one, ends.get(&one.partition).copied()) {
                continue;
            }
            let mark = (one.watermark, one.reached);
            let since = match self.0.get(&one.partition) {
                Some((before, since)) if *before == mark => *since + passed,
                _ => Duration::ZERO,
            };
            idle.insert(one.partition, (mark, since));
        }
        self.0 = idle;
    }

    /// The partition that has stood still longest, and for how long.
    pub fn longest(&self) -> Option<(Partition, Duration)> {
        let longest = self.0.iter().max_by_key(|(_, (_, since))| *since);
        longest.map(|(partition, (_, since))| (*partition, *since))
    }
}

/// A head that is due and has a free slot could; so could the reading of a log that holds more, where
/// records are taken. A full hold that waits for its time could not, however long that takes.
fn could_move(one: &PartitionStatus, end: Option<Offset>) -> bool {
    let reads = one.taking || one.unresolved == 0;
    one.startable || (reads && end.is_some_and(|end| end > one.reached))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Grade, Source, Span};

    const SECOND: Duration = Duration::from_secs(1);
    const GRADE: Partition =
        Partition { source: Source::Grade(Grade::new(Span::from_secs(43_200))), index: 0 };

    fn partition() -> PartitionStatus {
        PartitionStatus {
            partition: GRADE,
            watermark: Offset(10),
            committed: Offset(10),
            reached: Offset(20),
            unresolved: 10,
            oldest: None,
            startable: false,
            taking: true,
        }
    }

    /// How long that stands still when it is looked at for a minute.
    fn stands_for(one: &PartitionStatus, end: i64) -> Option<Duration> {
        let (mut heads, ends) = (Heads::default(), BTreeMap::from([(GRADE, Offset(end))]));
        for _ in 0..=60 {
            heads.look(SECOND, std::slice::from_ref(one), &ends);
        }
        heads.longest().map(|(_, since)| since)
    }

    #[test]
    fn a_head_that_is_due_and_has_a_free_slot_stands_still() {
        let head = PartitionStatus { startable: true, ..partition() };
        assert_eq!(stands_for(&head, 20), Some(60 * SECOND));
    }

    #[test]
    fn a_log_that_holds_more_and_is_not_read_stands_still() {
        assert_eq!(stands_for(&partition(), 21), Some(60 * SECOND));
        let forgotten = PartitionStatus { taking: false, unresolved: 0, ..partition() };
        assert_eq!(stands_for(&forgotten, 21), Some(60 * SECOND), "nor is anything held of it");
    }

    #[test]
    fn a_paused_grade_whose_records_wait_for_their_time_does_not() {
        let paused = PartitionStatus { taking: false, ..partition() };
        assert_eq!(stands_for(&paused, 1_000_000), None);
    }

    #[test]
    fn a_log_that_was_read_to_its_end_does_not() {
        assert_eq!(stands_for(&partition(), 20), None);
    }

    #[test]
    fn whatever_moves_begins_anew() {
        let (mut heads, ends) = (Heads::default(), BTreeMap::from([(GRADE, Offset(1_000))]));
        for reached in 20..200 {
            heads.look(
                SECOND,
                &[PartitionStatus { reached: Offset(reached), ..partition() }],
                &ends,
            );
        }
        assert_eq!(heads.longest(), Some((GRADE, Duration::ZERO)));
        heads.look(SECOND, &[], &ends);
        assert_eq!(heads.longest(), None, "what is not held is not watched");
    }
}
