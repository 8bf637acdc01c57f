//! What holds whenever the engine has nothing more to say.

use std::collections::BTreeMap;

use super::{super::scenario::*, World};
use crate::{
    engine::{fair_queue::Place, lane::Lane, slots::Trust, waiting::Load},
    model::Partition,
};

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
        let trusted = lanes.lanes().filter(|lane| lane.trust() != Trust::Suspect);
        let startable = trusted.map(|lane| lane.demand().startable).sum::<usize>();
        assert_eq!(lanes.slots().startable(), startable);
        self.check_blocked();
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

    /// Without reserves, what waits for more than a slot is what waits in lanes that may not begin or
    /// are under suspicion.
    fn check_blocked(&self) {
        let lanes = &self.engine.lanes;
        let blocked = |lane: &&Lane| lane.is_blocked() || lane.trust() == Trust::Suspect;
        let mut expected: BTreeMap<Partition, Vec<Load>> = BTreeMap::new();
        for lane in lanes.lanes().filter(blocked) {
            for (source, load) in lane.waiting.by_source() {
                let partition = Partition { source, index: lane.index };
                expected.entry(partition).or_default().push(load);
            }
        }
        let load_of = |partition: Partition, place: Place| {
            let mut loads = lanes.get(place.lane).unwrap().waiting.by_source();
            loads.find(|(source, _)| *source == partition.source).unwrap().1
        };
        for partition in self.logs.keys().copied() {
            let loads = expected.get(&partition).map_or(&[][..], Vec::as_slice);
            let records = loads.iter().map(|load| load.records).sum::<usize>();
            assert_eq!(lanes.blocked(partition), records, "{partition}");
            let longest = lanes.newest_of_longest(partition).map(|one| load_of(partition, one));
            let most = loads.iter().map(|load| load.records).max();
            assert_eq!(longest.map(|load| load.records), most, "{partition}");
        }
        let bytes = || expected.values().flatten().map(|load| load.bytes);
        assert_eq!(lanes.blocked_bytes(), bytes().sum::<usize>());
        let heaviest = lanes.newest_of_heaviest().map(|(partition, one)| load_of(partition, one));
        assert_eq!(heaviest.map(|load| load.bytes), bytes().max());
    }
}
