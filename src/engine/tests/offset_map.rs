use proptest::prelude::*;

use crate::engine::offset_map::{BUDGET, HEADER_LIMIT};
use crate::engine::{Ignored, METADATA_LIMIT, OffsetMap};
use crate::model::Offset;

fn maps() -> impl Strategy<Value = (Offset, OffsetMap)> {
    let lengths = prop::collection::vec((1_i64..300, 1_i64..5_000), 0..200);
    (0_i64..1 << 40, lengths).prop_map(|(start, lengths)| {
        let mut at = start;
        let runs: Vec<_> = lengths
            .into_iter()
            .map(|(hole, run)| {
                let first = at + hole;
                at = first + run;
                (Offset(first), Offset(at))
            })
            .collect();
        (Offset(start), OffsetMap::from_runs(runs))
    })
}

proptest! {
    #[test]
    fn a_map_is_read_as_it_was_written((watermark, map) in maps()) {
        let text = map.encode("cluster", watermark);
        prop_assert_eq!(OffsetMap::decode(&text, "cluster", watermark), Ok(map));
    }

    #[test]
    fn any_text_is_read_or_refused_without_harm(text in ".{0,200}", commit in any::<i64>()) {
        let _ = OffsetMap::decode(&text, "cluster", Offset(commit));
        let _ = OffsetMap::decode(&format!("1:cluster:{commit}:{text}"), "cluster", Offset(commit));
    }
}

#[test]
fn a_map_of_another_cluster_is_ignored() {
    let text = OffsetMap::from_runs([(Offset(7), Offset(9))]).encode("there", Offset(5));
    let found = OffsetMap::decode(&text, "here", Offset(5));
    assert_eq!(found, Err(Ignored::Cluster("there".to_owned())));
}

#[test]
fn a_map_of_another_watermark_is_ignored() {
    let text = OffsetMap::from_runs([(Offset(7), Offset(9))]).encode("here", Offset(5));
    let found = OffsetMap::decode(&text, "here", Offset(6));
    assert_eq!(found, Err(Ignored::Watermark { map: "5".to_owned(), commit: Offset(6) }));
}

#[test]
fn metadata_of_another_program_and_of_a_later_format_is_ignored() {
    assert_eq!(OffsetMap::decode("hello", "here", Offset(5)), Err(Ignored::Foreign));
    let found = OffsetMap::decode("9:here:5:x", "here", Offset(5));
    assert_eq!(found, Err(Ignored::Format("9".to_owned())));
}

#[test]
fn many_single_holes_are_written_as_bits() {
    let runs = (0..1_000).map(|n| (Offset(2 * n + 1), Offset(2 * n + 2)));
    let text = OffsetMap::from_runs(runs).encode("c", Offset(0));
    assert!(text.starts_with("1:c:0:b"), "{text}");
    assert!(text.len() < 360, "{}", text.len());
}

#[test]
fn runs_that_touch_are_joined_and_empty_ones_dropped() {
    let runs = [(0, 0), (1, 3), (3, 5), (4, 4), (4, 6), (8, 9)];
    let map = OffsetMap::from_runs(runs.map(|(first, end)| (Offset(first), Offset(end))));
    assert_eq!(map.runs(), [(Offset(1), Offset(6)), (Offset(8), Offset(9))]);
}

#[test]
fn holes_are_counted_from_an_offset_to_the_last_run_and_what_lies_below_is_forgotten() {
    let mut map = OffsetMap::from_runs([(Offset(5), Offset(9)), (Offset(12), Offset(15))]);
    assert_eq!([2, 5, 7, 10, 20].map(|from| map.holes_after(Offset(from))), [6, 3, 3, 2, 0]);
    map.forget_below(Offset(7));
    assert_eq!(map.runs(), [(Offset(7), Offset(9)), (Offset(12), Offset(15))]);
    map.forget_below(Offset(9));
    assert_eq!(map.runs(), [(Offset(12), Offset(15))]);
}

#[test]
fn the_longest_header_and_the_longest_body_fill_the_metadata() {
    let watermark = Offset(1_000_000_000_000_000_000);
    let offsets = i64::try_from(8 * BUDGET).unwrap();
    let resolved = (0..offsets).filter(|offset| offset % 2 == 1);
    let runs = resolved.map(|at| (Offset(watermark.0 + at), Offset(watermark.0 + at + 1)));
    let text = OffsetMap::from_runs(runs).encode(&"c".repeat(99), watermark);
    assert_eq!(text.len(), METADATA_LIMIT);
    let header = OffsetMap::default().encode(&"c".repeat(99), watermark);
    assert_eq!(header.len() + "b".len(), HEADER_LIMIT);
}

#[test]
fn a_map_at_the_last_offset_that_there_can_be_is_read_without_harm() {
    let last = Offset(i64::MAX - 1);
    let found = OffsetMap::decode(&format!("1:here:{last}:b/w"), "here", last).unwrap();
    assert_eq!(found.runs(), [(last, Offset(i64::MAX))]);
}
