//! Many pure cores in virtual time under a seeded network. The laws of the mesh are the tests' names.
//!
//! `KITH_SIM_SEEDS` sets how many seeds each law runs (default 200), `KITH_SIM_SEED` replays one.

mod callback;
#[allow(dead_code, reason = "the program examples/swarm uses more of it")]
mod engine;
mod failing;
mod joining;
mod partial;
mod routing;
mod run;

use std::time::Duration;

/// How often a network is asked whether it has come to rest.
const STEP: Duration = Duration::from_millis(20);
