//! What the Exchange hands to the Shelf, and what it does with the answers.

use std::path::PathBuf;
use std::sync::Arc;

use actix::Context;

use super::super::messages::{Commit, Finish, Prepare, PutAway, Rehash, Resume, StorePiece};
use super::super::turn::Driver;
use super::{Exchange, Get};
use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::{Event, Stored, TransferId};
use crate::store::pieces::{Download, Known, PrepareError, Rehashed, Resumed, Target, Unfinished};

impl Exchange {
    /// Serves what earlier runs left, and goes on with what they did not finish.
    pub(super) fn recall(&mut self, ctx: &mut Context<Self>) {
        let (whole, unfinished) = match self.place.store.recall() {
            Ok(recalled) => recalled,
            Err(error) => {
                return log::error!("what was shared and fetched cannot be read: {error}");
            }
        };
        for Known { known, problem } in whole {
            if problem.is_empty() {
                self.handle_event("Serve", Event::Serve(known), ctx);
            } else {
                self.rehash(known.file, ctx);
            }
        }
        for Unfinished { file, name, path, .. } in unfinished {
            let transfer = self.name_transfer();
            log::info!("going on with the download of {}", crate::text::escape(&name));
            let target = Target { path: path.clone(), directory: false, force: false };
            let get = Get::new(file, target, path, self.now_ms());
            self.gets.insert(transfer, Get { resuming: true, ..get });
            self.handle_event("Get", Event::Get { transfer, file, hints: Vec::new() }, ctx);
            let resume = Resume { file, progress: Arc::default() };
            let to = self.ports.shelves.resume.clone();
            self.ask(&to, resume, ctx, move |exchange, answer, ctx| {
                if let Ok(Resumed { dropped, .. }) = &answer
                    && *dropped > 0
                {
                    log::warn!("{dropped} pieces that were said to be there are not; they are fetched again");
                }
                exchange.prepared(transfer, answer.map(|resumed| resumed.download), ctx);
            });
        }
        self.show(ctx);
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

    /// There may be room now: for a download that had not begun, or for one that could not be synced.
    pub(super) fn prepare_again(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get(&transfer) else { return };
        match &get.download {
            Some(download) => {
                let file = download.known();
                self.later("PrepareAgain", Event::Prepared { transfer, file }, ctx);
            }
            None => self.prepare(transfer, get.manifest.clone(), ctx),
        }
    }

    fn prepared(
        &mut self,
        transfer: TransferId,
        answer: Result<Arc<Download>, PrepareError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
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
        self.ask(&to, StorePiece { download, piece, bytes }, ctx, move |exchange, outcome, ctx| {
            exchange.handle_event("Stored", Event::Stored { transfer, piece, outcome }, ctx);
        });
    }

    pub(super) fn commit(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(download) = self.download_of(transfer) else { return };
        let to = self.ports.shelves.commit.clone();
        self.ask(&to, Commit(download), ctx, move |exchange, answer, ctx| {
            let event = match answer {
                Ok(()) => Event::Committed { transfer },
                Err(error) => {
                    log::error!("{error}");
                    Event::Refused { transfer, trouble: error.trouble() }
                }
            };
            exchange.handle_event("Committed", event, ctx);
        });
    }

    pub(super) fn finish(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(download) = self.download_of(transfer) else { return };
        let to = self.ports.shelves.finish.clone();
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
                Err(error) => Event::Refused { transfer, trouble: error.trouble() },
            };
            exchange.handle_event("Finished", event, ctx);
            exchange.show_files(ctx);
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

    /// A transfer that has ended keeps no file open.
    pub(super) fn put_away(&mut self, transfer: TransferId, ctx: &mut Context<Self>) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
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
        let (download, manifest) = (None, Vec::new());
        Get { file, target, path, since_ms, resuming: false, download, manifest }
    }
}
