//! The end of a worker: no new attempts, running ones may finish within the grace, everything that
//! is resolved is committed, the group is left.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Stopped, Worker};

/// How long leaving the group may take beyond the grace.
pub const LEAVE: Duration = Duration::from_secs(10);

/// How far a worker has got with stopping.
#[derive(Default)]
pub struct Stopping {
    phase: Phase,
}

#[derive(Default)]
enum Phase {
    #[default]
    Running,
    /// Until everything held is drained.
    Draining(Instant),
    /// Until the consumer has left the group.
    Leaving {
        left: JoinHandle<bool>,
        deadline: Instant,
        cut: usize,
    },
    Left {
        cut: usize,
    },
}

impl Stopping {
    pub fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Draining(deadline) | Phase::Leaving { deadline, .. } => Some(*deadline),
            Phase::Running | Phase::Left { .. } => None,
        }
    }

    /// Resolves when the consumer has left the group; never before it was asked to.
    pub async fn consumer_gone(&mut self) {
        let Phase::Leaving { left, cut, .. } = &mut self.phase else {
            return std::future::pending().await;
        };
        if !matches!(left.await, Ok(true)) {
            tracing::error!("the consumer did not leave the group in time");
        }
        self.phase = Phase::Left { cut: *cut };
    }
}

impl Worker {
    /// Goes a step further once `shutdown` was cancelled; the result when everything is done.
    pub(super) fn advance_stop(&mut self, shutdown: &CancellationToken) -> Option<Stopped> {
        let held = self.engine.partitions();
        match &self.stopping.phase {
            Phase::Running if !shutdown.is_cancelled() => None,
            Phase::Running => {
                let grace = Duration::from(self.settings.config.shutdown.grace);
                tracing::info!(in_flight = self.engine.in_flight(), ?grace, "stopping");
                self.watch.stopping();
                self.engine.begin_revoke(&held);
                self.stopping.phase = Phase::Draining(Instant::now() + grace);
                None
            }
            Phase::Draining(deadline) => {
                let running = self.engine.in_flight();
                let drained = running == 0 && self.engine.is_drained(&held);
                if drained || Instant::now() >= *deadline {
                    self.leave(running);
                }
                None
            }
            Phase::Leaving { deadline, cut, .. } => {
                let cut = *cut;
                (Instant::now() >= *deadline).then(|| {
                    tracing::error!("the consumer did not leave the group in time");
                    Stopped { cut }
                })
            }
            Phase::Left { cut } => Some(Stopped { cut: *cut }),
        }
    }

    fn leave(&mut self, running: usize) {
        if running > 0 {
            tracing::warn!(running, "the grace is over; running attempts are cut");
        }
        self.attempts.cut();
        let consumer = self.consumer.take();
        let left = tokio::spawn(async move {
            match consumer {
                Some(consumer) => consumer.stop(LEAVE).await,
                None => true,
            }
        });
        let deadline = Instant::now() + LEAVE;
        self.stopping.phase = Phase::Leaving { left, deadline, cut: running };
    }
}
