//! Many events for one healthy endpoint with a rate: all delivered, in about their number by it.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    run::{Bench, as_f64},
    support::receiver::LIVE,
    traffic::Publisher,
};

/// 50,000 at 50 a second, cut to a twenty-fifth.
const EVENTS: u64 = 2_000;
const PER_SECOND: u64 = 50;

impl Bench {
    /// How long it takes, of the time that their number by the rate allows.
    pub fn limited(&mut self) -> anyhow::Result<Value> {
        let merchants = self.directory.join("merchants.jsonl");
        let entry = json!({
            "format": 1, "merchant_id": "m_0", "name": "Bench",
            "endpoints": [{
                "id": "ep_main", "url": format!("http://{}{LIVE}/m_0", self.receiver.address()),
                "policy": {
                    "rate": { "per_second": PER_SECOND, "burst": 1 }, "max_in_flight": 64,
                    "dialect": "none",
                },
            }],
        });
        fs::write(&merchants, format!("{entry}\n"))?;
        let mut worker = self.worker(&merchants, "parking.longest_grade = \"15s\"\n")?;
        let mut publisher = Publisher::new(&self.bootstrap, &self.prefix())?;
        publisher.burst(EVENTS, |_| 0)?;
        self.until(&mut worker, Duration::from_secs(60), |stats| stats.acknowledged > 0)?;
        let begun = Instant::now();
        let time = Duration::from_secs(EVENTS / PER_SECOND * 3);
        let stats = self.until(&mut worker, time, |stats| stats.acknowledged >= EVENTS)?;
        let seconds = begun.elapsed().as_secs_f64();
        worker.stop()?;
        let ideal = as_f64(EVENTS) / as_f64(PER_SECOND);
        Ok(json!({
            "events": EVENTS, "per_second": PER_SECOND, "seconds": seconds,
            "of_ideal": seconds / ideal, "requests": stats.count,
            "lost": EVENTS - stats.acknowledged,
        }))
    }
}
