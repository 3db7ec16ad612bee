//! Private letters over volunteer relays: how a letter is sealed for its reader, how it is wrapped in layers
//! so that no relay knows both ends, which keys that takes, and how a long letter is cut.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws chance of its own; whoever calls
//! hands in unix milliseconds and seeds. (One exception, in a library: see [`onion::wrap`].) It knows `wire`
//! and, of the mesh, ids and signatures; it must not know which way a letter goes nor how bytes reach a link.
//!
//! Reading list: [`LetterId`], [`seal`] (what only the reader can open), [`onion`] (what relays peel),
//! [`keys`] (what both are made for), [`shards`] (how a letter goes in parts over several paths).

mod id;
pub mod keys;
pub mod onion;
pub mod seal;
pub mod shards;
#[cfg(test)]
mod tests;

pub use id::{LetterId, ParseLetterIdError};

/// How far the clocks of two nodes may disagree, milliseconds: what comes from the future by no more than this
/// is taken as of now.
pub const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
