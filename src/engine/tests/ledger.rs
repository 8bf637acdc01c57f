use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::engine::ledger::{Entered, Ledger};
use crate::engine::{METADATA_LIMIT, OffsetMap};
use crate::model::Offset;

/// The obvious model: for each offset that came in, whether it is resolved.
#[derive(Default)]
struct Model {
    start: i64,
    end: i64,
    open: BTreeMap<i64, bool>,
}

impl Model {
    fn watermark(&self) -> i64 {
        self.open.iter().find(|(_, resolved)| !**resolved).map_or(self.end, |(offset, _)| *offset)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter { gap: i64 },
    Resolve(prop::sample::Index),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_i64..3).prop_map(|gap| Step::Enter { gap }),
        4 => any::<prop::sample::Index>().prop_map(Step::Resolve),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..400)
}

proptest! {
    #[test]
    fn the_watermark_is_the_first_unresolved_offset_in_any_interleaving_and_over_any_restart(
        start in 0_i64..1_000_000,
        steps in steps(),
    ) {
        let mut model = Model { start, end: start, ..Model::default() };
        let mut ledger = Ledger::new(Offset(start), OffsetMap::default());
        for step in steps {
            match step {
                Step::Enter { gap } => {
                    let offset = model.end + gap;
                    prop_assert_eq!(ledger.enter(Offset(offset)), Entered::Unresolved);
                    model.open.insert(offset, false);
                    model.end = offset + 1;
                }
                Step::Resolve(which) => {
                    let open: Vec<i64> = model.open.iter().filter(|(_, done)| !**done).map(|(offset, _)| *offset).collect();
                    if !open.is_empty() {
                        let offset = *which.get(&open);
                        prop_assert!(ledger.resolve(Offset(offset)));
                        prop_assert!(!ledger.resolve(Offset(offset)), "a second resolution is no news");
                        model.open.insert(offset, true);
                    }
                }
                Step::Restart => {
                    let position = ledger.watermark();
                    let text = ledger.resolved_beyond().encode("c", position);
                    let map = OffsetMap::decode(&text, "c", position).unwrap();
                    ledger = Ledger::new(position, map);
                    // Everything from the commit on is read again.
                    for (offset, resolved) in model.open.range(position.0..) {
                        let expected = if *resolved { Entered::AlreadyResolved } else { Entered::Unresolved };
                        prop_assert_eq!(ledger.enter(Offset(*offset)), expected);
                    }
                }
            }
            prop_assert_eq!(ledger.watermark().0, model.watermark().max(model.start));
        }
    }

    #[test]
    fn a_ledger_that_takes_only_what_it_may_never_outgrows_the_metadata(
        start in 0_i64..i64::MAX / 2,
        resolve in prop::collection::vec(any::<prop::sample::Index>(), 3_000),
        keep in 1_usize..1_200,
    ) {
        let mut ledger = Ledger::new(Offset(start), OffsetMap::default());
        let mut open = Vec::new();
        let mut next = start;
        for which in resolve {
            while open.len() < keep && ledger.can_take() {
                ledger.enter(Offset(next));
                open.push(next);
                next += 1;
            }
            let offset = open.swap_remove(which.index(open.len()));
            ledger.resolve(Offset(offset));
        }
        let text = ledger.resolved_beyond().encode("0123456789012345678901", ledger.watermark());
        prop_assert!(text.len() <= METADATA_LIMIT, "{} characters", text.len());
    }
}

#[test]
fn a_hanging_offset_with_a_million_finished_behind_it_needs_a_few_bytes_and_stops_nothing() {
    let mut ledger = Ledger::new(Offset(0), OffsetMap::default());
    ledger.enter(Offset(0));
    for offset in 1..1_000_000 {
        assert!(ledger.can_take(), "at {offset}");
        ledger.enter(Offset(offset));
        ledger.resolve(Offset(offset));
    }
    let text = ledger.resolved_beyond().encode("cluster", ledger.watermark());
    assert!(text.len() < 30, "{text}");
    assert_eq!(ledger.watermark(), Offset(0));
}

#[test]
fn an_offset_that_came_in_before_is_repeated() {
    let mut ledger = Ledger::new(Offset(5), OffsetMap::default());
    assert_eq!(ledger.enter(Offset(4)), Entered::Repeated);
    assert_eq!(ledger.enter(Offset(5)), Entered::Unresolved);
    assert_eq!(ledger.enter(Offset(5)), Entered::Repeated);
}

#[test]
fn the_watermark_follows_the_reader_over_control_records() {
    let mut ledger = Ledger::new(Offset(0), OffsetMap::default());
    ledger.enter(Offset(0));
    ledger.resolve(Offset(0));
    ledger.skip_to(Offset(3));
    assert_eq!(ledger.watermark(), Offset(3));
}

#[test]
fn what_was_restored_stays_in_the_map_until_it_is_read_again() {
    let map = OffsetMap::from_runs([(Offset(5), Offset(9))]);
    let mut ledger = Ledger::new(Offset(2), map.clone());
    ledger.enter(Offset(2));
    assert_eq!(ledger.resolved_beyond(), map);
}

/// How many offsets come in until no more may, with so many resolved ones behind each that is not.
fn taken(resolved: i64) -> i64 {
    let start = 1_000_000_000;
    let mut ledger = Ledger::new(Offset(start), OffsetMap::default());
    let mut next = start;
    while ledger.can_take() {
        ledger.enter(Offset(next));
        if (next - start) % (resolved + 1) > 0 {
            ledger.resolve(Offset(next));
        }
        next += 1;
    }
    next - start
}

#[test]
fn a_ledger_takes_what_its_place_can_tell_and_not_one_more() {
    assert_eq!(taken(0), 8 * 3_006, "a bit for each");
    // 1,079 that are not resolved: two bytes for each, and 842 and 6 more for runs that need longer
    // numbers.
    assert_eq!(taken(99), 107_801);
    // 740 of them: four bytes for each, as every run needs a longer number, and 45 more.
    assert_eq!(taken(999), 739_001);
}
