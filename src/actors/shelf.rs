//! The Shelf: hashes, reads and writes the files that are shared and fetched. Several threads share one
//! mailbox; what takes long has threads of its own, so that it keeps nobody's blocks waiting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Handler, MessageResult, SyncContext};

use super::lifeline::Lifeline;
use super::messages::{
    CloseIdle, Commit, Finish, ForgetFile, HashPath, LookAt, Prepare, Progress, PutAway, ReadChunk,
    Recall, Rehash, Resume, SetAside, StorePiece,
};
use crate::net::buffers::Buffer;
use crate::pieces::frame::Nope;
use crate::store::database::DbError;
use crate::store::pieces::{
    CommitError, Download, FinishError, ForgetError, PieceStore, PrepareError, Resumed, ShareError,
    Shared,
};

/// The actor; one of several on the same mailbox.
pub struct Shelf {
    store: PieceStore,
    lifeline: Lifeline,
}

impl Shelf {
    /// One thread's worth of a shelf.
    pub fn new(store: PieceStore, lifeline: Lifeline) -> Shelf {
        Shelf { store, lifeline }
    }
}

impl Actor for Shelf {
    type Context = SyncContext<Self>;

    fn stopped(&mut self, _: &mut SyncContext<Self>) {
        self.lifeline.release();
    }
}

impl Progress {
    /// Takes note of how far it is; false when it is to be given up.
    fn tell(&self, done: u64, total: u64) -> bool {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Handler<StorePiece> for Shelf {
    type Result = MessageResult<StorePiece>;

    fn handle(&mut self, message: StorePiece, _: &mut SyncContext<Self>) -> Self::Result {
        let StorePiece { download, piece, bytes } = message;
        MessageResult(download.store(piece, &bytes))
    }
}

impl Handler<ReadChunk> for Shelf {
    type Result = Result<Buffer, Nope>;

    fn handle(&mut self, message: ReadChunk, _: &mut SyncContext<Self>) -> Self::Result {
        let ReadChunk { file, part, offset, mut into } = message;
        match self.store.read(&file, part, offset, &mut into) {
            Ok(()) => Ok(into),
            Err(error) => {
                log::warn!("cannot give of file {}: {error}", file.short());
                Err(error.nope())
            }
        }
    }
}

impl Handler<Recall> for Shelf {
    type Result = MessageResult<Recall>;

    fn handle(&mut self, _: Recall, _: &mut SyncContext<Self>) -> Self::Result {
        MessageResult(self.store.recall())
    }
}

impl Handler<LookAt> for Shelf {
    type Result = Result<Option<PathBuf>, DbError>;

    fn handle(&mut self, LookAt(file): LookAt, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.intact(&file)
    }
}

impl Handler<CloseIdle> for Shelf {
    type Result = bool;

    fn handle(&mut self, _: CloseIdle, _: &mut SyncContext<Self>) -> bool {
        self.store.close_idle()
    }
}

impl Handler<Prepare> for Shelf {
    type Result = Result<Arc<Download>, PrepareError>;

    fn handle(&mut self, message: Prepare, _: &mut SyncContext<Self>) -> Self::Result {
        let Prepare { file, manifest, target } = message;
        self.store.prepare(&file, manifest, &target)
    }
}

impl Handler<Resume> for Shelf {
    type Result = Result<Resumed, PrepareError>;

    fn handle(&mut self, message: Resume, _: &mut SyncContext<Self>) -> Self::Result {
        let Resume { file, progress } = message;
        self.store.resume(&file, &|done, total| progress.tell(done, total))
    }
}

impl Handler<Commit> for Shelf {
    type Result = Result<(), CommitError>;

    fn handle(&mut self, Commit(download): Commit, _: &mut SyncContext<Self>) -> Self::Result {
        download.commit()
    }
}

impl Handler<PutAway> for Shelf {
    type Result = Result<(), CommitError>;

    fn handle(&mut self, PutAway(download): PutAway, _: &mut SyncContext<Self>) -> Self::Result {
        download.stop()
    }
}

impl Handler<SetAside> for Shelf {
    type Result = Result<(), DbError>;

    fn handle(&mut self, SetAside(file): SetAside, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.set_aside(&file)
    }
}

impl Handler<Finish> for Shelf {
    type Result = Result<PathBuf, FinishError>;

    fn handle(&mut self, Finish(download): Finish, _: &mut SyncContext<Self>) -> Self::Result {
        download.finish()
    }
}

impl Handler<HashPath> for Shelf {
    type Result = Result<Shared, ShareError>;

    fn handle(&mut self, message: HashPath, _: &mut SyncContext<Self>) -> Self::Result {
        let HashPath { path, progress } = message;
        self.store.share(&path, &|done, total| progress.tell(done, total))
    }
}

impl Handler<Rehash> for Shelf {
    type Result = MessageResult<Rehash>;

    fn handle(&mut self, Rehash(file): Rehash, _: &mut SyncContext<Self>) -> Self::Result {
        MessageResult(self.store.rehash(&file, &|_, _| true))
    }
}

impl Handler<ForgetFile> for Shelf {
    type Result = Result<(), ForgetError>;

    fn handle(&mut self, ForgetFile(file): ForgetFile, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.forget(&file)
    }
}
