//! What the Exchange hands to the Shelf, and what it does with the answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{AsyncContext, Context, Recipient};

use super::super::messages::{
    CloseIdle, Commit, Finish, ForgetFile, HashPath, LookAt, Prepare, Progress, PutAway, ReadChunk,
    Recall, Rehash, Resume, SetAside, StorePiece,
};
use super::super::turn::Driver;
use super::{Exchange, Get};
use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::{Event, Stored, TransferId};
use crate::store::pieces::{
    CommitError, Download, FinishError, Known, PrepareError, Rehashed, Resumed, Target, Unfinished,
};

/// What the disk may be able to do in a moment is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// How often in a row the list of files may fail before a download ends for it.
const TRIES: u32 = 3;
/// How often it is looked for files that are read no more.
const IDLE: Duration = Duration::from_secs(10);

/// Who reads and writes files.
pub struct Shelves {
    /// Checks and writes pieces.
    pub store: Recipient<StorePiece>,
    /// Reads what others ask for.
    pub read: Recipient<ReadChunk>,
    /// Looks whether a file is as it was.
    pub look: Recipient<LookAt>,
    /// Closes what is read no more.
    pub close: Recipient<CloseIdle>,
    /// Knows what earlier runs left.
    pub recall: Recipient<Recall>,
    /// Begins downloads.
    pub prepare: Recipient<Prepare>,
    /// Goes on with them.
    pub resume: Recipient<Resume>,
    /// Syncs them.
    pub commit: Recipient<Commit>,
    /// Lets go of them.
    pub put_away: Recipient<PutAway>,
    /// Remembers which of them a person has stopped.
    pub set_aside: Recipient<SetAside>,
    /// Puts them into their place.
    pub finish: Recipient<Finish>,
    /// Hashes what is shared.
    pub hash: Recipient<HashPath>,
    /// Hashes it again.
    pub rehash: Recipient<Rehash>,
    /// Forgets it.
    pub forget: Recipient<ForgetFile>,
}

impl Exchange {
    /// Asks what earlier runs left.
    pub(super) fn recall(&mut self, ctx: &mut Context<Self>) {
        let to = self.ports.shelves.recall.clone();
        self.ask(&to, Recall, ctx, |exchange, answer, ctx| match answer {
            Ok((whole, unfinished)) => exchange.recalled(whole, unfinished, ctx),
            Err(error) => log::error!("what was shared and fetched cannot be read: {error}"),
        });
    }

    /// Serves what earlier runs left, and goes on with what they did not finish.
    fn recalled(
        &mut self,
        whole: Vec<Known>,
        unfinished: Vec<Unfinished>,
        ctx: &mut Context<Self>,
    ) {
        for Known { known, problem } in whole {
            if problem.is_empty() {
                self.handle_event("Serve", Event::Serve(known), ctx);
            } else {
                self.rehash(known.file, ctx);
            }
        }
        for Unfinished { file, name, path, force, .. } in unfinished {
            if self.running(&file).is_some() {
                // A person was faster, and goes on with it.
                continue;
            }
            let transfer = self.name_transfer();
            log::info!("going on with the download of {}", crate::text::escape(&name));
            let target = Target { path: path.clone(), directory: false, force };
            let get = Get::new(file, target, path, self.now_ms());
            self.gets.insert(transfer, Get { resuming: true, ..get });
            self.handle_event("Resume", Event::Resume { transfer, file }, ctx);
            self.resume(transfer, ctx);
        }
        self.show_files(ctx);
    }

