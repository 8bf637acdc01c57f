//! What a seed draws: configuration and faults. Every seed leaves most faults out (swarm testing,
//! Groce and others 2012), so that each can do its worst without the others in its way.

use std::collections::BTreeSet;

use paynotify::{
    engine::{BreakerSettings, HoldBounds, Settings},
    model::{Class, Ladder, Method, Span},
};

use super::{dice::Dice, faults::Fault};

/// The cluster's id.
pub const CLUSTER: &str = "simulated-cluster";

/// What is left out of a world on request, to make its story shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Kinds of faults that do not happen.
    pub off: BTreeSet<Fault>,
    /// Faults at most.
    pub faults: Option<usize>,
    /// Events at most.
    pub events: Option<usize>,
}

/// Everything that is fixed before a world begins.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub cut: Cut,
    /// Kinds of faults that may happen.
    pub faults: Vec<Fault>,
    /// How many do.
    pub fault_count: usize,
    pub settings: Settings,
    /// Partitions of each topic.
    pub indexes: i32,
    pub workers: usize,
    pub merchants: usize,
    pub events: usize,
    /// How long events are published and faults happen.
    pub horizon: Span,
    /// Records that a reader hands over at most at a time.
    pub batch: usize,
    /// Whether rebalances take everything back first.
    pub eager: bool,
    /// Whether records pass through headers as they do in Kafka.
    pub wire: bool,
    /// After so long without a sign of life a member is put out of the group.
    pub session: Span,
    /// Longest way of a message, in milliseconds.
    pub latency: u64,
    /// Control records between others.
    pub control_records: bool,
    /// Of a hundred endpoints so many misbehave from the start.
    pub bad_endpoints: u64,
}

fn ladder(dice: &mut Dice) -> Ladder {
    let ladders: [&[u64]; 7] = [
        &[5_000, 15_000, 30_000],
        &[1_000, 5_000],
        &[2_000],
        &[500, 2_000, 8_000],
        &[5_000, 30_000, 120_000, 600_000],
        &[1_000, 3_000, 10_000, 60_000],
        &[5_000, 15_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000],
    ];
    let chosen = ladders[dice.index(ladders.len())];
    Ladder::new(chosen.iter().copied().map(Span::from_millis).collect()).unwrap()
}

fn classes(dice: &mut Dice, slots: usize) -> Vec<Class> {
    let mut classes = vec![Class::standard()];
    if dice.one_in(3) {
        classes[0].method = Method::Fifo;
    }
    if slots < 2 || !dice.one_in(3) {
        return classes;
    }
    let mut left = slots - 1;
    for name in ["gold", "bulk"] {
        let reserved = dice.count(0, left);
        left -= reserved;
        let most = if dice.one_in(2) { usize::MAX } else { dice.count(reserved.max(1), slots) };
        let method = dice.pick(&[Method::Fair, Method::Fifo]);
        classes.push(Class { name: name.to_owned(), reserved, most, method });
    }
    classes
}

