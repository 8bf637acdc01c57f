//! Sentences about the watchdog, and what it never does.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A watchdog, and a Kafka that answers or not.
struct Watch {
    dog: Watchdog,
    kafka_answers: bool,
    seconds: u64,
}

impl Watch {
    fn new() -> Self {
        Self { dog: Watchdog::new(Deadlines::default()), kafka_answers: true, seconds: 0 }
    }

    /// Looks once a second with a fault that grows, until something but a question follows.
    fn until_step(&mut self, ages: impl Fn(Duration) -> Ages, seconds: u64) -> (Step, u64) {
        for second in 1..=seconds {
            self.seconds += 1;
            match self.dog.look(SECOND, &ages(SECOND * u32::try_from(second).unwrap())) {
                Step::Nothing => {}
                Step::Ask(fault) => self.dog.heard(fault.client(), self.kafka_answers),
                step => return (step, second),
            }
        }
        (Step::Nothing, seconds)
    }
}

fn ages(fault: Fault, age: Duration) -> Ages {
    let of = |one| (one == fault).then_some(age);
    Ages {
        head: of(Fault::Head),
        commit: of(Fault::Commit),
        poll: of(Fault::Poll),
        connection: of(Fault::Connection),
        acknowledgement: of(Fault::Acknowledgement),
        kafka_takes_no_commits: false,
    }
}

#[test]
fn each_fault_is_told_after_its_deadline_and_its_client_built_anew_after_half_a_minute_more() {
    for (fault, deadline, client) in [
        (Fault::Head, 60, Client::Consumer),
        (Fault::Commit, 30, Client::Consumer),
        (Fault::Poll, 10, Client::Consumer),
        (Fault::Connection, 15, Client::Consumer),
        (Fault::Acknowledgement, 15, Client::Producer),
    ] {
        let mut watch = Watch::new();
        watch.until_step(|age| ages(fault, age), deadline);
        assert!(!watch.dog.stands(fault), "{fault:?} after {deadline} s");
        watch.dog.look(SECOND, &ages(fault, Duration::from_secs(deadline + 1)));
        assert!(watch.dog.stands(fault), "{fault:?} after a second more");
        let mut watch = Watch::new();
        let (step, after) = watch.until_step(|age| ages(fault, age), 1_000);
        assert_eq!(step, Step::Rebuild(fault));
        assert_eq!(fault.client(), client);
        assert!((deadline + 30..deadline + 35).contains(&after), "{fault:?} after {after} s");
    }
}

#[test]
fn a_client_that_was_built_anew_in_vain_ends_the_worker() {
    for fault in Fault::ALL {
        let mut watch = Watch::new();
        assert_eq!(watch.until_step(|age| ages(fault, age), 200).0, Step::Rebuild(fault));
        watch.dog.rebuilt(fault.client());
        let (step, after) = watch.until_step(|age| ages(fault, age), 200);
        assert_eq!(step, Step::Exit(fault), "after {after} s");
        assert!(after <= 95, "after {after} s");
    }
}

#[test]
fn a_client_that_works_for_long_after_a_rebuild_gets_another_one() {
    let mut watch = Watch::new();
    watch.until_step(|age| ages(Fault::Head, age), 200);
    watch.dog.rebuilt(Client::Consumer);
    assert_eq!(watch.until_step(|_| Ages::default(), 600).0, Step::Nothing);
    let (step, _) = watch.until_step(|age| ages(Fault::Head, age), 200);
    assert_eq!(step, Step::Rebuild(Fault::Head));
}

#[test]
fn kafka_away_for_a_day_is_told_and_nothing_else_follows() {
    for fault in Fault::ALL {
        let mut watch = Watch::new();
        watch.kafka_answers = false;
        assert_eq!(watch.until_step(|age| ages(fault, age), 86_400).0, Step::Nothing);
        assert!(watch.dog.stands(fault));
        // When it is back, the client has some time to find it.
        watch.kafka_answers = true;
        let day = 86_400 * SECOND;
        assert_eq!(watch.until_step(|age| ages(fault, day + age), 30).0, Step::Nothing);
        assert_eq!(watch.until_step(|_| Ages::default(), 1_000).0, Step::Nothing);
    }
}

#[test]
fn a_coordinator_that_takes_no_commits_for_an_hour_is_kafkas_own_fault() {
    let mut watch = Watch::new();
    let refused = |age| Ages { kafka_takes_no_commits: true, ..ages(Fault::Commit, age) };
    assert_eq!(watch.until_step(refused, 3_600).0, Step::Nothing);
}

#[test]
fn a_worker_that_was_frozen_for_an_hour_is_given_time_to_look() {
    let mut watch = Watch::new();
    let frozen = ages(Fault::Poll, 3_600 * SECOND);
    assert_eq!(watch.dog.look(3_600 * SECOND, &frozen), Step::Ask(Fault::Poll));
    watch.dog.heard(Client::Consumer, true);
    assert_eq!(watch.dog.look(3_600 * SECOND, &frozen), Step::Nothing);
}

