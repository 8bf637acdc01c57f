use super::scenario::*;
use crate::engine::{
    breaker::BreakerSettings,
    lane::{DeliveryId, End, Lane, LaneKey, Limits},
};
use crate::model::*;

#[test]
fn a_lane_without_work_says_nothing_about_the_pace_of_its_endpoint() {
    let breaker = BreakerSettings::default();
    let (merchant, endpoint) = (MerchantId::parse("acme").unwrap(), EndpointId::parse("main"));
    let key = LaneKey { merchant, endpoint: endpoint.unwrap(), host: None };
    let limits = Limits::from(&Policy { max_in_flight: 4, ..policy(&[5]) });
    let mut lane = Lane::new(key, 0, limits);
    let mut number = 0..;
    let mut wait = |lane: &mut Lane, now| {
        let waits = (Source::Completions, START, DeliveryId(number.next().unwrap()));
        lane.push(now, waits, 1, &breaker);
    };
    // One after the other, ten a second, for two seconds; and after a minute twice more.
    for (begun, count) in [(START, 20), (START + seconds(60), 2)] {
        for place in 0..count {
            let now = begun + Span::from_millis(100 * place);
            if place == 0 {
                wait(&mut lane, now);
            }
            if place + 1 < count {
                wait(&mut lane, now);
            }
            lane.start(now, lane.waiting.oldest().unwrap(), &breaker);
            let end = End { acknowledged: true, was_slow: false, counts: true };
            lane.attempt_ended(now + Span::from_millis(100), end, &breaker);
        }
        assert!(lane.waiting.is_empty());
    }
    let now = START + seconds(62);
    (0..160).for_each(|_| wait(&mut lane, now));
    let ladder = settings().ladder;
    let found = lane.parking_grade(now, &ladder, seconds(1_800), 0);
    assert_eq!(found, grade(15), "160 take 16 s");
}
