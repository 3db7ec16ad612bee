//! Files by hash, from many peers at once: what a file is made of, which piece to ask of whom, and what may
//! be answered to whom.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws randomness of its own. It knows
//! `wire` and, of the mesh, ids, time, cards and the graph; it must not know how bytes reach a disk or a link.
//!
//! Reading list: [`FileId`] and [`manifest`] (what a file is), [`ticket`] (how it is handed on),
//! [`frame`] (what nodes say), [`event`] (what the core is told and asks for), [`exchange`] (the core).

mod bitmap;
pub mod event;
pub mod exchange;
pub mod frame;
pub mod holding;
mod id;
pub mod manifest;
pub mod names;
pub mod rows;
pub mod ticket;

pub use bitmap::Bitmap;
pub use id::FileId;

/// Shortest piece (the last one of a file may be shorter), bytes. Larger files have longer pieces.
pub const PIECE_BYTES_MIN: u32 = 1 << 20;
/// Longest piece, bytes.
pub const PIECE_BYTES_MAX: u32 = 16 << 20;
/// Most pieces of a file: with the longest pieces, 1 TiB.
pub const PIECES_MAX: u32 = 65_536;
/// Most bytes of file content in one frame.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Longest manifest, bytes.
pub const MANIFEST_BYTES_MAX: u32 = 8 << 20;
/// Most files and empty directories of a shared directory.
pub const ENTRIES_MAX: usize = 65_536;
