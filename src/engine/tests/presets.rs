//! Every published schedule, through engine and ladder on a virtual clock.

use super::scenario::*;
use crate::{engine::*, model::*};

/// When each attempt was made after the first, and how many hops it took in all.
fn played(preset: Preset, jitter: Jitter) -> (Vec<Span>, usize) {
    let ladder = Ladder::default();
    let mut given = Scenario::with(Settings { ladder, ..settings() });
    let (intervals, max_age) = (preset.intervals(), preset.max_age());
    let policy = Policy { intervals, max_age, jitter, ..policy(&[]) };
    given.know(merchant("acme", vec![endpoint("main", policy)]));
    given.read(completions(0), "acme");
    let (mut attempts, mut hops) = (Vec::new(), 0);
    let first = given.now;
    let mut rested = Span::ZERO;
    loop {
        assert!(rested < seconds(60), "nothing wakes what rests in memory");
        if let Some(route) = given.routes.pop() {
            let Destination::Grade(grade) = route.to else {
                assert_eq!(dead(&route).reason, DeadReason::Exhausted);
                return (attempts, hops);
            };
            given.routed(&route);
            given.return_route(&route);
            hops += 1;
            given.pass(grade.delay());
        } else if let Some(attempt) = given.attempts.pop() {
            attempts.push(given.now.since(first));
            rested = Span::ZERO;
            given.answer(attempt.id, 500);
        } else {
            // A rest in memory.
            given.pass(Span::from_millis(1));
            rested = rested.plus(Span::from_millis(1));
        }
    }
}

/// The published times: each interval after the one before.
fn published(preset: Preset) -> Vec<Span> {
    let sum = |sum: &mut Span, interval| {
        *sum = sum.plus(interval);
        Some(*sum)
    };
    std::iter::once(Span::ZERO)
        .chain(preset.intervals().into_iter().scan(Span::ZERO, sum))
        .collect()
}

#[test]
fn every_preset_is_attempted_at_exactly_its_published_times_on_the_default_ladder() {
    let expected_hops = [
        ("adyen", 286),
        ("alipay", 10),
        ("alipay-cross-border", 9),
        ("antom", 9),
        ("dwolla", 20),
        ("hyperswitch", 23),
        ("klarna", 11),
        ("mercado-pago", 23),
        ("mollie", 28),
        ("payu-europe", 44),
        ("standard-webhooks", 23),
        ("stripe-like", 50),
        ("wechat-pay", 18),
    ];
    let played = PRESETS.map(|preset| {
        let (attempts, hops) = played(preset, Jitter::NONE);
        assert_eq!(attempts, published(preset), "{}", preset.name);
        (preset.name, hops)
    });
    assert_eq!(played, expected_hops);
}

#[test]
fn jitter_only_adds_and_never_more_than_its_share_or_the_smallest_grade() {
    let preset = Preset::named("standard-webhooks").unwrap();
    let (attempts, _) = played(preset, Jitter::parse(0.1).unwrap());
    let smallest = Ladder::default().smallest().delay();
    let mut added = 0;
    for (pair, interval) in attempts.windows(2).zip(preset.intervals()) {
        let waited = pair[1].saturating_sub(pair[0]);
        let most = Span::from_millis(interval.as_millis() / 10).min(smallest);
        // On the way a hop may be late by a trifle, which only the last one of a composed interval is.
        let late = Span::from_millis(500).max(Span::from_millis(interval.as_millis() / 100));
        assert!(waited >= interval, "{waited} of {interval}");
        assert!(waited <= interval.plus(most).plus(late), "{waited} of {interval}");
        added += usize::from(waited > interval);
    }
    assert!(added >= 5, "{added} of 9 waits were longer");
}
