//! Many pure cores in virtual time under a seeded network. The laws of the mesh are the tests' names.
//!
//! `KITH_SIM_SEEDS` sets how many seeds each law runs (default 200), `KITH_SIM_SEED` replays one.

mod crypto;
mod effects;
mod faults;
mod host;
mod joining;
mod laws;
mod net;
mod pipe;
mod protocol;
mod run;
mod world;
