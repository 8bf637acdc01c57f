use super::*;
use crate::model::{Ladder, Span};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn class(name: &str, reserved: usize, most: usize) -> Class {
    Class { name: name.to_owned(), reserved, most, method: Method::Fair }
}

fn id(place: usize) -> ClassId {
    ClassId::at(place).unwrap()
}

/// Lanes that wait, one for each of these, numbered from 0.
fn with(slots: &mut Slots, lanes: &[(usize, Trust)]) {
    for (lane, (class, trust)) in lanes.iter().enumerate() {
        let turn = slots.turn(id(*class), NOW, lane as u64);
        slots.enter(Spot { class: id(*class), trust: *trust, turn }, lane);
        slots.add(id(*class), *trust, Demand { in_flight: 0, startable: 1 });
    }
}

/// Gives out slots until nobody may have one; who got them. The lanes go on waiting.
fn given_out(slots: &mut Slots, lanes: &[(usize, Trust)]) -> Vec<LaneId> {
    let mut given = Vec::new();
    while let Some(lane) = slots.next(NOW) {
        let (class, trust) = lanes[lane];
        slots.add(id(class), trust, Demand { in_flight: 1, startable: 0 });
        given.push(lane);
    }
    given
}

fn count(given: &[LaneId], lane: LaneId) -> usize {
    given.iter().filter(|one| **one == lane).count()
}

#[test]
fn one_class_takes_all_slots() {
    let mut slots = Slots::new(10, 5, &[Class::standard()]);
    let lanes = [(0, Trust::Cold)];
    with(&mut slots, &lanes);
    assert_eq!(given_out(&mut slots, &lanes), [0; 10]);
    assert_eq!(slots.in_flight(), 10);
}

#[test]
fn endpoints_under_suspicion_share_a_part_of_the_slots() {
    let mut slots = Slots::new(10, 3, &[Class::standard()]);
    let lanes = [(0, Trust::Suspect), (0, Trust::Warm)];
    with(&mut slots, &lanes);
    let given = given_out(&mut slots, &lanes);
    assert_eq!((count(&given, 0), count(&given, 1)), (3, 7));
}

#[test]
fn suspects_never_take_all_that_unknown_endpoints_may_have() {
    // Half is reserved by a class that is idle, and only those that answered last may borrow of it.
    let classes = [class("standard", 0, 10), class("vip", 5, 10)];
    let mut slots = Slots::new(10, 5, &classes);
    let lanes = [(0, Trust::Suspect), (0, Trust::Cold)];
    with(&mut slots, &lanes[..1]);
    assert_eq!(given_out(&mut slots, &lanes).len(), 2, "half of what nobody reserved");
    let turn = slots.turn(id(0), NOW, 1);
    slots.enter(Spot { class: id(0), trust: Trust::Cold, turn }, 1);
    let given = given_out(&mut slots, &lanes);
    assert_eq!((count(&given, 0), count(&given, 1)), (0, 3));
}

#[test]
fn suspects_of_a_class_leave_a_part_of_its_reserve_and_of_its_largest_share() {
    let classes = [class("standard", 0, 10), class("vip", 4, 10), class("bulk", 0, 2)];
    let mut slots = Slots::new(10, 5, &classes);
    let lanes = [(0, Trust::Suspect), (1, Trust::Suspect), (2, Trust::Suspect)];
    with(&mut slots, &lanes);
    let given = given_out(&mut slots, &lanes);
    assert_eq!(given.len(), 5, "{given:?}");
    assert!(count(&given, 1) >= 2 && count(&given, 2) == 1, "{given:?}");
}

#[test]
fn a_class_gets_its_reserve_and_no_more_than_its_share() {
    let classes = [class("standard", 0, 8), class("vip", 4, 10)];
    let mut slots = Slots::new(10, 10, &classes);
    let lanes = [(0, Trust::Cold), (1, Trust::Cold)];
    with(&mut slots, &lanes);
    let given = given_out(&mut slots, &lanes);
    assert_eq!(given.len(), 10);
    assert!(count(&given, 1) >= 4, "{given:?}");
    let mut slots = Slots::new(10, 10, &classes);
    with(&mut slots, &lanes[..1]);
    assert_eq!(given_out(&mut slots, &lanes).len(), 6, "what nobody reserved");
}

#[test]
fn what_an_idle_class_has_reserved_is_lent_to_endpoints_that_answer_and_to_no_others() {
    let classes = [class("standard", 0, 8), class("vip", 4, 10)];
    for (trust, expected) in [(Trust::Warm, 8), (Trust::Cold, 6), (Trust::Suspect, 6)] {
        let mut slots = Slots::new(10, 10, &classes);
        let lanes = [(0, trust)];
        with(&mut slots, &lanes);
        assert_eq!(given_out(&mut slots, &lanes).len(), expected, "{trust:?}");
    }
}

