//! What people are shown of files and transfers.

use super::FileId;
use super::event::TransferId;
use crate::mesh::NodeId;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for its turn.
    Waiting,
    /// Reads and hashes what is on disk.
    Hashing,
    /// Looks for somebody who holds the file.
    Seeking,
    /// Gets pieces.
    Fetching,
    /// Waits for room on the disk.
    Full,
    /// Puts the file into its place.
    Finishing,
    /// Is verified and in its place.
    Done,
    /// Was stopped by a person; what is there stays.
    Stopped,
    /// Cannot go on.
    Failed,
}

impl Phase {
    /// Nothing will happen any more.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Stopped | Phase::Failed)
    }
}

/// What keeps a download from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Nothing yet, or not any more.
    None,
    /// Nobody who holds what is missing can be reached.
    Holders,
    /// The peers give no faster.
    Peers,
    /// The round trip is long for the window.
    Rtt,
    /// Pieces wait for the disk, or for their hash.
    Disk,
    /// A limit that was set.
    Limit,
}

/// One peer a download gets pieces from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Who.
    pub peer: NodeId,
    /// Good pieces it gave.
    pub pieces: u32,
    /// Bytes it gave, good or not.
    pub bytes: u64,
    /// Smoothed bytes per second while it was asked.
    pub bytes_per_second: u64,
    /// Pieces asked of it now.
    pub asked: u32,
    /// Pieces with a wrong hash that it gave.
    pub lies: u32,
}

/// One `get` or `share`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRow {
    /// Its number.
    pub transfer: TransferId,
    /// A share, not a get.
    pub share: bool,
    /// The file, once it is known.
    pub file: Option<FileId>,
    /// Its name, once it is known; hostile text until escaped.
    pub name: String,
    /// How far it is.
    pub phase: Phase,
    /// Bytes of the file; 0 while unknown.
    pub bytes: u64,
    /// Bytes verified and stored (hashed, for a share).
    pub bytes_done: u64,
    /// Bytes that came over links in this run, good or not.
    pub bytes_received: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// Pieces verified and stored.
    pub pieces_done: u32,
    /// Smoothed bytes per second.
    pub bytes_per_second: u64,
    /// What keeps it from being faster.
    pub bottleneck: Bottleneck,
    /// Peers it gets pieces from.
    pub sources: Vec<SourceRow>,
    /// What is wrong, and what to do; empty if nothing is.
    pub problem: String,
    /// Milliseconds it has been running, or took.
    pub elapsed_ms: u64,
}

/// One file that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Which.
    pub file: FileId,
    /// Its name; hostile text until escaped.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// Pieces that are here.
    pub pieces_held: u32,
    /// It is given to whoever asks.
    pub served: bool,
    /// Bytes given to others since the start.
    pub bytes_given: u64,
    /// Other nodes that said they hold all of it, as far as we were told.
    pub holders: Vec<NodeId>,
}
