//! A consumer whose worker does not listen exceeds `max.poll.interval.ms` in the middle of a
//! rebalance: it is put out of the group, joins again when the worker is back, and loses nothing.

mod support;

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use paynotify::{
    clock::Clock,
    engine::{Commit, Epoch},
    kafka::{
        ClientSettings,
        committer::Error,
        consumer::{Consumer, ConsumerHandle, Input, Read},
    },
    model::{Ladder, Offset, Partition, Source},
    worker::decoder,
};
use support::{
    kafka::Cluster,
    system::{System, poll},
};
use tokio::sync::mpsc::Receiver;

const PARTITIONS: i32 = 2;
/// Completions and three grades.
const ALL: usize = 4 * PARTITIONS as usize;
const DEADLINE: Duration = Duration::from_secs(30);

/// The log, in which librdkafka says that the interval was exceeded.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Resolves every record of completions at once.
struct Member {
    handle: ConsumerHandle,
    inputs: Receiver<Input>,
    held: BTreeMap<Partition, (Epoch, Offset)>,
    seen: BTreeMap<(i32, i64), usize>,
    refused: Vec<Error>,
    lost: usize,
}

impl Member {
    fn join(system: &System, properties: &[(&str, &str)]) -> Self {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings =
            ClientSettings { properties: properties.iter().map(own).collect(), ..system.clients() };
        let ladder = Ladder::new(system.grades.clone()).unwrap();
        let decode = decoder(system.topics(), 1 << 20);
        let (handle, inputs) =
            Consumer::start(&settings, system.topics(), &ladder, None, Clock::new(), decode)
                .unwrap();
        let (held, seen, refused) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { handle, inputs, held, seen, refused, lost: 0 }
    }

    /// Takes whatever is there.
    fn serve(&mut self) {
        while let Ok(input) = self.inputs.try_recv() {
            self.take(input);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Assigned(all) => {
                self.held.extend(all.iter().map(|one| (one.partition, (one.epoch, one.start))));
            }
            Input::Records(records) => {
                for Read { epoch, record } in records {
                    let held = self.held.get_mut(&record.partition);
                    if let Some((_, next)) = held.filter(|held| held.0 == epoch) {
                        *next = record.offset.next();
                        let place = (record.partition.index, record.offset.0);
                        *self.seen.entry(place).or_default() += 1;
                    }
                }
            }
            Input::Revoking { partitions, reply } => {
                let commits = self.positions();
                let going = |commit: &Commit| partitions.contains(&commit.partition);
                // Nobody waits for this any more when the consumer was blocked too long.
                let _ = reply.try_send(commits.into_iter().filter(going).collect());
                self.held.retain(|partition, _| !partitions.contains(partition));
            }
            Input::Lost(partitions) => {
                self.lost += partitions.len();
                self.held.retain(|partition, _| !partitions.contains(partition));
            }
            Input::Committed { result, .. } => self.refused.extend(result.err()),
            Input::Trouble(_) | Input::Healthy => {}
            other => panic!("{other:?}"),
        }
    }

    fn positions(&self) -> Vec<Commit> {
        let held = self.held.iter();
        held.map(|(partition, (epoch, position))| Commit {
            partition: *partition,
            epoch: *epoch,
            position: *position,
            metadata: String::new(),
        })
        .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_exceeds_the_poll_interval_joins_again_and_loses_nothing() {
    let log = Log::start();
    let cluster = Cluster::start(1, &[("group.min.session.timeout.ms", "500")]);
    let system = System::new(cluster.bootstrap(), "poll".to_owned(), PARTITIONS).await;
    let short = [
        ("session.timeout.ms", "800"),
        ("max.poll.interval.ms", "800"),
        ("heartbeat.interval.ms", "200"),
    ];
    let mut blocked = Member::join(&system, &short);
    let publish = |from: usize, to: usize| {
        system.publish(&["a", "b", "c", "d", "e"], (from..to).map(|n| format!("evt_{n}")));
    };
    let joined = poll(DEADLINE, || {
        blocked.serve();
        blocked.held.len() == ALL
    });
    assert!(joined, "{:?}", blocked.held);
    publish(0, 100);
    let all = poll(DEADLINE, || {
        blocked.serve();
        blocked.held.len() == ALL && blocked.seen.len() == 100
    });
    assert!(all, "{} records", blocked.seen.len());
    let stale = blocked.positions();
    let completions = |commit: &Commit| commit.partition.source == Source::Completions;
    let first = stale.iter().find(|commit| completions(commit)).unwrap();
    // One partition is committed, the other is not yet.
    blocked.handle.commit(vec![first.clone()]).unwrap();
    let topic = system.topics().completions();
    let index = usize::try_from(first.partition.index).unwrap();
    let committed = || system.positions(&topic)[index].0 == Some(first.position.0);
    assert!(poll(DEADLINE, committed), "{:?}", system.positions(&topic));

    // From here on nobody serves `blocked`, so giving partitions back takes it longer than 800 ms.
    let session = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "200")];
    let mut heir = Member::join(&system, &session);
    publish(100, 200);
    let taken = poll(DEADLINE, || {
        heir.serve();
        // All of it, or half when the other has joined again by now.
        log.text().contains("MAXPOLL") && heir.held.len() >= ALL / 2
    });
    assert!(taken, "{} held\n{}", heir.held.len(), log.text());

    let shared = poll(DEADLINE, || {
        blocked.serve();
        heir.serve();
        blocked.held.len() == ALL / 2 && heir.held.len() == ALL / 2
    });
    assert!(shared, "{:?} and {:?}\n{}", blocked.held, heir.held, log.text());
    // What it believed before changes nothing.
    blocked.handle.commit(stale).unwrap();
    let refused = poll(DEADLINE, || {
        blocked.serve();
        heir.serve();
        !blocked.refused.is_empty()
    });
    println!("lost {}, refused {:?}", blocked.lost, blocked.refused);
    assert!(refused, "a commit of what was lost is refused");

    publish(200, 300);
    let done = poll(DEADLINE, || {
        for member in [&mut blocked, &mut heir] {
            member.serve();
            let _ = member.handle.commit(member.positions());
        }
        system.positions(&topic).iter().all(|(committed, end)| *committed == Some(*end))
    });
    assert!(done, "{:?}\n{}", system.positions(&topic), log.text());
    let mut seen = blocked.seen;
    for (place, times) in heir.seen {
        *seen.entry(place).or_default() += times;
    }
    assert_eq!(seen.len(), 300, "nothing is lost");
    let extra = seen.values().map(|times| times - 1).sum::<usize>();
    println!("{extra} records twice");
    assert!(extra <= 200, "only what was not committed may come again");
}
