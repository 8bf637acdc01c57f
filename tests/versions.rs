//! Workers of this version and of the next share a group, forward and back. The next version is a
//! member made here: it reads what this one wrote, commits a map of format 2, and puts records with
//! format 2 and a header that this version does not know on the ladder.

mod support;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use paynotify::{
    clock::Clock,
    engine::{Commit, Epoch, OffsetMap},
    envelope::Envelope,
    kafka::{
        consumer::{Consumer, ConsumerHandle, Input},
        producer::{Outgoing, Producer},
    },
    model::{Coordinates, EndpointId, Grade, Header, Ladder, Offset, Partition, Source},
    worker::decoder,
};
use serde_json::json;
use support::{
    kafka::broker,
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, Worker, event, poll},
};
use tokio::sync::mpsc;

const PARTITIONS: i32 = 2;
/// Completions and three grades of one index.
const SHARE: usize = 4;
/// Events behind each hanging one.
const BEHIND: u8 = 20;

/// A member of the next version.
struct Next {
    handle: ConsumerHandle,
    inputs: mpsc::Receiver<Input>,
    held: BTreeMap<Partition, (Epoch, Offset, Option<String>)>,
    committed: usize,
    cluster: String,
}

impl Next {
    fn join(system: &System) -> Self {
        let ladder = Ladder::new(system.grades.clone()).unwrap();
        let mut settings = system.clients();
        settings.properties.insert("session.timeout.ms".into(), "6000".into());
        settings.properties.insert("heartbeat.interval.ms".into(), "500".into());
        let decode = decoder(system.topics(), 1 << 20);
        let (handle, inputs) =
            Consumer::start(&settings, system.topics(), &ladder, None, Clock::new(), decode)
                .unwrap();
        Self { handle, inputs, held: BTreeMap::new(), committed: 0, cluster: system.cluster() }
    }

    /// Takes whatever is there; what it gives back it commits in its own format.
    fn serve(&mut self) {
        while let Ok(input) = self.inputs.try_recv() {
            match input {
                Input::Assigned(all) => {
                    for one in all {
                        self.held.insert(one.partition, (one.epoch, one.start, one.metadata));
                    }
                }
                Input::Revoking { partitions, reply } => {
                    let commits = partitions.iter().filter_map(|one| self.commit(*one));
                    let _ = reply.try_send(commits.collect());
                    self.held.retain(|one, _| !partitions.contains(one));
                }
                Input::Committed { result, .. } => {
                    result.unwrap();
                    self.committed += 1;
                }
                Input::Lost(all) => panic!("{all:?} are lost"),
                _ => {}
            }
        }
    }

    /// The position as it was, with a map as nobody knows it yet.
    fn commit(&self, partition: Partition) -> Option<Commit> {
        let (epoch, position, _) = self.held.get(&partition)?;
        // Read as format 1 it would say that the next hundred offsets are resolved.
        let metadata = format!("2:{}:{position}:rAGQ", self.cluster);
        Some(Commit { partition, epoch: *epoch, position: *position, metadata })
    }

    /// Serves until it holds the partitions of one index; which one.
    fn await_share(&mut self) -> i32 {
        let joined = poll(DEADLINE, || {
            self.serve();
            self.held.len() == SHARE
        });
        assert!(joined, "{:?}", self.held);
        self.held.keys().next().unwrap().index
    }

    /// Gives everything back.
    async fn leave(mut self) {
        let handle = self.handle;
        let left = tokio::spawn(handle.stop(DEADLINE));
        while !left.is_finished() {
            let input = tokio::time::timeout(Duration::from_millis(50), self.inputs.recv()).await;
            if let Ok(Some(Input::Revoking { partitions, reply })) = input {
                let commits = partitions.iter().map(|partition| {
                    let (epoch, position, _) = &self.held[partition];
                    let metadata = format!("2:{}:{position}:rAGQ", self.cluster);
                    Commit { partition: *partition, epoch: *epoch, position: *position, metadata }
                });
                let _ = reply.try_send(commits.collect());
            }
        }
        assert!(left.await.unwrap());
    }
}

fn await_share(worker: &Worker, share: usize) {
    assert!(poll(DEADLINE, || worker.partitions() == share), "{}", worker.log());
}

fn send(
    system: &System,
    topic: &str,
    index: i32,
    key: &str,
    headers: &[Header],
    ids: impl IntoIterator<Item = String>,
) {
    let (producer, mut answers) = Producer::new(&system.clients()).unwrap();
    let mut count = 0;
    for id in ids {
        let body = event(&id, key);
        let (key, value) = (Some(key.as_bytes()), Some(body.as_bytes()));
        let (partition, headers) = (Some(index), headers.to_vec());
        let record = Outgoing { token: 0_u64, topic, partition, key, value, headers };
        producer.send(&record).unwrap();
        count += 1;
    }
    producer.flush(DEADLINE);
    for _ in 0..count {
        answers.try_recv().unwrap().result.unwrap();
    }
}

/// A retry as the next version writes it: a header of the publisher, then ours, of which one is new.
fn next_headers(origin: &str) -> Vec<Header> {
    let mut envelope = Envelope::fresh(Clock::new().wall(), Coordinates::parse(origin).unwrap());
    envelope.endpoint = Some(EndpointId::parse("main").unwrap());
    envelope.attempts = 1;
    envelope.first_attempt = Some(envelope.accepted);
    let text =
        |name: &str, value: &'static str| (name.to_owned(), Bytes::from_static(value.as_bytes()));
    let mut headers =
        vec![text("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    headers.extend(envelope.write());
    for (name, value) in &mut headers {
        if name == "paynotify-format" {
            *value = Bytes::from_static(b"2");
        }
    }
    headers.push(text("paynotify-novelty", "as of the next version, ünïcode ✓"));
    headers
}

fn named<'a>(headers: &'a [Header], name: &str) -> Vec<&'a str> {
    let of_it = headers.iter().filter(|(found, _)| found == name);
    of_it.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
}

