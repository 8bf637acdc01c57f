//! The readers of a worker: when they fetch, and what the loop makes of a record.

use std::sync::Arc;

use paynotify::{
    engine::{Epoch, Record},
    envelope::Envelope,
    model::{Coordinates, Partition, Span},
};

use super::{
    faults::Fault,
    story::tell,
    worker::Read,
    world::{Input, What, World},
};

impl World {
    /// Tells every reader of a partition that there may be more.
    pub fn kick_readers(&mut self, partition: Partition) {
        for worker in 0..self.workers.len() {
            self.kick(worker, partition);
        }
    }

    /// Arranges the next fetch, if there is anything to fetch.
    pub fn kick(&mut self, worker: usize, partition: Partition) {
        let log = &self.broker.logs[&partition];
        let (start, end) = (log.start, log.end);
        let process = &mut self.workers[worker];
        let life = process.life;
        let Some(reading) = process.reading.get_mut(&partition) else { return };
        if reading.wanted && !reading.fetching && (reading.next < end || reading.next < start) {
            reading.fetching = true;
            let epoch = reading.epoch;
            self.soon(What::Fetch { worker, life, partition, epoch });
        }
    }

    /// The reader fetches.
    pub fn fetch(&mut self, worker: usize, life: u32, partition: Partition, epoch: Epoch) {
        if self.workers[worker].life != life {
            return;
        }
        let down = self.is_on(Fault::BrokerDown).then(|| self.windows[&Fault::BrokerDown]);
        let frozen = self.workers[worker].frozen && self.is_stopped(worker);
        let frozen = frozen.then(|| self.workers[worker].busy_until);
        if let Some(until) = down.max(frozen) {
            return self.schedule(until, What::Fetch { worker, life, partition, epoch });
        }
        let delay = if self.is_on(Fault::BrokerSlow) { 2_000 } else { 0 };
        let delay = Span::from_millis(self.dice.network.between(0, delay));
        let batch = self.dice.network.count(1, self.plan.batch);
        let log = &self.broker.logs[&partition];
        let process = &mut self.workers[worker];
        let Some(reading) = process.reading.get_mut(&partition).filter(|one| one.epoch == epoch)
        else {
            return;
        };
        if !reading.wanted {
            reading.fetching = false;
            return;
        }
        if reading.next < log.start {
            self.coverage.saw("reader", "gap");
            reading.next = log.start;
        }
        let from = log.place(reading.next);
        let records: Vec<usize> = (from..log.records.len()).take(batch).collect();
        let input = if let Some(last) = records.last() {
            reading.next = log.records[*last].offset.next();
            self.coverage.saw("reader", "records");
            Input::Records { partition, epoch, records }
        } else {
            reading.next = log.end;
            self.coverage.saw("reader", "end");
            Input::End { partition, epoch }
        };
        self.schedule(self.now + delay, What::Input { worker, life, input });
    }

    pub fn take_end(&mut self, worker: usize, partition: Partition, epoch: Epoch) {
        let process = &mut self.workers[worker];
        let now = process.told;
        let Some(reading) = process.reading.get_mut(&partition).filter(|one| one.epoch == epoch)
        else {
            return;
        };
        reading.fetching = false;
        let position = reading.next;
        process.engine.handle_position(now, partition, epoch, position);
        self.kick(worker, partition);
    }

    pub fn take_records(
        &mut self,
        worker: usize,
        partition: Partition,
        epoch: Epoch,
        records: &[usize],
    ) {
        for at in records {
            self.take_record(worker, partition, epoch, *at);
        }
        let process = &mut self.workers[worker];
        if let Some(reading) = process.reading.get_mut(&partition)
            && reading.epoch == epoch
        {
            reading.fetching = false;
            self.kick(worker, partition);
        } else {
            self.coverage.saw("late answer", "records");
        }
    }

    fn take_record(&mut self, worker: usize, partition: Partition, epoch: Epoch, at: usize) {
        let kept = &self.broker.logs[&partition].records[at];
        let (offset, appended, event, carrier) =
            (kept.offset, kept.appended, kept.event, kept.carrier);
        let envelope = kept.envelope.clone().unwrap_or_else(|| {
            let topic = "payments.completions".into();
            Envelope::fresh(appended, Coordinates { topic, partition: partition.index, offset })
        });
        if let Some(headers) = kept.headers.clone() {
            let most = 12 + self.ledger.events[event].content.headers.len();
            if headers.len() > most {
                return self.fail("L6", format!("{} headers at {partition}", headers.len()));
            }
            match Envelope::read(headers) {
                Ok((read, _)) if read == envelope => {}
                other => return self.fail("L6", format!("{envelope:?} is read as {other:?}")),
            }
        }
        let content = self.content_of(event);
        let truth = &self.ledger.events[event];
        let key = (partition, epoch, offset);
        let attempts = envelope.attempts;
        let record = Record {
            partition,
            offset,
            appended,
            content: Arc::clone(&content),
            envelope,
            event: truth.event.clone(),
        };
        let known = truth.carriers[carrier].covered;
        let process = &mut self.workers[worker];
        let now = process.told;
        let current = process.held.get(&partition) == Some(&epoch);
        if current {
            process.by_content.insert(Arc::as_ptr(&content).addr(), key);
            let read = Read {
                event,
                carrier,
                appended,
                done: 0,
                copies: 0,
                attempting: 0,
                routing: 0,
                attempts,
                ended: Vec::new(),
                refused: None,
                content,
            };
            process.reads.insert(key, read);
        }
        let before = known.then(|| self.unresolved_of(worker, partition));
        self.workers[worker].engine.handle_record(now, epoch, record);
        if current && before.is_some_and(|before| before == self.unresolved_of(worker, partition)) {
            self.coverage.saw("map", "skipped a record");
        }
        tell!(self, "w{worker} reads {partition} {offset}: evt_{event}");
    }

    fn unresolved_of(&self, worker: usize, partition: Partition) -> usize {
        let status = self.workers[worker].engine.status(self.now, 0);
        let found = status.partitions.iter().find(|one| one.partition == partition);
        found.map_or(0, |one| one.unresolved)
    }
}
