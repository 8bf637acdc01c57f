use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::model::{Offset as Position, Source};

const DEADLINE: Duration = Duration::from_secs(20);

type List = Vec<(i32, i64)>;

/// Takes lists as a broker does that allows 2,000 bytes of metadata, and fails what it is told.
struct Fake {
    lists: Sender<List>,
    results: Sender<Answer>,
    fails: Option<RDKafkaErrorCode>,
}

impl Broker for Fake {
    fn commit(&self, positions: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut list = Vec::new();
        let mut too_long = false;
        for entry in positions.elements() {
            too_long |= entry.metadata().len() > 2_000 || entry.metadata() == "too long";
            list.push((entry.partition(), entry.offset().to_raw().unwrap_or(-1)));
        }
        self.lists.send(list).expect("the test listens");
        let code =
            if too_long { Some(RDKafkaErrorCode::OffsetMetadataTooLarge) } else { self.fails };
        code.map_or(Ok(()), |code| Err(KafkaError::ConsumerCommit(code)))
    }

    fn topic(&self, partition: Partition) -> Arc<str> {
        partition.source.to_string().into()
    }

    fn committed(&self, commit: Commit, result: Result<(), Error>) {
        self.results.send((commit, result)).expect("the test listens");
    }

    fn health(&self, _: bool, _: Option<&Error>) -> bool {
        true
    }
}

struct Scene {
    committer: Committer,
    lists: Receiver<List>,
    results: Receiver<Answer>,
}

/// A committer that holds partitions 0 to 3 under epoch 1.
fn scene(fails: Option<RDKafkaErrorCode>) -> Scene {
    let ((lists_in, lists), (results_in, results)) = (channel(), channel());
    let fake = Fake { lists: lists_in, results: results_in, fails };
    let (committer, _) = Committer::start(fake, held()).expect("a thread");
    Scene { committer, lists, results }
}

fn held() -> Held {
    let held = Held::default();
    held.lock().expect("no panic").extend((0..4).map(|index| (partition(index), Epoch(1))));
    held
}

fn partition(index: i32) -> Partition {
    Partition { source: Source::Completions, index }
}

fn commit(index: i32, position: i64, metadata: &str) -> Commit {
    let metadata = metadata.to_owned();
    Commit { partition: partition(index), epoch: Epoch(1), position: Position(position), metadata }
}

impl Scene {
    fn lists(self) -> Vec<List> {
        self.committer.stop();
        self.lists.iter().collect()
    }

    fn results(&self, count: usize) -> Vec<(i32, Result<(), Error>)> {
        let next = |_| self.results.recv_timeout(DEADLINE).expect("an answer");
        let mut results: Vec<_> =
            (0..count).map(next).map(|(commit, result)| (commit.partition.index, result)).collect();
        results.sort_by_key(|(index, _)| *index);
        results
    }
}

#[test]
fn small_commits_go_together_and_each_is_answered() {
    let scene = scene(None);
    scene.committer.commit(vec![commit(0, 5, "a"), commit(1, 6, "b")]).expect("room");
    assert_eq!(scene.results(2), [(0, Ok(())), (1, Ok(()))]);
    assert_eq!(scene.lists(), [vec![(0, 5), (1, 6)]]);
}

#[test]
fn a_commit_with_much_metadata_goes_alone() {
    let scene = scene(None);
    let large = "m".repeat(LARGE_METADATA + 1);
    let list = vec![commit(0, 5, &large), commit(1, 6, "b"), commit(2, 7, &large)];
    scene.committer.commit(list).expect("room");
    assert_eq!(scene.results(3).len(), 3);
    assert_eq!(scene.lists(), [vec![(1, 6)], vec![(0, 5)], vec![(2, 7)]]);
}

#[test]
fn one_bad_entry_does_not_spoil_a_list() {
    let scene = scene(None);
    scene.committer.commit(vec![commit(0, 5, "a"), commit(1, 6, "too long")]).expect("room");
    assert_eq!(scene.results(2), [(0, Ok(())), (1, Err(Error::TooLong))]);
}

#[test]
fn what_is_not_held_under_that_epoch_is_never_sent() {
    let scene = scene(None);
    let old = Commit { epoch: Epoch(0), ..commit(0, 5, "a") };
    scene.committer.commit(vec![old, commit(9, 5, "b")]).expect("room");
    assert_eq!(scene.results(2), [(0, Err(Error::NotHeld)), (9, Err(Error::NotHeld))]);
    assert_eq!(scene.lists(), Vec::<List>::new());
}

#[test]
fn a_member_put_out_of_the_group_is_told_so() {
    let code = RDKafkaErrorCode::UnknownMemberId;
    let scene = scene(Some(code));
    scene.committer.commit(vec![commit(0, 5, "a")]).expect("room");
    let fenced = Error::Fenced(KafkaError::ConsumerCommit(code));
    assert_eq!(scene.results(1), [(0, Err(fenced))]);
}

#[test]
fn a_last_commit_comes_after_all_that_wait() {
    let scene = scene(None);
    scene.committer.commit(vec![commit(0, 5, "a")]).expect("room");
    assert!(scene.committer.commit_last(vec![commit(0, 6, "b")], DEADLINE));
    assert_eq!(scene.lists(), [vec![(0, 5)], vec![(0, 6)]]);
}

#[test]
fn commits_that_wait_go_in_one_request_so_that_a_last_one_waits_for_no_more() {
    let ((lists_in, lists), (results, _kept)) = (channel(), channel());
    let fake = Fake { lists: lists_in, results, fails: None };
    let (jobs, queue) = sync_channel(QUEUE);
    let (done, last) = sync_channel(1);
    for index in 0..3 {
        jobs.send(Job::Commit(vec![commit(index, 5, "a")])).expect("room");
    }
    jobs.send(Job::Last(vec![commit(3, 6, "b")], done)).expect("room");
    jobs.send(Job::Commit(vec![commit(0, 7, "c")])).expect("room");
    jobs.send(Job::Stop).expect("room");
    run(&fake, &held(), &queue);
    assert_eq!(last.try_recv(), Ok(()));
    drop(fake);
    let lists: Vec<_> = lists.iter().collect();
    assert_eq!(lists, [vec![(0, 5), (1, 5), (2, 5)], vec![(3, 6)], vec![(0, 7)]]);
}
