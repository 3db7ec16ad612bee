//! Runs a law over many seeds and tells what was measured.

use std::time::Duration;

/// Seeds for one law: `KITH_SIM_SEED` replays one, `KITH_SIM_SEEDS` sets how many (default 200); laws
/// that take long ask for a `share` of them.
pub fn seeds(share: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("KITH_SIM_SEED") {
        return vec![seed];
    }
    (1..=(number("KITH_SIM_SEEDS").unwrap_or(200) / share).max(1)).collect()
}

/// Times measured over all seeds.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn at(&self, permille: usize) -> Duration {
        self.0
            .get((self.0.len() * permille / 1000).min(self.0.len() - 1))
            .copied()
            .unwrap_or_default()
    }

    /// Prints the spread (seen with --nocapture) and holds the worst to `max`, the 99th percentile to
    /// `p99`.
    pub fn check(mut self, what: &str, p99: Duration, max: Duration) {
        self.0.sort_unstable();
        let worst = self.at(1000);
        println!(
            "{what}: p50 {:?}, p99 {:?}, max {worst:?} over {} measurements",
            self.at(500),
            self.at(990),
            self.0.len()
        );
        assert!(self.at(990) <= p99, "{what}: p99 {:?} is over {p99:?}", self.at(990));
        assert!(worst <= max, "{what}: {worst:?} is over {max:?}");
    }
}
