//! Metadata of commits: which offsets beyond the position are resolved.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use paynotify::{
    engine::{METADATA_LIMIT, OffsetMap},
    model::Offset,
};
use proptest::{collection::vec, prelude::*};

use crate::{damaged_text, damages, is_fit_to_show};

prop_compose! {
    fn any_map()(
        start in prop_oneof![0_i64..1 << 40, i64::MAX - 3_000_000..i64::MAX - 2_000_000],
        lengths in vec((1_i64..300, 1_i64..5_000), 0..60),
    ) -> (Offset, OffsetMap) {
        let mut at = start;
        let runs = lengths.into_iter().map(|(hole, run)| {
            let first = at + hole;
            at = first + run;
            (Offset(first), Offset(at))
        });
        (Offset(start), OffsetMap::from_runs(runs.collect::<Vec<_>>()))
    }
}

/// Whatever was read, it speaks of offsets beyond the position, in order, and not of too many runs.
fn is_sound(map: &OffsetMap, text: &str, at: Offset) -> Result<(), TestCaseError> {
    prop_assert!(map.runs().len() <= text.len() * 6, "{} runs", map.runs().len());
    let mut before = at;
    for (first, end) in map.runs() {
        prop_assert!(*first >= before && end > first, "{map:?}");
        before = *end;
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_damaged_map_is_read_soundly_or_ignored((at, map) in any_map(), damages in damages()) {
        let text = damaged_text(&map.encode("cluster", at), &damages);
        match OffsetMap::decode(&text, "cluster", at) {
            Ok(read) => is_sound(&read, &text, at)?,
            Err(why) => is_fit_to_show(&why.to_string())?,
        }
    }

    #[test]
    fn any_body_is_read_soundly_or_ignored(
        at in prop_oneof![0_i64..1 << 40, (i64::MAX - 40)..=i64::MAX],
        encoding in "[rbx]", bytes in vec(any::<u8>(), 0..150),
    ) {
        let text = format!("1:cluster:{at}:{encoding}{}", STANDARD_NO_PAD.encode(bytes));
        match OffsetMap::decode(&text, "cluster", Offset(at)) {
            Ok(read) => is_sound(&read, &text, Offset(at))?,
            Err(why) => is_fit_to_show(&why.to_string())?,
        }
    }

    #[test]
    fn any_text_is_read_or_ignored(text in ".{0,400}", at in any::<i64>()) {
        if let Err(why) = OffsetMap::decode(&text, "cluster", Offset(at)) {
            is_fit_to_show(&why.to_string())?;
        }
    }

    #[test]
    fn a_map_holds_nowhere_but_where_it_was_written((at, map) in any_map(), by in -5_i64..=5) {
        let text = map.encode("cluster", at);
        let elsewhere = OffsetMap::decode(&text, "cluster", Offset(at.0 + by));
        prop_assert_eq!(elsewhere.is_ok(), by == 0);
        prop_assert!(OffsetMap::decode(&text, "clusters", at).is_err());
        prop_assert!(OffsetMap::decode(&text, "", at).is_err());
    }

    #[test]
    fn a_map_that_was_read_is_written_the_same((at, map) in any_map()) {
        let text = map.encode("cluster", at);
        let read = OffsetMap::decode(&text, "cluster", at).unwrap();
        prop_assert_eq!(read.encode("cluster", at), text.clone());
        prop_assert!(map.runs().len() > 400 || text.len() <= METADATA_LIMIT);
        prop_assert_eq!(read, map);
    }
}