#[test]
fn a_client_that_fails_for_good_is_built_anew_three_times_with_longer_pauses() {
    let mut dog = Watchdog::new(Deadlines::default());
    let pauses: Vec<_> = (0..4).map(|_| dog.failed(Client::Producer)).collect();
    assert_eq!(pauses, [Some(SECOND), Some(2 * SECOND), Some(4 * SECOND), None]);
    assert_eq!(dog.failed(Client::Consumer), Some(SECOND), "each client for itself");
    for _ in 0..600 {
        dog.look(SECOND, &Ages::default());
    }
    assert_eq!(dog.failed(Client::Producer), Some(SECOND), "and after ten minutes anew");
}

#[test]
fn a_fault_counts_anew_once_kafka_was_away_though_only_between_two_looks() {
    let deadlines = Deadlines { confirm: 10 * SECOND, ..Deadlines::default() };
    let mut dog = Watchdog::new(deadlines);
    let fault = ages(Fault::Poll, 11 * SECOND);
    let look = |dog: &mut Watchdog| dog.look(SECOND, &fault);
    assert_eq!(look(&mut dog), Step::Ask(Fault::Poll));
    dog.heard(Client::Consumer, true);
    (0..9).for_each(|_| assert_ne!(look(&mut dog), Step::Rebuild(Fault::Poll)));
    dog.heard(Client::Consumer, false);
    dog.heard(Client::Consumer, true);
    (0..9).for_each(|_| assert_ne!(look(&mut dog), Step::Rebuild(Fault::Poll)));
    assert_eq!(look(&mut dog), Step::Rebuild(Fault::Poll));
}

/// What may happen to a watchdog.
#[derive(Debug, Clone)]
enum Happening {
    Look { millis: u64, fault: Option<Fault>, age: u64, refused: bool },
    Heard(Client, bool),
    Rebuilt(Client),
    Failed(Client),
}

fn happening() -> impl Strategy<Value = Happening> {
    let client = || prop_oneof![Just(Client::Consumer), Just(Client::Producer)];
    let fault = prop::sample::select(Fault::ALL.to_vec());
    prop_oneof![
        30 => (0..10_000_u64, prop::option::weighted(0.98, fault), 0..10_000_u64, prop::bool::weighted(0.1))
            .prop_map(|(millis, fault, age, refused)| Happening::Look { millis, fault, age, refused }),
        5 => (client(), prop::bool::weighted(0.9)).prop_map(|(client, answers)| Happening::Heard(client, answers)),
        2 => client().prop_map(Happening::Rebuilt),
        1 => client().prop_map(Happening::Failed),
    ]
}

/// What is known of a client from outside.
#[derive(Default)]
struct Known {
    /// Time watched since Kafka last answered without a word to the contrary.
    answering_for: Option<Duration>,
    /// Time watched since it was built anew for a fault.
    since_rebuild: Option<Duration>,
    rebuilding: bool,
}

proptest! {
    /// Nothing is done to a client unless Kafka has answered for long enough; a client is built anew
    /// at most once in a window, and the worker never ends without that.
    #[test]
    fn kafka_answers_before_anything_is_done_and_a_rebuild_comes_before_an_end(
        happenings in prop::collection::vec(happening(), 1..400),
    ) {
        let deadlines = Deadlines { window: 60 * SECOND, confirm: 10 * SECOND, ..Deadlines::default() };
        let mut dog = Watchdog::new(deadlines);
        let mut known = [Known::default(), Known::default()];
        for happening in happenings {
            match happening {
                Happening::Heard(client, answers) => {
                    dog.heard(client, answers);
                    let one = &mut known[client as usize];
                    one.answering_for = if answers { one.answering_for.or(Some(Duration::ZERO)) } else { None };
                }
                Happening::Rebuilt(client) => {
                    dog.rebuilt(client);
                    known[client as usize].rebuilding = false;
                    known[client as usize].answering_for = None;
                }
                Happening::Failed(client) => {
                    known[client as usize].rebuilding |= dog.failed(client).is_some();
                }
                Happening::Look { millis, fault, age, refused } => {
                    let passed = Duration::from_millis(millis);
                    for one in &mut known {
                        let counted = passed.min(LONGEST_LOOK);
                        one.answering_for = one.answering_for.map(|since| since + counted);
                        one.since_rebuild = one.since_rebuild.map(|since| since + counted);
                    }
                    let seen = fault.map_or_else(Ages::default, |fault| ages(fault, Duration::from_secs(age)));
                    let step = dog.look(passed, &Ages { kafka_takes_no_commits: refused, ..seen });
                    let (Step::Rebuild(of) | Step::Exit(of)) = step else { continue };
                    let one = &mut known[of.client() as usize];
                    prop_assert!(!one.rebuilding, "{step:?} while it is built anew");
                    prop_assert!(one.answering_for >= Some(deadlines.confirm), "{step:?} though Kafka is away");
                    prop_assert!(!refused || of != Fault::Commit, "{step:?} for what Kafka refuses");
                    let lately = one.since_rebuild.is_some_and(|since| since < deadlines.window);
                    if matches!(step, Step::Exit(_)) {
                        prop_assert!(lately, "an end without a rebuild");
                        break;
                    }
                    prop_assert!(!lately, "two rebuilds in one window");
                    one.since_rebuild = Some(Duration::ZERO);
                    one.rebuilding = true;
                }
            }
        }
    }
}