/// How often each event was acknowledged.
fn acknowledged(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for request in receiver.requests().iter().filter(|one| one.status == Some(200)) {
        let id = request.header("webhook-id").unwrap();
        *times.entry(id.to_owned()).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_share_a_group_and_hand_their_partitions_to_each_other_and_back() {
    let broker = broker();
    let mut system = System::new(broker.bootstrap(), broker.prefix("versions"), PARTITIONS).await;
    let (receiver, topics) = (Receiver::start().await, system.topics());
    receiver.answer("/slow", Manner::Hang);
    receiver.answer("/flaky", Manner::FailTimes(1, 503));
    system.merchant("slow", &receiver.url("/slow"), &json!({ "timeout": "45s" }));
    system.merchant("flaky", &receiver.url("/flaky"), &json!({}));
    system.merchant("acme", &receiver.url("/acme"), &json!({}));
    let worker = system.worker();
    let completions = topics.completions();
    for index in 0..PARTITIONS {
        send(&system, &completions, index, "slow", &[], [format!("hanging_{index}")]);
        let ids = (0..BEHIND).map(|n| format!("evt_{index}_{n}"));
        send(&system, &completions, index, "acme", &[], ids);
    }
    let cluster = system.cluster();
    let resolved = [(Offset(1), Offset(i64::from(BEHIND) + 1))];
    let mapped = |index: i32| {
        let found = poll(DEADLINE, || {
            let map = OffsetMap::decode(&system.metadata(&completions, index), &cluster, Offset(0));
            map.is_ok_and(|map| map.runs() == resolved)
        });
        assert!(found, "{}", system.metadata(&completions, index));
    };
    (0..PARTITIONS).for_each(mapped);

    // The next version joins and reads what this one wrote.
    let mut next = Next::join(&system);
    let index = next.await_share();
    await_share(&worker, SHARE);
    let taken = Partition { source: Source::Completions, index };
    let (_, start, metadata) = &next.held[&taken];
    assert_eq!(*start, Offset(0));
    let map = OffsetMap::decode(metadata.as_deref().unwrap(), &cluster, *start).unwrap();
    assert_eq!(map.runs(), resolved, "the newer one reads the older one's map");
    // It commits in its own format, and leaves a retry of its own on the ladder of each index.
    let commit = next.commit(taken).unwrap();
    next.handle.commit(vec![commit]).unwrap();
    assert!(poll(DEADLINE, || {
        next.serve();
        next.committed == 1
    }));
    assert!(system.metadata(&completions, index).starts_with("2:"));
    let grade = topics.grade(Grade::new(system.grades[0]));
    for index in 0..PARTITIONS {
        let headers = next_headers(&format!("{completions}/{index}/77"));
        send(&system, &grade, index, "flaky", &headers, [format!("retry_{index}")]);
    }
    // The older one works on that of its own index at once, beside the newer one.
    let other = format!("retry_{}", 1 - index);
    assert!(poll(DEADLINE, || acknowledged(&receiver).contains_key(&other)), "{}", worker.log());
    assert!(!acknowledged(&receiver).contains_key(&format!("retry_{index}")));

    // And back: nothing is believed of a map in an unknown format, and nothing is lost.
    receiver.answer("/slow", Manner::Ok);
    next.leave().await;
    await_share(&worker, 2 * SHARE);
    let all = usize::from(BEHIND + 2) * 2;
    let done = poll(DEADLINE, || acknowledged(&receiver).len() == all);
    assert!(done, "{:?}\n{}", acknowledged(&receiver), worker.log());
    system.await_rest(DEADLINE);
    let log = worker.log();
    assert!(log.contains("map has format 2, which this version does not read"), "{log}");
    let times = acknowledged(&receiver);
    for n in 0..BEHIND {
        assert_eq!(times[&format!("evt_{index}_{n}")], 2, "read again from the watermark, once");
        assert_eq!(times[&format!("evt_{}_{n}", 1 - index)], 1, "what stayed is not repeated");
    }
    assert!(system.metadata(&completions, index).starts_with("1:"), "and committed as before");

    // The retry went on with what this version does not know.
    for index in 0..PARTITIONS {
        let origin = format!("{completions}/{index}/77");
        let on_ladder = system
            .grades
            .iter()
            .flat_map(|delay| system.records(&topics.grade(Grade::new(*delay))).into_iter());
        let records: Vec<_> = on_ladder
            .filter(|one| named(&one.headers, "paynotify-origin") == [origin.as_str()])
            .collect();
        let formats: Vec<_> =
            records.iter().map(|one| named(&one.headers, "paynotify-format")).collect();
        assert_eq!(formats, [["2"], ["1"]], "one of each version");
        let [before, after] = [&records[0].headers, &records[1].headers];
        assert_eq!(named(after, "paynotify-attempts"), ["2"]);
        for name in ["paynotify-novelty", "traceparent"] {
            assert_eq!(named(after, name).len(), 1);
            assert_eq!(named(after, name), named(before, name), "carried on untouched");
        }
    }
    // Forward again: the newer one takes over what the older one read of it.
    let mut next = Next::join(&system);
    let index = next.await_share();
    let (_, start, metadata) = &next.held[&Partition { source: Source::Completions, index }];
    assert_eq!(*start, Offset(i64::from(BEHIND) + 1));
    OffsetMap::decode(metadata.as_deref().unwrap(), &cluster, *start).unwrap();
    next.leave().await;
    let (status, log) = worker.stop();
    assert!(status.success(), "{log}");
}