#[test]
fn a_class_gets_what_it_lent_back_as_the_attempts_end() {
    let classes = [class("standard", 0, 10), class("vip", 4, 10)];
    let mut slots = Slots::new(10, 10, &classes);
    let lanes = [(0, Trust::Warm), (1, Trust::Warm)];
    with(&mut slots, &lanes[..1]);
    assert_eq!(given_out(&mut slots, &lanes).len(), 10);
    let turn = slots.turn(id(1), NOW, 1);
    slots.enter(Spot { class: id(1), trust: Trust::Warm, turn }, 1);
    slots.add(id(1), Trust::Warm, Demand { in_flight: 0, startable: 4 });
    assert!(!slots.has_hungry() && slots.next(NOW).is_none());
    for _ in 0..4 {
        slots.subtract(id(0), Trust::Warm, Demand { in_flight: 1, startable: 0 });
        assert_eq!(slots.next(NOW), Some(1));
        slots.add(id(1), Trust::Warm, Demand { in_flight: 1, startable: 0 });
    }
}

#[test]
fn classes_without_a_reserve_share_evenly() {
    let classes = [class("a", 0, 10), class("b", 0, 10)];
    let mut slots = Slots::new(10, 10, &classes);
    let lanes = [(0, Trust::Cold), (1, Trust::Cold)];
    with(&mut slots, &lanes);
    let given = given_out(&mut slots, &lanes);
    assert_eq!((count(&given, 0), count(&given, 1)), (5, 5));
}

#[test]
fn a_class_by_age_lets_the_oldest_event_go_first() {
    let by_age = Class { method: Method::Fifo, ..Class::standard() };
    let mut slots = Slots::new(10, 10, &[by_age]);
    for (lane, age) in [(0, 5), (1, 9), (2, 7)] {
        let accepted = Timestamp::from_millis(NOW.as_millis() - age);
        let turn = slots.turn(id(0), accepted, lane as u64);
        slots.enter(Spot { class: id(0), trust: Trust::Cold, turn }, lane);
    }
    assert_eq!(slots.next(NOW), Some(1));
}

#[test]
fn a_class_that_is_not_configured_any_more_is_standard() {
    let slots = Slots::new(1, 1, &[Class::standard()]);
    assert_eq!([1, 7].map(|place| slots.class(id(place))), [id(0); 2]);
}

#[test]
fn a_cold_endpoint_takes_its_class_s_reserve_and_nothing_of_anothers() {
    let classes = [class("a", 5, 10), class("b", 5, 10)];
    for (trust, expected) in [(Trust::Cold, 5), (Trust::Suspect, 2)] {
        let mut slots = Slots::new(10, 5, &classes);
        let lanes = [(0, trust)];
        with(&mut slots, &lanes);
        assert_eq!(given_out(&mut slots, &lanes).len(), expected, "{trust:?}");
    }
}

#[test]
fn suspects_have_their_part_of_a_largest_share_and_one_slot_at_least() {
    for (most, suspects, expected) in [(4, 5, 2), (2, 1, 1)] {
        let mut slots = Slots::new(10, suspects, &[class("a", 0, most)]);
        let lanes = [(0, Trust::Suspect)];
        with(&mut slots, &lanes);
        assert_eq!(given_out(&mut slots, &lanes).len(), expected, "{most} of 10");
    }
}

#[test]
fn suspects_of_all_classes_together_have_no_more_than_their_slots() {
    let classes = [class("a", 2, 10), class("b", 2, 10), class("c", 2, 10)];
    let lanes = [0, 1, 2].map(|class| (class, Trust::Suspect));
    let mut slots = Slots::new(10, 1, &classes);
    with(&mut slots, &lanes);
    assert_eq!(given_out(&mut slots, &lanes).len(), 1, "though each class has one at least");
}

#[test]
fn classes_are_told_apart_where_one_has_a_reserve() {
    assert!(Slots::new(10, 5, &[class("a", 5, 10)]).has_reserves());
    assert!(!Slots::new(10, 5, &[class("a", 0, 10)]).has_reserves());
}

/// How many of two thousand are sent away for 5 s, if anybody can tell, after a hundred attempts a second
/// have ended while so many ran and waited.
fn soon(trust: Trust, in_flight: usize, startable: usize) -> Option<usize> {
    let mut slots = Slots::new(20, 10, &[class("a", 0, 10)]);
    slots.add(id(0), trust, Demand { in_flight, startable });
    for attempt in 0..=200 {
        slots.ended(id(0), trust, NOW + Span::from_millis(attempt * 10), Span::ZERO);
    }
    let parking = Parking { ladder: &Ladder::default(), longest: Span::from_secs(1_800), room: 0 };
    let now = NOW + Span::from_secs(2);
    let mut send = || {
        let grade = slots.parking_grade(id(0), trust, now, parking)?;
        slots.backlog(id(0), trust).sent_away(now, now + grade.delay());
        Some(grade)
    };
    let delays: Option<Vec<_>> = (0..2_000).map(|_| Some(send()?.delay())).collect();
    Some(delays?.iter().filter(|delay| **delay == Span::from_secs(5)).count())
}