    pub(super) fn prepare(
        &mut self,
        transfer: TransferId,
        manifest: Vec<u8>,
        ctx: &mut Context<Self>,
    ) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        get.manifest.clone_from(&manifest);
        let message = Prepare { file: get.file, manifest, target: get.target.clone() };
        let to = self.ports.shelves.prepare.clone();
        self.ask(&to, message, ctx, move |exchange, answer, ctx| {
            exchange.prepared(transfer, answer, ctx);
        });
    }

    /// Goes on with what there is of a download; all of it is checked first.
    fn resume(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        get.resuming = true;
        let message = Resume { file: get.file, progress: get.progress.clone() };
        let to = self.ports.shelves.resume.clone();
        self.ask(&to, message, ctx, move |exchange, answer, ctx| {
            if let Ok(Resumed { dropped, .. }) = &answer
                && *dropped > 0
            {
                log::warn!(
                    "{dropped} pieces that were said to be there are not; they are fetched again"
                );
            }
            exchange.prepared(transfer, answer.map(|resumed| resumed.download), ctx);
        });
        self.tick(ctx);
    }

    /// There may be room now: for a download that had not begun, or for one that could not be synced.
    pub(super) fn prepare_again(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get(&transfer) else { return };
        match get.download.clone() {
            Some(download) => {
                let to = self.ports.shelves.commit.clone();
                let message = Commit(Arc::clone(&download));
                self.ask(&to, message, ctx, move |exchange, answer, ctx| {
                    let event = match answer {
                        Ok(()) => Event::Prepared { transfer, file: download.known() },
                        Err(error) => Event::Refused { transfer, trouble: error.trouble() },
                    };
                    exchange.handle_event("PrepareAgain", event, ctx);
                });
            }
            None => self.prepare_or_resume(transfer, ctx),
        }
    }

    /// Without its manifest at hand it was one that goes on.
    fn prepare_or_resume(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get(&transfer).filter(|get| !get.is_over()) else { return };
        match get.manifest.is_empty() {
            true => self.resume(transfer, ctx),
            false => self.prepare(transfer, get.manifest.clone(), ctx),
        }
    }

    fn prepared(
        &mut self,
        transfer: TransferId,
        answer: Result<Arc<Download>, PrepareError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        match &answer {
            Err(PrepareError::Unfinished(path)) if !get.is_over() => {
                get.path.clone_from(path);
                return self.resume(transfer, ctx);
            }
            // Whoever had it before is about to let go of it.
            Err(PrepareError::Running(_)) if !get.is_over() => {
                ctx.run_later(AGAIN, move |exchange, ctx| {
                    exchange.prepare_or_resume(transfer, ctx)
                });
                return;
            }
            _ => {}
        }
        get.resuming = false;
        let mut keep = Vec::new();
        let event = match answer {
            Ok(download) => {
                let file = download.known();
                get.path = download.path();
                get.download = Some(download);
                Event::Prepared { transfer, file }
            }
            Err(PrepareError::Forged) => Event::Forged { transfer },
            Err(error) => {
                let trouble = error.trouble();
                if trouble.full {
                    keep = std::mem::take(&mut get.manifest);
                }
                Event::Refused { transfer, trouble }
            }
        };
        get.manifest = keep;
        self.handle_event("Prepared", event, ctx);
        self.show_files(ctx);
    }

    fn download_of(&self, transfer: TransferId) -> Option<Arc<Download>> {
        self.gets.get(&transfer)?.download.clone()
    }

    pub(super) fn store(
        &mut self,
        transfer: TransferId,
        piece: u32,
        bytes: Buffer,
        ctx: &mut Context<Self>,
    ) {
        let Some(download) = self.download_of(transfer) else {
            let why = "the download is not there any more".to_owned();
            let outcome = Stored::Failed { why, full: false };
            return self.later("Stored", Event::Stored { transfer, piece, outcome }, ctx);
        };
        let to = self.ports.shelves.store.clone();
        let written = Arc::clone(&download);
        self.ask(&to, StorePiece { download, piece, bytes }, ctx, move |exchange, outcome, ctx| {
            exchange.handle_event("Stored", Event::Stored { transfer, piece, outcome }, ctx);
            if let Some(trouble) = written.take_trouble() {
                // More than this piece is lost: as if a commit had failed.
                log::error!("{}", trouble.why);
                exchange.handle_event("Stored", Event::Refused { transfer, trouble }, ctx);
            }
        });
    }

    pub(super) fn commit(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        self.try_commit(transfer, TRIES, ctx);
    }

    fn try_commit(&mut self, transfer: TransferId, tries: u32, ctx: &mut Context<Self>) {
        let Some(download) = self.download_of(transfer) else { return };
        let to = self.ports.shelves.commit.clone();
        self.ask(&to, Commit(download), ctx, move |exchange, answer, ctx| {
            let event = match answer {
                Ok(()) => Event::Committed { transfer },
                Err(CommitError::Database(error)) if !error.is_full() && tries > 1 => {
                    log::warn!("{error}; it is tried again");
                    ctx.run_later(AGAIN, move |exchange, ctx| {
                        exchange.try_commit(transfer, tries - 1, ctx);
                    });
                    return;
                }
                Err(error) => {
                    log::error!("{error}");
                    Event::Refused { transfer, trouble: error.trouble() }
                }
            };
            exchange.handle_event("Committed", event, ctx);
        });
    }

    pub(super) fn finish(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        self.try_finish(transfer, TRIES, ctx);
    }

    fn try_finish(&mut self, transfer: TransferId, tries: u32, ctx: &mut Context<Self>) {
        let Some(download) = self.download_of(transfer) else { return };
        let to = self.ports.shelves.finish.clone();
        let finished = Arc::clone(&download);
        self.ask(&to, Finish(download), ctx, move |exchange, answer, ctx| {
            let event = match answer {
                Ok(path) => {
                    log::info!("{} is verified and in its place", path.display());
                    if let Some(get) = exchange.gets.get_mut(&transfer) {
                        get.path = path;
                        get.download = None;
                    }
                    Event::Finished { transfer }
                }
                // A sync failed before: what it lost is fetched again.
                Err(FinishError::Incomplete(_)) => {
                    Event::Prepared { transfer, file: finished.known() }
                }
                Err(
                    FinishError::Database(error)
                    | FinishError::Commit(CommitError::Database(error)),
                ) if !error.is_full() && tries > 1 => {
                    log::warn!("{error}; it is tried again");
                    ctx.run_later(AGAIN, move |exchange, ctx| {
                        exchange.try_finish(transfer, tries - 1, ctx);
                    });
                    return;
                }
                Err(error) => Event::Refused { transfer, trouble: error.trouble() },
            };
            exchange.handle_event("Finished", event, ctx);
            exchange.show_end(ctx);
        });
    }

    pub(super) fn rehash(&mut self, file: FileId, ctx: &mut Context<Self>) {
        let to = self.ports.shelves.rehash.clone();
        self.ask(&to, Rehash(file), ctx, move |exchange, answer, ctx| {
            let event = match answer {
                Rehashed::Same(known) => {
                    log::info!("file {} was touched and is the same", file.short());
                    Event::Serve(known)
                }
                Rehashed::Stopped => return,
                Rehashed::Different(why) | Rehashed::Gone(why) => {
                    let text = format!("a shared file is not served any more: {why}");
                    exchange.notices.tell(exchange.turn.now(), &text);
                    Event::Withdraw { file }
                }
            };
            exchange.handle_event("Rehashed", event, ctx);
            exchange.show_files(ctx);
        });
    }

    /// From the first read on it is looked every now and then for files that are read no more.
    pub(super) fn close_idle(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        ctx.run_later(IDLE, |exchange, ctx| {
            let to = exchange.ports.shelves.close.clone();
            exchange.ask(&to, CloseIdle, ctx, |exchange, some_left, ctx| {
                exchange.closing = false;
                if some_left {
                    exchange.close_idle(ctx);
                }
            });
        });
    }

    /// A person has stopped the download of this file.
    pub(super) fn set_aside(&mut self, file: FileId, ctx: &mut Context<Self>) {
        let to = self.ports.shelves.set_aside.clone();
        self.ask(&to, SetAside(file), ctx, |_, answer, _| {
            if let Err(error) = answer {
                log::error!("a download that was stopped goes on after the next start: {error}");
            }
        });
    }

    /// A transfer that has ended keeps no file open, and nothing is checked for it any more.
    pub(super) fn put_away(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        get.progress.stop.store(true, Ordering::Relaxed);
        get.manifest = Vec::new();
        let Some(download) = get.download.take() else { return };
        let to = self.ports.shelves.put_away.clone();
        self.ask(&to, PutAway(download), ctx, |_, answer, _| {
            if let Err(error) = answer {
                log::error!("{error}");
            }
        });
    }
}

impl Get {
    pub(super) fn new(file: FileId, target: Target, path: PathBuf, since_ms: u64) -> Get {
        Get {
            file,
            target,
            path,
            since_ms,
            resuming: false,
            download: None,
            manifest: Vec::new(),
            progress: Arc::new(Progress::default()),
        }
    }

    /// Nobody wants it any more.
    fn is_over(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }

    /// What there is of it is being checked, which has begun.
    pub(super) fn is_checked(&self) -> bool {
        self.resuming && !self.is_over() && self.progress.total.load(Ordering::Relaxed) > 0
    }
}
