use super::scenario::*;
use crate::engine::{
    breaker::BreakerSettings,
    lane::{DeliveryId, End, Lane, LaneKey, Limits},
    returns::Parking,
};
use crate::model::*;

/// A lane and what is done with it.
struct Given {
    lane: Lane,
    breaker: BreakerSettings,
    number: u64,
}

impl Given {
    /// A lane that may run so many at a time.
    fn with_cap(max_in_flight: u32) -> Self {
        let (merchant, endpoint) = (MerchantId::parse("acme").unwrap(), EndpointId::parse("main"));
        let key = LaneKey { merchant, endpoint: endpoint.unwrap(), host: None };
        let limits = Limits::from(&Policy { max_in_flight, ..policy(&[5]) });
        Self { lane: Lane::new(key, 0, limits), breaker: BreakerSettings::default(), number: 0 }
    }

    fn wait(&mut self, now: Timestamp) {
        let waits = (Source::Completions, START, DeliveryId(self.number));
        self.number += 1;
        self.lane.push(now, waits, 1, &self.breaker);
    }

    /// An attempt from `now` for so long.
    fn attempt(&mut self, now: Timestamp, took: Span, acknowledged: bool) {
        self.start(now);
        self.end(now + took, acknowledged);
    }

    fn start(&mut self, now: Timestamp) {
        self.lane.start(now, self.lane.waiting.oldest().unwrap(), &self.breaker);
    }

    fn end(&mut self, now: Timestamp, acknowledged: bool) {
        let end = End { acknowledged, took: Span::ZERO, was_slow: false, counts: true };
        self.lane.attempt_ended(now, end, &self.breaker);
    }

    fn parking_grade(&mut self, now: Timestamp) -> Grade {
        let (ladder, longest) = (&settings().ladder, seconds(1_800));
        self.lane.parking_grade(now, Parking { ladder, longest, room: 0 })
    }
}

#[test]
fn a_lane_without_work_says_nothing_about_the_pace_of_its_endpoint() {
    let mut given = Given::with_cap(4);
    // One after the other, ten a second, for two seconds; and after a minute twice more.
    let took = Span::from_millis(100);
    for (begun, count) in [(START, 20), (START + seconds(60), 2)] {
        for place in 0..count {
            let now = begun + Span::from_millis(100 * place);
            if place == 0 {
                given.wait(now);
            }
            if place + 1 < count {
                given.wait(now);
            }
            given.attempt(now, took, true);
        }
        assert!(given.lane.waiting.is_empty());
    }
    let now = START + seconds(62);
    (0..160).for_each(|_| given.wait(now));
    assert_eq!(given.parking_grade(now), grade(15), "160 take 16 s");
}

/// A lane whose endpoint failed once a second until it got probes alone.
fn failing() -> Given {
    let mut given = Given::with_cap(8);
    (0..600).for_each(|_| given.wait(START));
    for second in 0..30 {
        given.attempt(START + seconds(second), seconds(1), false);
    }
    assert!(given.lane.is_open());
    given
}

/// The same, which acknowledged one 30 seconds after the start.
fn recovered() -> Given {
    let mut given = failing();
    given.attempt(START + seconds(30), Span::ZERO, true);
    given
}

#[test]
fn what_an_endpoint_did_while_it_failed_says_nothing_about_its_pace() {
    let mut given = recovered();
    assert_eq!(given.parking_grade(START + seconds(30)), grade(5), "soon, as nothing is known");
}

#[test]
fn an_endpoint_that_recovers_is_expected_to_do_what_all_its_attempts_can() {
    let mut given = recovered();
    for place in 0..20 {
        let now = START + seconds(30) + Span::from_millis(100 * place);
        given.attempt(now, Span::from_millis(100), true);
    }
    // One of eight may run yet, and ten end each second.
    (0..1_230).for_each(|_| given.wait(START + seconds(32)));
    let waiting = given.lane.waiting.len();
    assert_eq!((waiting, given.parking_grade(START + seconds(32))), (1_779, grade(15)), "22 s");
    let mut steady = Given::with_cap(8);
    (0..200).for_each(|_| steady.wait(START));
    for place in 0..21 {
        steady.attempt(START + Span::from_millis(100 * place), Span::from_millis(100), true);
    }
    assert_eq!(steady.parking_grade(START + seconds(3)), grade(15), "179 take 18 s");
}

#[test]
fn an_endpoint_that_acknowledged_last_is_not_taken_for_one_that_hangs() {
    let mut given = Given::with_cap(8);
    (0..500).for_each(|_| given.wait(START));
    given.start(START);
    given.lane.slowed();
    assert_eq!(given.parking_grade(START), grade(30), "it hangs: eight a second are assumed");
    let end = End { acknowledged: true, took: Span::ZERO, was_slow: true, counts: true };
    given.lane.attempt_ended(START, end, &given.breaker);
    given.start(START);
    given.lane.slowed();
    assert_eq!(given.parking_grade(START), grade(5), "it is slow, and not worse");
}

#[test]
fn attempts_that_ran_since_before_a_recovery_do_not_undo_it() {
    let mut given = failing();
    (27..30).for_each(|second| given.start(START + seconds(second)));
    given.attempt(START + seconds(30), Span::ZERO, true);
    for second in 30..33 {
        given.end(START + seconds(second), false);
        assert_eq!(given.parking_grade(START + seconds(second)), grade(5), "{second}");
    }
}

#[test]
fn an_attempt_that_hangs_while_nothing_waits_says_nothing_about_the_pace() {
    let mut given = Given::with_cap(8);
    for place in 0..5 {
        let now = START + seconds(place);
        given.wait(now);
        given.wait(now);
        given.start(now);
        given.attempt(now, Span::from_millis(10), true);
    }
    assert_eq!((given.lane.in_flight, given.lane.waiting.len()), (5, 0));
    (0..500).for_each(|_| given.wait(START + seconds(5)));
    assert_eq!(given.parking_grade(START + seconds(5)), grade(5), "nothing is known");
}
