//! The kinds of faults, and what a round has of them: from the seed alone.

use std::time::Duration;

use super::{dice::Dice, doors::DOORS};

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// kill -9 of a worker.
    WorkerKilled,
    /// A worker ends at a fail point, by its number in `fail_point::Point::ALL`.
    FailPoint(usize),
    /// A worker stands still past its session, and goes on.
    Zombie,
    /// A worker stands still for less.
    WorkerFrozen,
    /// Workers come and go by SIGTERM.
    Churn,
    /// A worker's clock is wrong.
    ClockShifted,
    /// kill -9 of a broker that coordinates no group.
    BrokerKilled,
    /// kill -9 of the one that does.
    CoordinatorKilled,
    /// A broker stands still.
    BrokerFrozen,
    /// A broker is slow: it gets a tenth of the time.
    BrokerSlow,
    /// The disk of a broker is full, so that it halts.
    BrokerDiskFull,
    /// A grade takes no writes, for want of replicas.
    GradeRefuses,
    /// A grade takes only small records.
    GradeSmall,
    /// Merchants have other manners, by number in `MANNERS`.
    Merchants(usize),
    /// Merchants are at addresses where nobody can be told, by number in `DOORS`.
    Addresses(usize),
    /// What is no event.
    Poison,
    /// Events of a merchant that nobody knows.
    UnknownMerchant,
    /// Events larger than may be.
    TooLarge,
}

/// Names of the manners of merchants that go wrong; the nemesis knows what they are.
pub const MANNERS: [&str; 11] = [
    "black-hole",
    "reset-before-answer",
    "reset-within-body",
    "reset-after-body",
    "slow-head",
    "slow-body",
    "endless-body",
    "interim-flood",
    "status-500",
    "retry-after-years",
    "wrong-body",
];

/// One fault of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// From the beginning of the load.
    pub begins: Duration,
    pub ends: Duration,
    /// Whom it meets, and how: read by the nemesis as it likes.
    pub who: u64,
}

impl Kind {
    /// The name under which it is counted.
    pub fn word(self) -> String {
        let word = match self {
            Self::FailPoint(index) => {
                return format!("fail-point-{}", paynotify::fail_point::Point::ALL[index].1);
            }
            Self::Merchants(index) => return format!("merchant-{}", MANNERS[index]),
            Self::Addresses(index) => return format!("merchant-{}", DOORS[index]),
            Self::WorkerKilled => "worker-killed",
            Self::Zombie => "worker-zombie",
            Self::WorkerFrozen => "worker-frozen",
            Self::Churn => "worker-churn",
            Self::ClockShifted => "worker-clock-shifted",
            Self::BrokerKilled => "broker-killed",
            Self::CoordinatorKilled => "coordinator-killed",
            Self::BrokerFrozen => "broker-frozen",
            Self::BrokerSlow => "broker-slow",
            Self::BrokerDiskFull => "broker-disk-full",
            Self::GradeRefuses => "grade-refuses-writes",
            Self::GradeSmall => "grade-takes-small-records",
            Self::Poison => "poison",
            Self::UnknownMerchant => "unknown-merchant",
            Self::TooLarge => "too-large-event",
        };
        word.to_owned()
    }

    /// How long it lasts, in milliseconds; what a session allows is three seconds.
    fn lasts(self, dice: &mut Dice) -> u64 {
        match self {
            Self::Zombie => dice.between(4_200, 5_000),
            Self::WorkerFrozen => dice.between(300, 1_200),
            Self::BrokerFrozen => dice.between(800, 2_500),
            Self::BrokerSlow => dice.between(1_500, 3_000),
            Self::Merchants(_) => dice.between(800, 2_000),
            // A file of merchants is looked at once a second.
            Self::Addresses(_) => dice.between(2_000, 3_000),
            // A worker starts and joins before it reaches a point.
            Self::FailPoint(_) => dice.between(3_500, 4_500),
            Self::Churn | Self::ClockShifted => dice.between(1_500, 2_500),
            _ => dice.between(1_000, 2_000),
        }
    }

    /// Brokers and topics bear one such fault at a time.
    fn needs_all_brokers(self) -> bool {
        matches!(
            self,
            Self::BrokerKilled
                | Self::CoordinatorKilled
                | Self::BrokerFrozen
                | Self::BrokerSlow
                | Self::BrokerDiskFull
                | Self::GradeRefuses
                | Self::GradeSmall
        )
    }
}

/// Faults of our own machines: each round has at least one.
fn ours() -> Vec<Kind> {
    let mut all = vec![
        Kind::WorkerKilled,
        Kind::Zombie,
        Kind::WorkerFrozen,
        Kind::Churn,
        Kind::BrokerKilled,
        Kind::CoordinatorKilled,
        Kind::BrokerFrozen,
        Kind::BrokerSlow,
        Kind::BrokerDiskFull,
        Kind::GradeRefuses,
        Kind::GradeSmall,
    ];
    if cfg!(feature = "fail-points") {
        all.push(Kind::ClockShifted);
        all.extend((0..paynotify::fail_point::Point::ALL.len()).map(Kind::FailPoint));
    }
    all
}

/// Faults of everybody else.
fn theirs() -> Vec<Kind> {
    let mut all = vec![Kind::Poison, Kind::UnknownMerchant, Kind::TooLarge];
    all.extend((0..MANNERS.len()).map(Kind::Merchants));
    all.extend((0..DOORS.len()).map(Kind::Addresses));
    all
}

/// The faults of a round, in order of their beginnings. Rounds in turn have every kind: a seed
/// shuffles them, and deals them out.
pub fn draw(seed: u64, round: u64) -> Vec<Fault> {
    let mut dice = Dice::new(seed, &format!("faults of round {round}"));
    let mut kinds = vec![dealt(seed, "ours", &ours(), round)];
    let more = dealt(seed, "more of ours", &ours(), round);
    if more != kinds[0] && !(more.needs_all_brokers() && kinds[0].needs_all_brokers()) {
        kinds.push(more);
    }
    kinds.extend((0..2).map(|turn| dealt(seed, "theirs", &theirs(), 2 * round + turn)));
    let mut faults: Vec<_> = kinds
        .into_iter()
        .map(|kind| {
            let begins = dice.between(200, 1_500);
            let ends = begins + kind.lasts(&mut dice);
            let (begins, ends) = (Duration::from_millis(begins), Duration::from_millis(ends));
            Fault { kind, begins, ends, who: dice.below(u64::MAX) }
        })
        .collect();
    faults.sort_by_key(|fault| fault.begins);
    faults
}

/// The card number `turn` of an endless row of packs, each shuffled anew.
fn dealt(seed: u64, pack: &str, of: &[Kind], turn: u64) -> Kind {
    let count = of.len() as u64;
    let mut dice = Dice::new(seed, &format!("{pack} {}", turn / count));
    let mut cards = of.to_vec();
    for last in (1..cards.len()).rev() {
        cards.swap(last, dice.index(last + 1));
    }
    cards[usize::try_from(turn % count).unwrap()]
}
