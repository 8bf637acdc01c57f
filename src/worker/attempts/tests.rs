//! Attempts that end, break, or are cut.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    engine::Content,
    model::{Endpoint, EndpointId, Policy, State, Timestamp},
};

/// Ends an attempt for every permit, and panics at the number 13.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn open() -> Self {
        Self(Arc::new(Semaphore::new(100)))
    }

    fn closed() -> (Self, Arc<Semaphore>) {
        let permits = Arc::new(Semaphore::new(0));
        (Self(Arc::clone(&permits)), permits)
    }
}

impl MakeAttempt for Gate {
    async fn attempt(&mut self, attempt: &Attempt) -> AttemptResult {
        self.0.acquire().await.unwrap().forget();
        assert!(attempt.number != 13, "an unlucky attempt");
        let at = Timestamp::from_millis(1);
        let answer = Answer::of_status(200);
        AttemptResult { started: at, ended: at, answer, key_id: None }
    }
}

fn attempt(id: u64, number: u32) -> Attempt {
    let value = Bytes::from_static(
        br#"{"id":"e","type":"a","timestamp":"2026-01-01T00:00:00Z","merchant_id":"m","data":{}}"#,
    );
    let at = Timestamp::from_millis(0);
    let event = crate::event::decode_within(1_000, Some(b"m"), Some(&value), &[], at).unwrap();
    Attempt {
        id: AttemptId(id),
        event: Arc::new(event),
        content: Arc::new(Content { key: None, value: None, headers: Vec::new() }),
        endpoint: Arc::new(Endpoint {
            id: EndpointId::parse("ep").unwrap(),
            url: url::Url::parse("https://shop.example/").unwrap(),
            state: State::Active,
            disabled: None,
            events: Vec::new(),
            policy: Policy::default(),
            authorization: None,
            certificate: None,
            secrets: Vec::new(),
        }),
        number,
    }
}

#[tokio::test]
async fn tasks_are_kept_and_take_one_attempt_after_the_other() {
    let (mut attempts, mut answers) = Attempts::new(Gate::open(), Clock::new(), 4);
    for id in 0..10 {
        attempts.start(attempt(id, 1));
        let attempted = answers.recv().await.unwrap();
        assert_eq!(attempted.id, AttemptId(id));
        attempts.release(&attempted);
    }
    assert_eq!(attempts.tasks.len(), 1);
}

#[tokio::test]
async fn attempts_run_beside_each_other() {
    let (gate, permits) = Gate::closed();
    let (mut attempts, mut answers) = Attempts::new(gate, Clock::new(), 4);
    (0..4).for_each(|id| attempts.start(attempt(id, 1)));
    permits.add_permits(4);
    let mut ended = Vec::new();
    for _ in 0..4 {
        ended.push(answers.recv().await.unwrap().id.0);
    }
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_attempt_that_panics_has_failed_and_the_next_one_is_made() {
    let (mut attempts, mut answers) = Attempts::new(Gate::open(), Clock::new(), 4);
    attempts.start(attempt(0, 13));
    let broken = answers.recv().await.unwrap();
    assert_eq!(broken.result.answer, Answer::Failed(FailReason::Protocol));
    attempts.release(&broken);
    assert_eq!(attempts.work.len(), 0, "nothing is left of the task");
    attempts.start(attempt(1, 1));
    assert_eq!(answers.recv().await.unwrap().id, AttemptId(1));
}

#[tokio::test]
async fn what_is_cut_answers_no_more() {
    let (gate, _permits) = Gate::closed();
    let (mut attempts, mut answers) = Attempts::new(gate, Clock::new(), 4);
    attempts.start(attempt(0, 1));
    attempts.cut();
    while attempts.tasks.join_next().await.is_some() {}
    drop(attempts);
    assert!(answers.recv().await.is_none());
}
