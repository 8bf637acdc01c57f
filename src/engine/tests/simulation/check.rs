//! What holds whenever the engine has nothing more to say.

use super::{super::scenario::*, World};

impl World {
    pub fn check(&mut self) {
        let status = self.engine.status(self.now, 0);
        let unserved = self.engine.poll_timeout().is_some_and(|at| at <= self.now);
        for one in &status.partitions {
            assert!(unserved || !one.startable, "{} stands still", one.partition);
            let most = self.bounds.hold.records + 2;
            assert!(one.unresolved <= most, "{} holds {}", one.partition, one.unresolved);
        }
        assert_eq!(status.in_flight, self.attempts.len());
        let lanes = &self.engine.lanes;
        let startable = lanes.lanes().map(|lane| lane.demand().startable).sum::<usize>();
        assert_eq!(lanes.slots().startable(), startable);
        for (partition, (_, _, wanted)) in &self.reading {
            let paused = self.engine.paused.contains(partition);
            assert_eq!(*wanted, !paused, "{partition} is wanted and paused, or neither");
        }
        // Looking at every partition anew finds nothing that a wake-up forgot.
        self.engine.read_on();
        self.engine.resume_what_fits();
        let forgotten = self.engine.poll_command(self.now);
        assert!(forgotten.is_none(), "this was forgotten: {forgotten:?}");
        self.sated |= self.engine.sated;
        let soon = self.engine.poll_timeout();
        assert!(soon.is_none_or(|at| at + seconds(3) > self.now), "a timer was left behind");
    }
}
