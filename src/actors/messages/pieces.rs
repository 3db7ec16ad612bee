//! Messages about files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix::Message;

use super::Refused;
use crate::mesh::{ConnId, NodeId};
use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::TransferId;
use crate::pieces::frame::PieceFrame;
use crate::pieces::rows::{FileRow, TransferRow};
use crate::pieces::ticket::Ticket;

/// Everything about files that people are shown. Published whole, a few times a second at most, in one slot
/// (`tokio::sync::watch`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PiecesView {
    /// Running transfers and the last 64 that ended, oldest first.
    pub transfers: Vec<Transfer>,
    /// Files known here, by name.
    pub files: Arc<Vec<File>>,
    /// Counters by name, in stable order (`bytes_received`, `pieces_verified`, …).
    pub counters: Vec<(&'static str, u64)>,
}

/// One transfer as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// What the core knows of it.
    pub row: TransferRow,
    /// What is shared, or where the file goes (its final name once it has one).
    pub path: PathBuf,
    /// The ticket, once the file is known.
    pub ticket: Option<Ticket>,
    /// Unix milliseconds when it began.
    pub since_ms: u64,
    /// What was left out of a shared directory and why, at most 16 lines; hostile text until escaped.
    pub left_out: Vec<String>,
}

/// One known file as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// What the core knows of it.
    pub row: FileRow,
    /// Where it is.
    pub path: PathBuf,
    /// Its ticket.
    pub ticket: Ticket,
    /// What is wrong with it (changed since it was shared, say); empty if nothing is.
    pub problem: String,
}

/// Exchange: hash this file or directory and serve it. Answers once that has begun; the transfer tells the
/// rest.
#[derive(Message)]
#[rtype(result = "Result<TransferId, Refused>")]
pub struct Share {
    /// An absolute path.
    pub path: PathBuf,
}

/// Exchange: get a file. Answers once that has begun; the transfer tells the rest.
#[derive(Message)]
#[rtype(result = "Result<TransferId, Refused>")]
pub struct GetFile {
    /// Which, and who is said to hold it (a bare id is a ticket without hints).
    pub ticket: Ticket,
    /// Where to: an absolute path. An existing directory: into it, under the file's own name. Anything else:
    /// the file's name from now on. None: `pieces.dir`.
    pub out: Option<PathBuf>,
    /// Overwrite what is there.
    pub force: bool,
}

/// Exchange: stop a transfer that runs; what is there stays, and `get` goes on with it.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct StopTransfer {
    /// Which.
    pub transfer: TransferId,
}

/// Exchange: serve this file no more and forget it. Shared files and finished downloads stay on disk; what
/// there is of an unfinished download is removed.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Forget {
    /// Which.
    pub file: FileId,
}

// ---- what happens on links ----

/// Exchange: a peer said something about files. Waits for room: the link is not read meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PieceFrom {
    /// Who.
    pub peer: NodeId,
    /// On which of its links: one that is replaced by another may still have had something to say.
    pub conn: ConnId,
    /// What.
    pub frame: PieceFrame,
}

/// Exchange: all bytes of a request are here. Waits for room: the link is not read meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WholeFrom {
    /// From whom.
    pub peer: NodeId,
    /// On which of its links.
    pub conn: ConnId,
    /// Which request.
    pub request: u64,
    /// Its bytes, not checked yet.
    pub buffer: Buffer,
}

/// Exchange: a chunk that was put into a bulk lane is written. Never lost; bounded by what is put there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ChunkSent {
    /// To whom.
    pub peer: NodeId,
    /// On which of its links.
    pub conn: ConnId,
    /// In answer to which request.
    pub request: u64,
    /// How many bytes.
    pub bytes: u32,
}

/// PeerRegistry: a link to this node is needed. Losing it delays a transfer until it is asked again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NeedLink {
    /// To whom.
    pub peer: NodeId,
    /// Where it may be dialled, if nothing better is known; at most 8 are used.
    pub addrs: Vec<SocketAddr>,
}