fn settings(dice: &mut Dice, crowd: bool) -> Settings {
    let ladder = ladder(dice);
    let max_in_flight = if crowd { dice.count(8, 32) } else { dice.pick(&[1, 1, 2, 3, 4, 8, 16]) };
    let hold_bytes = dice.pick(&[600, 2_000, 6_000, 1 << 20, 1 << 20, 1 << 20]);
    let hold_records = if crowd { dice.count(16, 64) } else { dice.pick(&[1, 2, 3, 5, 8, 20, 60]) };
    let window = Span::from_secs(dice.pick(&[2, 10, 60]));
    let grace = if crowd { dice.pick(&[1, 5, 30]) } else { dice.pick(&[1, 20, 90, 600]) };
    let longest = dice.pick(&[1_000, 30_000, 600_000, 1_800_000]);
    Settings {
        cluster: CLUSTER.to_owned(),
        max_suspects: dice.count(1, max_in_flight),
        classes: classes(dice, max_in_flight),
        max_in_flight,
        breaker: BreakerSettings {
            failures: u32::try_from(dice.between(1, 6)).unwrap(),
            per_mille: dice.pick(&[300, 500, 800, 1_000]),
            window,
            ramp: Span::from_millis(dice.pick(&[1, 2_000, 20_000, 60_000])),
        },
        flood_brake: crowd || dice.one_in(2),
        lane_records: dice.pick(&[1, 1, 2, 3, 8, 50]),
        hold: HoldBounds { records: hold_records, bytes: hold_bytes, with_directory: usize::MAX },
        unknown_merchant_grace: Span::from_secs(grace),
        longest_parking: Span::from_millis(longest).max(ladder.smallest().delay()),
        ladder,
        commit_interval: Span::from_millis(dice.pick(&[1, 50, 200, 1_000])),
        commit_every: dice.pick(&[1, 2, 10, 500]),
        commit_refresh: Span::from_secs(dice.pick(&[60, 3_600, 43_200])),
    }
}

fn with_directory(dice: &mut Dice) -> usize {
    if dice.one_in(3) { dice.pick(&[0, 2_000, 6_000, 20_000, 1 << 20]) } else { usize::MAX }
}

fn faults(dice: &mut Dice, cut: &Cut) -> Vec<Fault> {
    let percent = dice.pick(&[0, 5, 10, 10, 20, 35, 60, 100]);
    let drawn = Fault::ALL.iter().copied().filter(|_| dice.percent(percent));
    let mut drawn: Vec<Fault> = drawn.collect();
    drawn.retain(|fault| !cut.off.contains(fault));
    drawn
}

impl Plan {
    /// What this seed draws, less what is cut.
    pub fn draw(seed: u64, cut: &Cut) -> Self {
        let mut dice = Dice::new(seed, "plan");
        // The flood brake looks for many endpoints on many hosts.
        let crowd = dice.one_in(16);
        let mut settings = settings(&mut dice, crowd);
        settings.hold.with_directory = with_directory(&mut Dice::new(seed, "memory"));
        let horizon = dice.pick(&[3, 10, 30, 60, 300, 1_800]);
        let events = if crowd { dice.count(60, 200) } else { dice.count(1, 60) };
        let fault_count = dice.count(1, 12);
        let mut plan = Self {
            seed,
            cut: cut.clone(),
            settings,
            indexes: dice.pick(&[1, 2, 2, 3]),
            workers: if dice.one_in(3) { 1 } else { dice.count(2, 4) },
            merchants: if crowd { 24 } else { dice.count(1, 5) },
            events: events.min(cut.events.unwrap_or(usize::MAX)),
            horizon: Span::from_secs(horizon),
            batch: dice.pick(&[1, 1, 2, 5, 16]),
            eager: dice.one_in(3),
            wire: dice.one_in(4),
            session: Span::from_secs(dice.pick(&[6, 10, 45])),
            latency: dice.pick(&[0, 2, 10, 60]),
            control_records: dice.one_in(3),
            bad_endpoints: dice.pick(&[0, 10, 30, 60, 90]),
            fault_count: fault_count.min(cut.faults.unwrap_or(usize::MAX)),
            faults: Vec::new(),
        };
        plan.faults = faults(&mut Dice::new(seed, "faults"), cut);
        if plan.cut.off.contains(&Fault::Merchant) {
            plan.bad_endpoints = 0;
        }
        if crowd {
            // What only a crowd can meet.
            let outages = [Fault::NetworkOutage, Fault::DirectoryGone];
            plan.faults.extend(outages.into_iter().filter(|fault| !cut.off.contains(fault)));
            plan.faults.sort_unstable();
            plan.faults.dedup();
        }
        if plan.faults.is_empty() {
            plan.fault_count = 0;
        }
        plan
    }
}
