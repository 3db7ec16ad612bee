//! The one line by which a file is handed on: its id, its size, and where it was to be had.
//!
//! `kith1` and, in lower-case base32 (RFC 4648, no padding), the postcard of [`Ticket`]'s fields followed by the
//! first 4 bytes of the SHA-256 of those.

use std::net::SocketAddr;

use super::FileId;
use crate::mesh::NodeId;

/// Most holders named in a ticket.
pub const HINTS_MAX: usize = 3;

/// A file, and who holds it. Stays good when they move: the id finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which file.
    pub file: FileId,
    /// Bytes of the file; 0 if unknown (a bare id).
    pub bytes: u64,
    /// At most [`HINTS_MAX`].
    pub hints: Vec<(NodeId, SocketAddr)>,
}
