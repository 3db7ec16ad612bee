//! Messages to the Shelf: what blocks on the files that are shared and fetched. Each answers when it is done;
//! how many wait is bounded by what the Exchange keeps under way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use actix::Message;

use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::Stored;
use crate::pieces::frame::{Nope, Part};
use crate::store::database::DbError;
use crate::store::pieces::{
    CommitError, Download, FinishError, ForgetError, Known, PrepareError, Rehashed, Resumed,
    ShareError, Shared, Target, Unfinished,
};

/// How far a long piece of work is; read by others while it is done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes done.
    pub done: AtomicU64,
    /// Bytes in all.
    pub total: AtomicU64,
    /// It is to be given up.
    pub stop: AtomicBool,
}

/// Shelf: check this piece and write it.
#[derive(Message)]
#[rtype(result = "Stored")]
pub struct StorePiece {
    /// Of which download.
    pub download: Arc<Download>,
    /// Which.
    pub piece: u32,
    /// Its bytes, not checked yet.
    pub bytes: Buffer,
}

/// Shelf: read this.
#[derive(Message)]
#[rtype(result = "Result<Buffer, Nope>")]
pub struct ReadChunk {
    /// Of which file.
    pub file: FileId,
    /// What of it.
    pub part: Part,
    /// First byte of the part.
    pub offset: u32,
    /// Where to; as long as what is to be read.
    pub into: Buffer,
}

/// Shelf: what is whole, and what earlier runs did not finish.
#[derive(Message)]
#[rtype(result = "Result<(Vec<Known>, Vec<Unfinished>), DbError>")]
pub struct Recall;

/// Shelf: where is this file whole and as it was?
#[derive(Message)]
#[rtype(result = "Result<Option<PathBuf>, DbError>")]
pub struct LookAt(pub FileId);

/// Shelf: close what is read no more; answers whether something is open still.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct CloseIdle;

/// Shelf: check a manifest and make the target ready.
#[derive(Message)]
#[rtype(result = "Result<Arc<Download>, PrepareError>")]
pub struct Prepare {
    /// Which file it should be.
    pub file: FileId,
    /// Its manifest, not checked yet.
    pub manifest: Vec<u8>,
    /// Where to.
    pub target: Target,
}

/// Shelf: go on with a download of an earlier run.
#[derive(Message)]
#[rtype(result = "Result<Resumed, PrepareError>")]
pub struct Resume {
    /// Of which file.
    pub file: FileId,
    /// Told how far the checking is.
    pub progress: Arc<Progress>,
}

/// Shelf: sync what is stored, then write down that it is there.
#[derive(Message)]
#[rtype(result = "Result<(), CommitError>")]
pub struct Commit(pub Arc<Download>);

/// Shelf: sync what is stored, and let go of the files; what is there stays.
#[derive(Message)]
#[rtype(result = "Result<(), CommitError>")]
pub struct PutAway(pub Arc<Download>);

/// Shelf: a person has stopped the download of this file; it does not go on by itself.
#[derive(Message)]
#[rtype(result = "Result<(), DbError>")]
pub struct SetAside(pub FileId);

/// Shelf: everything is stored; put it into its place.
#[derive(Message)]
#[rtype(result = "Result<PathBuf, FinishError>")]
pub struct Finish(pub Arc<Download>);

/// Shelf: hash this path and serve it from now on.
#[derive(Message)]
#[rtype(result = "Result<Shared, ShareError>")]
pub struct HashPath {
    /// An absolute path.
    pub path: PathBuf,
    /// Told how far it is.
    pub progress: Arc<Progress>,
}

/// Shelf: see whether a file that changed is still what it was.
#[derive(Message)]
#[rtype(result = "Rehashed")]
pub struct Rehash(pub FileId);

/// Shelf: forget this file.
#[derive(Message)]
#[rtype(result = "Result<(), ForgetError>")]
pub struct ForgetFile(pub FileId);
