//! Workers come and go all the time, as they are asked to: nobody dies, nothing else goes wrong.

use std::time::{Duration, Instant};

use super::{
    cast,
    dice::Dice,
    load::Load,
    nemesis::Notes,
    run::{Round, Run},
};
use crate::support::receiver::Manner;

/// What a storm is like.
pub struct Storm {
    /// Workers at most.
    pub workers: usize,
    pub span: Duration,
    pub events: usize,
}

/// What became of it.
pub struct Weathered {
    pub round: Round,
    pub joined: u64,
    pub left: u64,
}

impl Storm {
    /// Somebody joins or leaves every 0 to 500 ms; merchants answer within 100 ms.
    pub async fn play(&self, run: &mut Run, number: u64) -> Weathered {
        let mut dice = Dice::new(number, "storm");
        for index in 0..cast::REGULAR {
            let manner = Manner::SlowlySays(Duration::from_millis(4 * index as u64), cast::SUCCESS);
            run.receiver.answer(&format!("/{}", cast::regular(index)), manner);
        }
        let prefix = format!("s{number}");
        let load = Load::start(&run.system, dice.clone(), &prefix, self.events, self.span);
        let end = Instant::now() + self.span;
        let (mut joined, mut left) = (0, 0);
        while Instant::now() < end {
            let few = run.crew.size() <= 1;
            let many = run.crew.size() >= self.workers;
            if few || (!many && dice.one_in(2)) {
                run.crew.join(&run.system);
                joined += 1;
            } else {
                run.crew.leave(dice.below(u64::MAX));
                left += 1;
            }
            // The pace of a storm; nothing is waited for.
            tokio::time::sleep(Duration::from_millis(dice.below(501))).await;
        }
        let notes = Notes { published: load.finish(), ..Notes::default() };
        let most = notes.published.len() as u64 / 1_000;
        let judged_by = Round { again_at_most: Some(most), ..Round::default() };
        let round = run.close(&notes, judged_by).await;
        Weathered { round, joined, left }
    }
}
