use super::scenario::*;
use crate::engine::{
    lane::DeliveryId,
    waiting::{Load, Waiting},
};
use crate::model::Source;

#[test]
fn what_is_put_in_twice_waits_once_with_the_bytes_it_has_now() {
    let mut waiting = Waiting::default();
    let one = (Source::Completions, START, DeliveryId(1));
    waiting.push(one, 100);
    waiting.push(one, 30);
    let loads: Vec<_> = waiting.by_source().collect();
    assert_eq!(loads, [(Source::Completions, Load { records: 1, bytes: 30 })]);
    assert!(waiting.remove(one) && !waiting.remove(one));
    assert!(waiting.is_empty());
}
