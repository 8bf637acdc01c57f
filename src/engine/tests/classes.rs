//! One class floods, another has a reserve.

use super::scenario::*;
use crate::{engine::*, model::*};

/// Five slots that nobody reserved, and five of a class that is idle; so many endpoints of the other.
fn reserved(bulk: usize) -> (Scenario, Vec<String>) {
    let class = |name: &str, reserved, most| Class {
        name: name.to_owned(),
        reserved,
        most,
        method: Method::Fair,
    };
    let mut given = Scenario::with(Settings {
        max_in_flight: 10,
        max_suspects: 10,
        classes: vec![class("standard", 0, 10), class("vip", 5, 10)],
        hold: HoldBounds { records: 20, bytes: 1 << 20, with_directory: usize::MAX },
        ..settings()
    });
    let vip = Policy { class: ClassId::at(1).unwrap(), ..policy(&[5]) };
    given.know(merchant("vip", vec![endpoint("main", vip)]));
    let bulk: Vec<String> = (0..bulk).map(|at| format!("bulk-{at}")).collect();
    for name in &bulk {
        given.know(merchant(name, vec![endpoint("main", policy(&[5]))]));
    }
    (given, bulk)
}

#[test]
fn a_flood_of_one_class_is_parked_where_another_has_a_reserve_to_fill() {
    let (mut given, bulk) = reserved(50);
    for name in &bulk {
        given.read(completions(0), name);
        for route in std::mem::take(&mut given.routes) {
            assert_eq!(route.envelope.parked, 1);
            given.routed(&route);
        }
    }
    given.read(completions(0), "vip");
    let begun: Vec<_> = given.attempts.iter().map(|one| one.event.merchant.as_str()).collect();
    assert!(begun.contains(&"vip"), "it neither waits to be read nor for a slot: {begun:?}");
    assert_eq!(begun.len(), 6, "five slots that nobody reserved, and the reserve");
    let status = given.engine.status(given.now, 1);
    assert_eq!(status.classes[0].in_flight, 5);
    assert!(status.partitions[0].taking);
}

#[test]
fn a_class_that_has_its_reserve_leaves_the_flood_of_another_where_it_is() {
    let (mut given, bulk) = reserved(18);
    for _ in 0..5 {
        given.read(completions(0), "vip");
    }
    for name in &bulk {
        given.read(completions(0), name);
    }
    assert_eq!(given.attempts.len(), 10, "all slots");
    assert!(
        given.routes.is_empty(),
        "13 wait, more than half of what may be held, for slots alone"
    );
}

#[test]
fn what_a_flooded_class_parks_comes_back_when_it_may_have_a_turn_and_climbs_where_it_has_none() {
    let (mut given, bulk) = reserved(300);
    let mut parked = Vec::new();
    for name in &bulk {
        given.read(completions(0), name);
        for route in std::mem::take(&mut given.routes) {
            given.routed(&route);
            parked.push(route);
        }
    }
    let on = |delay, routes: &[Route]| {
        routes.iter().filter(|route| route.to == Destination::Grade(grade(delay))).count()
    };
    assert_eq!(on(5, &parked), 285, "nobody knows how long they would wait");
    given.pass(seconds(5));
    let mut again = Vec::new();
    for route in parked.iter().filter(|route| route.to == Destination::Grade(grade(5))) {
        given.return_route(route);
    }
    given.pass(seconds(5));
    assert_eq!(given.routes.len(), 1, "one in a millisecond goes where it came from");
    given.pass(seconds(1));
    for route in std::mem::take(&mut given.routes) {
        given.routed(&route);
        again.push(route);
    }
    assert!(again.len() > 40, "nobody had a turn");
    assert_eq!(on(5, &again), 0, "it was wrong to come back so soon");
}
