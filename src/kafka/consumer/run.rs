//! The consumer's thread.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Error, context::Context, intake::Intake, shared::Shared};

/// Even without any announcement, every queue is looked at so often.
const SWEEP: Duration = Duration::from_millis(100);
/// While the worker has no room, it is asked again so often.
const CROWDED: Duration = Duration::from_millis(1);
/// Events of the group served in one go.
const EVENTS: usize = 4;
/// How long a stop may wait for the group to take its partitions back.
const LEAVE: Duration = Duration::from_secs(10);

/// Everything that the thread owns.
pub struct Running {
    pub shared: Arc<Shared>,
    pub consumer: Arc<BaseConsumer<Context>>,
    pub intake: Intake,
}

impl Running {
    /// Polls until it is stopped or the worker is gone, then leaves the group.
    pub fn run(mut self) {
        self.shared.adopt_thread();
        let mut swept = self.shared.clock.instant();
        while !self.shared.stopping.load(Ordering::Acquire) && !self.shared.inputs.is_closed() {
            let now = self.shared.clock.instant();
            let sweep = now.duration_since(swept) >= SWEEP;
            if sweep {
                swept = now;
                self.shared.watch_commit(now);
            }
            match self.round(sweep) {
                Next::Again => {}
                Next::Crowded => std::thread::park_timeout(CROWDED),
                Next::Idle => std::thread::park_timeout(SWEEP),
            }
        }
        self.leave();
    }

    fn round(&mut self, sweep: bool) -> Next {
        self.serve();
        let context = Arc::clone(self.consumer.context());
        let mut membership = context.membership();
        membership.settle(&self.consumer, &mut self.intake);
        if !membership.flush(Duration::ZERO) {
            return Next::Crowded;
        }
        let round = self.intake.collect(&self.consumer, sweep);
        for (partition, reached) in round.out_of_range {
            membership.ran_out(partition, reached);
        }
        if let Some(error) = round.fatal {
            membership.fail(Error::Client(error));
        }
        membership.outbox.extend(round.inputs);
        if !membership.flush(Duration::ZERO) {
            return Next::Crowded;
        }
        if self.intake.has_more() { Next::Again } else { Next::Idle }
    }

    /// Serves rebalances and errors.
    fn serve(&mut self) {
        for _ in 0..EVENTS {
            self.shared.polled();
            let event = match self.consumer.poll(Duration::ZERO) {
                None => continue,
                Some(Ok(message)) => Ok(self.intake.accept(&message)),
                Some(Err(error)) => Err(error),
            };
            let mut membership = self.consumer.context().membership();
            match event {
                Ok(input) => membership.outbox.extend(input),
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    membership.fail(Error::Client(KafkaError::MessageConsumptionFatal(code)));
                }
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::InconsistentGroupProtocol,
                )) => {
                    let group = membership.group.clone();
                    membership.fail(Error::Strategy(group));
                }
                // The context has told the worker what matters.
                Err(error) => tracing::debug!(%error, "the consumer reports"),
            }
        }
    }

    /// Gives all partitions back, with their last commits, and closes the consumer.
    fn leave(mut self) {
        self.consumer.unsubscribe();
        let context = Arc::clone(self.consumer.context());
        let deadline: Instant = self.shared.clock.instant() + LEAVE;
        while !context.membership().is_empty() && self.shared.clock.instant() < deadline {
            self.serve();
            context.membership().flush(Duration::ZERO);
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let mut membership = context.membership();
        membership.flush(CROWDED);
        if let Some(committer) = membership.committer.take() {
            committer.stop();
        }
        let lookup = membership.take_lookup();
        drop(membership);
        // No other thread may be the last to hold the client.
        if let Some(lookup) = lookup {
            lookup.end();
        }
    }
}

enum Next {
    Again,
    Crowded,
    Idle,
}
