//! Private letters: sealed for their reader, wrapped in layers, on another path through volunteers each
//! time, and tried until the reader has signed for them.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws chance of its own; seeds, times and
//! what the disk said come in from outside. (One exception, in a library: see [`onion::wrap`].) Knows `wire` and
//! the mesh; knows nothing of files, nor how bytes reach a link.
//!
//! Reading list: [`LetterId`], [`seal`] (what only the reader can open), [`onion`] (what relays peel),
//! [`keys`] (what both are made for), [`shards`] (how a letter goes in parts over several paths), [`work`] (the
//! jobs made of these), [`rows`] (what is kept), [`event`] and [`courier`] (who decides).

pub mod courier;
pub mod event;
pub mod frame;
mod id;
pub mod keys;
pub mod onion;
pub mod rows;
pub mod seal;
pub mod shards;
#[cfg(test)]
mod tests;
pub mod work;

pub use id::{LetterId, ParseLetterIdError};

/// How far the clocks of two nodes may disagree, milliseconds: what comes from the future by no more than this
/// is taken as of now.
pub const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
