//! Private letters: sealed for their reader, wrapped in layers, on another path through volunteers each
//! time, and tried until the reader has signed for them.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws chance of its own. Knows mesh and
//! wire; knows nothing of files.

pub mod frame;
mod id;
pub mod keys;
pub mod rows;

pub use id::{LetterId, ParseLetterIdError};
