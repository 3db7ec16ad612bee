//! Many pure cores in virtual time under a seeded network, with the laws they have to keep. The tests of
//! `tests/sim` run it, and so does the program `examples/swarm`.

pub mod crypto;
pub mod effects;
pub mod faults;
pub mod host;
pub mod laws;
pub mod net;
pub mod pipe;
pub mod protocol;
pub mod queue;
pub mod settled;
pub mod shouts;
pub mod traffic;
pub mod truth;
pub mod world;
