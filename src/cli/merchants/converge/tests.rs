//! Edits of others at the worst moment: between our reading and our writing.

use super::*;
use crate::model::Offset;

/// A topic in memory; `meanwhile` is written by others just before our next writes.
#[derive(Default)]
struct Memory {
    records: Vec<(MerchantId, Revision, Option<Bytes>)>,
    /// How many were shown.
    shown: usize,
    meanwhile: Vec<Vec<(&'static str, Option<&'static str>)>>,
    appended: usize,
}

fn id(merchant: &str) -> MerchantId {
    MerchantId::parse(merchant).unwrap()
}

impl Memory {
    fn put(&mut self, merchant: &str, entry: Option<&'static str>) {
        let revision = Revision::at(Offset(i64::try_from(self.records.len()).unwrap()));
        let entry = entry.map(|entry| Bytes::from_static(entry.as_bytes()));
        self.records.push((id(merchant), revision, entry));
    }

    /// The entry that readers see in the end.
    fn entry(&self, merchant: &str) -> Option<&[u8]> {
        self.last(merchant).and_then(|(_, _, entry)| entry.as_deref())
    }

    fn revision(&self, merchant: &str) -> Option<Revision> {
        self.last(merchant).map(|(_, revision, _)| *revision)
    }

    fn last(&self, merchant: &str) -> Option<&(MerchantId, Revision, Option<Bytes>)> {
        self.records.iter().rev().find(|(key, ..)| *key == id(merchant))
    }
}

impl Log for Memory {
    fn read(&mut self, show: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        for (offset, (merchant, revision, entry)) in (0..).zip(&self.records).skip(self.shown) {
            let (merchant, entry) = (merchant.clone(), entry.clone());
            show(Record { merchant, place: (0, offset), revision: *revision, entry });
        }
        self.shown = self.records.len();
        Ok(())
    }

    fn append(&mut self, changes: &[Change]) -> anyhow::Result<Vec<(MerchantId, Place)>> {
        if !self.meanwhile.is_empty() {
            for (merchant, entry) in self.meanwhile.remove(0) {
                self.put(merchant, entry);
            }
        }
        let mut places = Vec::new();
        for Change { merchant, revision, entry } in changes {
            let offset = i64::try_from(self.records.len()).unwrap();
            places.push((merchant.clone(), (0, offset)));
            self.records.push((merchant.clone(), *revision, entry.clone()));
            self.appended += 1;
        }
        Ok(places)
    }
}

/// Capital letters are what is wanted.
fn capitals(_: &MerchantId, entry: &Bytes) -> Option<Vec<u8>> {
    let new = entry.to_ascii_uppercase();
    (new != **entry).then_some(new)
}

#[test]
fn every_entry_is_changed_once_and_a_repeat_writes_nothing() {
    let mut log = Memory::default();
    for (merchant, entry) in [("a", Some("old")), ("a", Some("one")), ("b", Some("TWO"))] {
        log.put(merchant, entry);
    }
    log.put("c", Some("gone"));
    log.put("c", None);
    converge(&mut log, capitals).unwrap();
    assert_eq!(
        (log.entry("a"), log.entry("b"), log.entry("c")),
        (Some(&b"ONE"[..]), Some(&b"TWO"[..]), None)
    );
    assert_eq!(log.appended, 1);
    log.shown = 0;
    converge(&mut log, capitals).unwrap();
    assert_eq!(log.appended, 1);
}

#[test]
fn a_changed_form_keeps_the_revision_of_the_edit_that_it_is_a_form_of() {
    let mut log = Memory { meanwhile: vec![vec![("a", Some("theirs"))]], ..Memory::default() };
    log.put("a", Some("one"));
    log.put("b", Some("two"));
    converge(&mut log, capitals).unwrap();
    let at = |offset| Some(Revision::at(Offset(offset)));
    assert_eq!((log.revision("a"), log.revision("b")), (at(2), at(1)), "theirs, and its own");
    log.shown = 0;
    converge(&mut log, |_, entry| entry.is_ascii().then(|| [entry, &b"\xff"[..]].concat()))
        .unwrap();
    assert_eq!((log.revision("a"), log.revision("b")), (at(2), at(1)), "however often");
}

#[test]
fn an_edit_in_between_is_not_lost_and_gets_the_change_too() {
    let mut log = Memory { meanwhile: vec![vec![("a", Some("theirs"))]], ..Memory::default() };
    log.put("a", Some("one"));
    log.put("b", Some("two"));
    converge(&mut log, capitals).unwrap();
    assert_eq!(log.entry("a"), Some(&b"THEIRS"[..]));
    assert_eq!(log.entry("b"), Some(&b"TWO"[..]));
}

#[test]
fn an_edit_in_between_that_needs_no_change_and_a_deletion_are_put_back() {
    let edits = vec![("a", Some("THEIRS")), ("b", None)];
    let mut log = Memory { meanwhile: vec![edits], ..Memory::default() };
    log.put("a", Some("one"));
    log.put("b", Some("two"));
    converge(&mut log, capitals).unwrap();
    assert_eq!((log.entry("a"), log.entry("b")), (Some(&b"THEIRS"[..]), None));
}

#[test]
fn an_edit_over_our_repair_is_not_lost_either() {
    let meanwhile =
        vec![vec![("a", Some("first"))], vec![("a", Some("second"))], vec![("a", None)]];
    let mut log = Memory { meanwhile, ..Memory::default() };
    log.put("a", Some("one"));
    converge(&mut log, capitals).unwrap();
    assert_eq!(log.entry("a"), None);
}

#[test]
fn an_entry_that_others_edit_all_the_time_ends_with_a_remedy() {
    let meanwhile = vec![vec![("a", Some("theirs"))]; ROUNDS];
    let mut log = Memory { meanwhile, ..Memory::default() };
    log.put("a", Some("one"));
    let refused = converge(&mut log, capitals).unwrap_err();
    assert!(refused.to_string().starts_with("others kept editing a; look at"), "{refused}");
}
