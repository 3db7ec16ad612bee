//! Private letters: sealed for their reader, wrapped in layers, on another path through volunteers each
//! time, and tried until the reader has signed for them.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws chance of its own. Knows mesh and
//! wire; knows nothing of files.

pub mod courier;
pub mod event;
pub mod frame;
mod id;
pub mod keys;
pub mod onion;
pub mod rows;
pub mod seal;
pub mod shards;
pub mod work;

/// How far the clocks of two nodes may disagree, milliseconds.
pub const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;

pub use id::{LetterId, ParseLetterIdError};
