//! What follows from a client of Kafka that does not do its work (decision 21 of the design): nothing,
//! a question to Kafka, a new client, or the end of the worker. Pure: no clock, no I/O; how much time
//! has passed is an argument.
//!
//! A fault stands when it is older than its deadline. It counts against the client only while Kafka
//! answers somebody else, so Kafka being away is never a reason to do anything.

pub mod heads;
pub mod silence;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

/// A client of Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// It reads and commits.
    Consumer,
    /// It routes.
    Producer,
}

/// What a client can fail to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing moves in a partition that could move.
    Head,
    /// What is finished is not committed.
    Commit,
    /// The consumer's thread does not come round.
    Poll,
    /// The consumer finds no broker that answers.
    Connection,
    /// Nothing that was sent is acknowledged.
    Acknowledgement,
}

/// How long is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A head that could move and does not.
    pub head: Duration,
    /// A finished offset without a commit.
    pub commit: Duration,
    /// A consumer that does not poll.
    pub poll: Duration,
    /// A consumer that finds no broker.
    pub connection: Duration,
    /// A producer that nothing is acknowledged to.
    pub acknowledgement: Duration,
    /// How long a fault must stand, with Kafka answering, before its client is built anew: a client
    /// that was cut off needs some time to find back by itself.
    pub confirm: Duration,
    /// Between two questions to Kafka.
    pub ask_again: Duration,
    /// A client that failed again within this time was not helped by being built anew.
    pub window: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(60),
            commit: Duration::from_secs(30),
            poll: Duration::from_secs(10),
            connection: Duration::from_secs(15),
            acknowledgement: Duration::from_secs(15),
            confirm: Duration::from_secs(30),
            ask_again: Duration::from_secs(5),
            window: Duration::from_secs(600),
        }
    }
}

/// How old each fault is, where there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ages {
    pub head: Option<Duration>,
    pub commit: Option<Duration>,
    pub poll: Option<Duration>,
    pub connection: Option<Duration>,
    pub acknowledgement: Option<Duration>,
    /// Kafka said itself that it takes no commits for now.
    pub kafka_takes_no_commits: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Ask Kafka whether it answers; [`Watchdog::heard`] takes what it said.
    Ask(Fault),
    /// Build the fault's client anew; [`Watchdog::rebuilt`] is told when that is done.
    Rebuild(Fault),
    /// That did not help: end the worker.
    Exit(Fault),
}

/// A look counts for no more time than this: a worker that was frozen has watched nothing.
pub const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// A client that fails for good is built anew so often within the window.
const FAILURES: usize = 3;
/// Pause before the first of these rebuilds; doubled before each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches the clients.
#[derive(Debug)]
pub struct Watchdog {
    deadlines: Deadlines,
    /// Time that was watched.
    now: Duration,
    /// How long each standing fault has stood while Kafka answered.
    standing: [Option<Duration>; 5],
    consumer: Watched,
    producer: Watched,
}

/// What is known of one client.
#[derive(Debug, Default)]
struct Watched {
    /// Whether Kafka answered when it was last asked on behalf of this client.
    kafka_answers: bool,
    asked: Option<Duration>,
    asking: bool,
    rebuilding: bool,
    /// When it was last built anew for a fault.
    rebuilt: Option<Duration>,
    /// When it failed for good.
    failed: Vec<Duration>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "nothing moves in a partition, though something could",
            Self::Commit => "finished offsets are not committed",
            Self::Poll => "the consumer does not poll",
            Self::Connection => "the consumer finds no broker",
            Self::Acknowledgement => "the producer gets nothing acknowledged",
        })
    }
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Head, Self::Commit, Self::Poll, Self::Connection, Self::Acknowledgement];

    /// Those of one client.
    fn of(client: Client) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |fault| fault.client() == client)
    }

    /// Whose fault it is.
    pub const fn client(self) -> Client {
        match self {
            Self::Head | Self::Commit | Self::Poll | Self::Connection => Client::Consumer,
            Self::Acknowledgement => Client::Producer,
        }
    }
}

impl Deadlines {
    fn of(&self, fault: Fault) -> Duration {
        match fault {
            Fault::Head => self.head,
            Fault::Commit => self.commit,
            Fault::Poll => self.poll,
            Fault::Connection => self.connection,
            Fault::Acknowledgement => self.acknowledgement,
        }
    }
}

