//! Starting and joining.

use std::time::Duration;

use crate::net::Weather;
use crate::run::{Times, seeds};
use crate::world::World;

const STEP: Duration = Duration::from_millis(20);

#[test]
fn a_cold_start_of_20_comes_to_rest_in_seconds() {
    let mut times = Times::default();
    for seed in seeds(1) {
        let mut w = World::new("a_cold_start_of_20", seed, 20, Weather::default());
        w.start_all(Duration::from_millis(200), 2);
        times.add(w.run_until(Duration::from_secs(15), STEP, World::at_rest));
        w.bounded(20 * 60, 20 * 40);
    }
    times.check("cold start of 20", Duration::from_secs(4), Duration::from_secs(6));
}
