//! Tasks that make attempts, one after the other each. They are kept, because starting a task for
//! every attempt costs much of what a request costs.

use std::future::Future;

use slab::Slab;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    clock::Clock,
    engine::{Answer, Attempt, AttemptId, AttemptResult, FailReason},
};

/// Whoever can make an attempt.
pub trait MakeAttempt: Clone + Send + 'static {
    /// Makes it; ends within the policy's timeout.
    fn attempt(&mut self, attempt: &Attempt) -> impl Future<Output = AttemptResult> + Send;
}

/// An attempt that ended.
#[derive(Debug)]
pub struct Attempted {
    pub id: AttemptId,
    pub result: AttemptResult,
    /// Which task made it.
    task: usize,
    /// Whether that task is no more.
    broken: bool,
}

/// All tasks that make attempts.
pub struct Attempts<A> {
    maker: A,
    clock: Clock,
    answers: mpsc::Sender<Attempted>,
    tasks: JoinSet<()>,
    /// What each task takes its work from.
    work: Slab<mpsc::Sender<Attempt>>,
    /// Tasks without work; the last to have had some goes first.
    free: Vec<usize>,
}

impl<A: MakeAttempt> Attempts<A> {
    /// No tasks yet; `limit` attempts at a time will have room for their answers in the channel
    /// that comes with it.
    pub fn new(maker: A, clock: Clock, limit: usize) -> (Self, mpsc::Receiver<Attempted>) {
        let (answers, attempted) = mpsc::channel(limit);
        let (tasks, work, free) = (JoinSet::new(), Slab::new(), Vec::new());
        (Self { maker, clock, answers, tasks, work, free }, attempted)
    }

    /// Begins an attempt; its answer comes through the channel, whatever happens to it.
    pub fn start(&mut self, attempt: Attempt) {
        let task = self.free.pop().unwrap_or_else(|| self.add_task());
        // A free task waits for work and has room for one; only after the cut there is none.
        let _ = self.work[task].try_send(attempt);
    }

    /// The task of this answer may be given work again.
    pub fn release(&mut self, attempted: &Attempted) {
        if attempted.broken {
            self.work.remove(attempted.task);
            while self.tasks.try_join_next().is_some() {}
        } else {
            self.free.push(attempted.task);
        }
    }

    /// Cuts everything that runs; there will be no more answers.
    pub fn cut(&mut self) {
        self.tasks.abort_all();
    }

    fn add_task(&mut self) -> usize {
        let (sender, receiver) = mpsc::channel(1);
        let task = self.work.insert(sender);
        let (maker, clock) = (self.maker.clone(), self.clock.clone());
        self.tasks.spawn(work(task, receiver, maker, clock, self.answers.clone()));
        task
    }
}

async fn work(
    task: usize,
    mut work: mpsc::Receiver<Attempt>,
    mut maker: impl MakeAttempt,
    clock: Clock,
    answers: mpsc::Sender<Attempted>,
) {
    while let Some(attempt) = work.recv().await {
        let owed = Owed { attempt: attempt.id, task, clock: &clock, answers: &answers };
        let result = maker.attempt(&attempt).await;
        drop(owed);
        let attempted = Attempted { id: attempt.id, result, task, broken: false };
        if answers.send(attempted).await.is_err() {
            return; // the loop is gone, and with it the need for answers
        }
    }
}

/// An answer that the engine waits for, even if the attempt panics.
struct Owed<'a> {
    attempt: AttemptId,
    task: usize,
    clock: &'a Clock,
    answers: &'a mpsc::Sender<Attempted>,
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let now = self.clock.now();
            let answer = Answer::Failed(FailReason::Protocol);
            let result = AttemptResult { started: now, ended: now, answer, key_id: None };
            // The channel has room for every attempt that can run.
            let (id, task) = (self.attempt, self.task);
            let _ = self.answers.try_send(Attempted { id, result, task, broken: true });
        }
    }
}

#[cfg(test)]
mod tests;