impl Ages {
    pub fn of(&self, fault: Fault) -> Option<Duration> {
        match fault {
            Fault::Head => self.head,
            Fault::Commit => self.commit,
            Fault::Poll => self.poll,
            Fault::Connection => self.connection,
            Fault::Acknowledgement => self.acknowledgement,
        }
    }

    /// Whether somebody else is to blame although Kafka answers.
    fn excuses(&self, fault: Fault) -> bool {
        fault == Fault::Commit && self.kafka_takes_no_commits
    }
}

impl Watchdog {
    pub fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            now: Duration::ZERO,
            standing: [None; 5],
            consumer: Watched::default(),
            producer: Watched::default(),
        }
    }

    /// Looks, so much time after the look before, and says what to do. Faults that stand are told by
    /// [`Watchdog::stands`].
    pub fn look(&mut self, passed: Duration, ages: &Ages) -> Step {
        let passed = passed.min(LONGEST_LOOK);
        self.now += passed;
        for fault in Fault::ALL {
            let deadline = self.deadlines.of(fault);
            let stands = ages.of(fault).is_some_and(|age| age > deadline);
            let counts = self.watched(fault.client()).kafka_answers && !ages.excuses(fault);
            let before = self.standing[fault as usize].unwrap_or_default();
            self.standing[fault as usize] =
                stands.then(|| if counts { before + passed } else { Duration::ZERO });
        }
        for client in [Client::Consumer, Client::Producer] {
            let step = self.step(client);
            if step != Step::Nothing {
                return step;
            }
        }
        Step::Nothing
    }

    /// Whether a fault is older than its deadline.
    pub fn stands(&self, fault: Fault) -> bool {
        self.standing[fault as usize].is_some()
    }

    /// Whether Kafka answered the question that was asked for this client.
    pub fn heard(&mut self, client: Client, answers: bool) {
        let watched = self.watched(client);
        watched.asking = false;
        // What was asked about the client before says nothing of the next one.
        watched.kafka_answers = answers && !watched.rebuilding;
        if !answers {
            // Though it may answer again before the next look.
            for fault in Fault::of(client) {
                let stood = &mut self.standing[fault as usize];
                *stood = stood.map(|_| Duration::ZERO);
            }
        }
    }

    /// A client failed for good. After how long to build it anew; `None` when that has not helped.
    pub fn failed(&mut self, client: Client) -> Option<Duration> {
        let (now, window) = (self.now, self.deadlines.window);
        let watched = self.watched(client);
        watched.failed.retain(|at| now.saturating_sub(*at) < window);
        let tries = watched.failed.len();
        if tries >= FAILURES {
            return None;
        }
        watched.failed.push(now);
        watched.rebuilding = true;
        Some(PAUSE * (1 << tries))
    }

    /// A client was built anew.
    pub fn rebuilt(&mut self, client: Client) {
        let watched = self.watched(client);
        watched.rebuilding = false;
        watched.kafka_answers = false;
        for fault in Fault::of(client) {
            self.standing[fault as usize] = None;
        }
    }

    fn step(&mut self, client: Client) -> Step {
        let longest = Fault::of(client)
            .filter_map(|fault| Some((self.standing[fault as usize]?, fault)))
            .max_by_key(|(stood, _)| *stood);
        let (now, Deadlines { confirm, ask_again, window, .. }) = (self.now, self.deadlines);
        let watched = self.watched(client);
        let Some((stood, fault)) = longest else {
            // The next fault asks anew.
            watched.kafka_answers = false;
            return Step::Nothing;
        };
        if watched.rebuilding {
            return Step::Nothing;
        }
        if watched.kafka_answers && stood >= confirm {
            if watched.rebuilt.is_some_and(|at| now.saturating_sub(at) < window) {
                return Step::Exit(fault);
            }
            watched.rebuilt = Some(now);
            watched.rebuilding = true;
            return Step::Rebuild(fault);
        }
        if watched.asking || watched.asked.is_some_and(|at| now.saturating_sub(at) < ask_again) {
            return Step::Nothing;
        }
        watched.asked = Some(now);
        watched.asking = true;
        Step::Ask(fault)
    }

    fn watched(&mut self, client: Client) -> &mut Watched {
        match client {
            Client::Consumer => &mut self.consumer,
            Client::Producer => &mut self.producer,
        }
    }
}
