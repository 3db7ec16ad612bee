//! What the exchange core is told and what it asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use super::frame::{Nope, Part, PieceFrame};
use super::{Bitmap, FileId};
use crate::mesh::NodeId;
use crate::mesh::view::View;

/// Names one `get` (or `share`) for as long as the daemon runs.
pub type TransferId = u64;

/// What is known of a file once its manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Its id.
    pub file: FileId,
    /// Its (or the directory's) name; hostile text until escaped.
    pub name: String,
    /// Bytes of all content.
    pub bytes: u64,
    /// Bytes of each piece but the last.
    pub piece_bytes: u32,
    /// Bytes of its manifest.
    pub manifest_bytes: u32,
    /// Which pieces are here, verified and safe on disk.
    pub held: Bitmap,
}

/// What became of a piece that was handed to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Its hash is right and it is written (not yet synced).
    Good,
    /// Its hash is wrong: whoever gave it lied. Nothing was written.
    Mismatch,
    /// The disk failed. Nothing is lost but this piece.
    Failed {
        /// In words.
        why: String,
        /// There was no room; there may be later.
        full: bool,
    },
}

/// Why a download cannot go on, in words; what is verified already stays on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub why: String,
    /// What to do instead.
    pub remedy: String,
    /// There was no room on the disk: it is tried again by itself.
    pub full: bool,
}

/// What the exchange is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A link is up (or has replaced another one to the same peer: its requests are void).
    LinkUp {
        /// The peer.
        peer: NodeId,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
    },
    /// A link is gone, and all its requests with it.
    LinkDown {
        /// The peer.
        peer: NodeId,
    },
    /// The smoothed round trip of a link.
    Measured {
        /// The peer.
        peer: NodeId,
        /// Microseconds.
        rtt_us: u32,
    },
    /// The graph is now this.
    Graph(Arc<View>),
    /// A peer said something about files.
    FromPeer {
        /// Who.
        peer: NodeId,
        /// What.
        frame: PieceFrame,
    },
    /// All bytes of a request are in its buffer.
    Received {
        /// From whom.
        peer: NodeId,
        /// Which.
        request: u64,
    },
    /// Some bytes of a request have come; told now and then for those that take long.
    Progress {
        /// From whom.
        peer: NodeId,
        /// Which.
        request: u64,
        /// How many in all.
        bytes: u32,
    },
    /// A chunk that [`Effect::Read`] asked for has been written to the peer's link.
    Sent {
        /// To whom.
        peer: NodeId,
        /// Answering which request.
        request: u64,
        /// How many.
        bytes: u32,
    },
    /// A chunk could not be read.
    ReadFailed {
        /// Who asked for it.
        peer: NodeId,
        /// In which request.
        request: u64,
        /// Why; [`Nope::Changed`] also means that the file is not to be served until it was hashed again.
        why: Nope,
    },
    /// A file can be served: it was shared just now, is known from an earlier run, or was found to be
    /// unchanged when it was hashed again.
    Serve(KnownFile),
    /// A file cannot be served any more: it has changed, or is gone.
    Withdraw {
        /// Which.
        file: FileId,
    },
    /// A person wants a file.
    Get {
        /// Names it from now on.
        transfer: TransferId,
        /// Which file.
        file: FileId,
        /// Who is said to hold it, and where they were last.
        hints: Vec<(NodeId, SocketAddr)>,
    },
    /// An earlier run began to get a file; what there is of it is being looked through. `Prepared` or `Refused`
    /// follows.
    Resume {
        /// Names it from now on.
        transfer: TransferId,
        /// Which file.
        file: FileId,
    },
    /// A person does not want it any more: stop, and keep what is there.
    Stop {
        /// Which.
        transfer: TransferId,
    },
    /// The manifest was good and the target is ready; or a download of an earlier run goes on.
    Prepared {
        /// Which.
        transfer: TransferId,
        /// What it is, and what of it is there already.
        file: KnownFile,
    },
    /// The manifest is not what the file id says: whoever gave it lied.
    Forged {
        /// Which transfer.
        transfer: TransferId,
    },
    /// The download cannot be begun or go on; with `full` it is tried again by itself.
    Refused {
        /// Which.
        transfer: TransferId,
        /// Why.
        trouble: Trouble,
    },
    /// A piece was handed to the disk.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which piece.
        piece: u32,
        /// What became of it.
        outcome: Stored,
    },
    /// What was stored before the commit was asked for is safe on disk now.
    Committed {
        /// Of which transfer.
        transfer: TransferId,
    },
    /// The file is whole, verified and in its place.
    Finished {
        /// Which.
        transfer: TransferId,
    },
    /// A person wants this file forgotten: stop getting and serving it.
    Forget {
        /// Which file.
        file: FileId,
    },
    /// What the wall clock says now, Unix milliseconds. Told every minute or so: it may be set, and it goes on
    /// while this machine sleeps and [`crate::mesh::Time`] stands still.
    WallClock(u64),
    /// New settings.
    Configure(Policy),
}