#[test]
fn the_wait_for_a_slot_goes_by_how_fast_attempts_end_while_there_is_work() {
    for trust in [Trust::Warm, Trust::Suspect] {
        for (in_flight, startable) in [(1, 1), (1, 0), (0, 1)] {
            let soon = soon(trust, in_flight, startable);
            assert_eq!(soon, Some(1_000), "{trust:?}: what is done until 15 s");
        }
    }
    let unknown = [Trust::Warm, Trust::Suspect].map(|trust| soon(trust, 0, 0));
    let ten_a_second = "suspects are taken for ones that hang: ten slots end ten a second";
    assert_eq!(unknown, [None, Some(100)], "{ten_a_second}");
}

#[test]
fn what_comes_back_elsewhere_is_not_waited_for() {
    let mut slots = Slots::new(20, 10, &[class("a", 0, 10)]);
    let parking = Parking { ladder: &Ladder::default(), longest: Span::from_secs(1_800), room: 0 };
    let soon = |slots: &mut Slots| {
        let mut send = || {
            let grade = slots.parking_grade(id(0), Trust::Suspect, NOW, parking).unwrap();
            slots.backlog(id(0), Trust::Suspect).sent_away(NOW, NOW + grade.delay());
            grade.delay()
        };
        (0..500).filter(|_| send() == Span::from_secs(5)).count()
    };
    assert_eq!([soon(&mut slots), soon(&mut slots)], [100, 0]);
    slots.forget_returns();
    assert_eq!(soon(&mut slots), 100);
}

#[test]
fn while_attempts_trickle_reserves_that_nobody_wants_keep_nobody_from_them() {
    // As the flood brake does it: fewer slots than are reserved.
    let classes = [class("standard", 0, 40), class("vip", 10, 40)];
    for trust in [Trust::Cold, Trust::Suspect] {
        let mut slots = Slots::new(40, 40, &classes);
        slots.set_limit(8);
        let lanes = [(0, trust)];
        with(&mut slots, &lanes);
        assert_eq!(given_out(&mut slots, &lanes), [0; 8], "{trust:?}");
    }
}

#[test]
fn suspects_begin_in_ten_steps_of_five_milliseconds_and_a_few_in_each_at_most() {
    let few = [(10, 5), (50, 5), (51, 6), (300, 30), (10_000, 40)];
    let few = few.map(|(waiting, at_once)| (waiting, 480, at_once));
    for (waiting, limit, at_once) in [&few[..], &[(10_000, 600, 50), (10_000, 6_000, 500)]].concat()
    {
        let mut slots = Slots::new(2 * limit, limit, &[Class::standard()]);
        // The lane itself is one that waits for good.
        with(&mut slots, &[(0, Trust::Suspect)]);
        let demand = |in_flight, startable| Demand { in_flight, startable };
        slots.add(id(0), Trust::Suspect, demand(0, waiting - 1));
        let mut begun = 0;
        while slots.next(NOW).is_some() {
            slots.begun(Trust::Suspect, NOW);
            slots.subtract(id(0), Trust::Suspect, demand(0, 1));
            slots.add(id(0), Trust::Suspect, demand(1, 0));
            begun += 1;
        }
        assert_eq!(begun, at_once, "of {waiting} that wait, with {limit} slots");
        let next = NOW + Span::from_millis(5);
        assert_eq!(slots.next_suspects(NOW), Some(next));
        assert_eq!(slots.next_suspects(NOW), None, "told already");
        assert_eq!(slots.next(NOW + Span::from_millis(4)), None, "in the same step");
        assert!(slots.next(next).is_some());
    }
}

/// When so many of a thousand that wait begin, in milliseconds, where each runs for so long.
fn begin(limit: usize, runs: u64, count: usize) -> Vec<u64> {
    let mut slots = Slots::new(2 * limit, limit, &[Class::standard()]);
    with(&mut slots, &[(0, Trust::Suspect)]);
    let demand = |in_flight, startable| Demand { in_flight, startable };
    slots.add(id(0), Trust::Suspect, demand(0, 1_000));
    (0..64).for_each(|_| slots.ended(id(0), Trust::Suspect, NOW, Span::from_millis(runs)));
    let (mut now, mut begun) = (NOW, Vec::new());
    while begun.len() < count {
        if slots.next(now).is_some() {
            slots.begun(Trust::Suspect, now);
            begun.push(now.since(NOW).as_millis());
        } else {
            now = now + Span::from_millis(1);
        }
    }
    begun
}

#[test]
fn suspects_that_hang_begin_as_slots_become_free_and_not_together() {
    assert_eq!(begin(1_000, 3_000, 5), [0, 0, 5, 5, 10], "a thousand in three seconds");
    assert_eq!(begin(1_000, 8_000, 4), [0, 8, 16, 24], "one, when one becomes free");
    assert_eq!(begin(100, 50, 21)[9..], [[0].as_slice(), &[5; 10], &[10]].concat());
    assert_eq!(begin(8, 3_000, 5), [0, 10, 20, 30, 40], "nobody waits for longer");
    assert_eq!(begin(1_000, 5, 84)[82..], [0, 5], "these answer at once");
}