/// What the exchange asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Say this to a linked peer. If its lane is full it is lost, and said again when it matters; but what
    /// [`PieceFrame::is_owed`] is said only once: if that finds no room, the peer does not read, and its link is
    /// to be closed.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        frame: PieceFrame,
    },
    /// Keep a buffer of `bytes` ready for this request on the peer's link, then ask for the part from its
    /// beginning. Ends with `Received`, a `Nope` from the peer, `LinkDown`, or `Drop`.
    Ask {
        /// Whom.
        peer: NodeId,
        /// Names the request.
        request: u64,
        /// Of which file.
        file: FileId,
        /// What of it.
        part: Part,
        /// How many bytes.
        bytes: u32,
    },
    /// Free the buffer of a request. What still comes for it is read and thrown away.
    Drop {
        /// Whose.
        peer: NodeId,
        /// Which.
        request: u64,
    },
    /// Check the received manifest, then make the target ready: `Prepared`, `Forged` or `Refused`.
    Prepare {
        /// For which transfer.
        transfer: TransferId,
        /// Who gave it.
        peer: NodeId,
        /// In answer to which request.
        request: u64,
    },
    /// Try again to make the target ready, after `Refused` for want of room.
    PrepareAgain {
        /// For which transfer.
        transfer: TransferId,
    },
    /// Check the received piece, then write it: `Stored`.
    Store {
        /// For which transfer.
        transfer: TransferId,
        /// Which piece.
        piece: u32,
        /// Who gave it.
        peer: NodeId,
        /// In answer to which request.
        request: u64,
    },
    /// Sync what was stored and write down that it is there: `Committed`.
    Commit {
        /// For which transfer.
        transfer: TransferId,
    },
    /// Everything is stored: sync, put it into its place: `Finished` or `Refused`.
    Finish {
        /// Which.
        transfer: TransferId,
    },
    /// Read this and put it into the peer's bulk lane as blocks of the request: `Sent` once written, or
    /// `ReadFailed`.
    Read {
        /// Who asked.
        peer: NodeId,
        /// In which request.
        request: u64,
        /// Of which file.
        file: FileId,
        /// What of it.
        part: Part,
        /// First byte of the part.
        offset: u32,
        /// How many bytes.
        bytes: u32,
    },
    /// Take what waits of a request out of the peer's bulk lane; no block of it is written after this.
    Unsend {
        /// Whose lane.
        peer: NodeId,
        /// Which request.
        request: u64,
    },
    /// Hash a file that changed again: `Serve` if it is the same after all, else `Withdraw`.
    Rehash {
        /// Which.
        file: FileId,
    },
    /// A link to this node is needed; it may be dialled at these addresses, too.
    NeedLink {
        /// To whom.
        peer: NodeId,
        /// Where it was last, as a ticket says.
        addrs: Vec<SocketAddr>,
    },
    /// The peer has broken the rules: close its link.
    Close {
        /// Whose.
        peer: NodeId,
        /// What it did, for the log.
        why: String,
    },
    /// What people see has changed: show it again, soon.
    Changed,
    /// Something a person should know.
    Notice(String),
}

/// The settings the exchange follows; they may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Most bytes asked for and not yet written, in all.
    pub buffer_bytes_max: u64,
    /// Most bytes given to all peers in a second; 0: no limit.
    pub upload_bytes_per_second: u64,
    /// Most bytes given to one peer in a second; 0: no limit.
    pub upload_bytes_per_second_per_peer: u64,
    /// Most bytes asked for in a second; 0: no limit.
    pub download_bytes_per_second: u64,
    /// Most downloads at once; others wait for their turn.
    pub transfers_max: usize,
    /// Most files known.
    pub files_max: usize,
    /// Most holdings kept for others.
    pub index_max: usize,
}
