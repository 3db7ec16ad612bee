//! What the Exchange hands to the Shelf, and what it does with the answers.

use std::sync::Arc;

use actix::{AsyncContext, Context};

use super::super::messages::{Commit, Finish, Prepare, Progress, Rehash, Resume, StorePiece};
use super::super::turn::Driver;
use super::{Exchange, Get};
use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::{Event, Stored, TransferId, Trouble};
use crate::store::pieces::{Download, PrepareError, Rehashed};

impl Exchange {
    /// Serves what earlier runs left, and goes on with what they did not finish.
    pub(super) fn recall(&mut self, ctx: &mut Context<Self>) {
        for known in self.place.store.known() {
            self.handle_event("Serve", Event::Serve(known), ctx);
        }
        for unfinished in self.place.store.unfinished() {
            let transfer = self.name_transfer();
            let file = unfinished.file;
            log::info!("going on with the download of {}", crate::text::escape(&unfinished.name));
            let (target, path) = (unfinished.target.clone(), unfinished.part.clone());
            let get =
                Get { file, target, path, since_ms: self.now_ms(), download: None, manifest: None };
            self.gets.insert(transfer, get);
            self.handle_event("Get", Event::Get { transfer, file, hints: Vec::new() }, ctx);
            let progress = Arc::new(Progress::default());
            let to = self.ports.shelves.resume.clone();
            self.ask(&to, Resume { unfinished, progress }, ctx, move |exchange, answer, ctx| {
                exchange.prepared(transfer, answer, ctx);
            });
        }
        self.show(ctx);
    }

    pub(super) fn prepare(
        &mut self,
        transfer: TransferId,
        manifest: Arc<[u8]>,
        ctx: &mut Context<Self>,
    ) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        get.manifest = Some(manifest.clone());
        let message = Prepare { file: get.file, manifest, target: get.target.clone() };
        let to = self.ports.shelves.prepare.clone();
        self.ask(&to, message, ctx, move |exchange, answer, ctx| {
            exchange.prepared(transfer, answer, ctx);
        });
    }

    fn prepared(
        &mut self,
        transfer: TransferId,
        answer: Result<Arc<Download>, PrepareError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(get) = self.gets.get_mut(&transfer) else { return };
        let event = match answer {
            Ok(download) => {
                let file = download.known();
                get.path = download.target_path();
                get.download = Some(download);
                get.manifest = None;
                Event::Prepared { transfer, file }
            }
            Err(PrepareError::Forged) => {
                get.manifest = None;
                Event::Forged { transfer }
            }
            Err(error) => {
                let trouble = error.trouble();
                if !trouble.full {
                    get.manifest = None;
                }
                Event::Refused { transfer, trouble }
            }
        };
        self.handle_event("Prepared", event, ctx);
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
                Err(why) => {
                    log::error!("a download cannot be made safe: {why}");
                    exchange.forget_download(transfer);
                    let remedy =
                        "see to the disk, then get it again: what is safe stays".to_owned();
                    Event::Refused { transfer, trouble: Trouble { why, remedy, full: false } }
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
                Rehashed::Different => {
                    let text = format!(
                        "a shared file is not served any more, because it was changed: {} (share it again \
                         for a ticket of what it is now)",
                        exchange.place.store.path_of(&file).unwrap_or_default().display()
                    );
                    exchange.notices.tell(exchange.turn.now(), &text);
                    Event::Withdraw { file }
                }
                Rehashed::Gone(why) => {
                    let text = format!("a shared file is not served any more: {why}");
                    exchange.notices.tell(exchange.turn.now(), &text);
                    Event::Withdraw { file }
                }
            };
            exchange.handle_event("Rehashed", event, ctx);
        });
    }

    /// The download object of a transfer that has ended must not keep its files open.
    pub(super) fn forget_download(&mut self, transfer: TransferId) {
        if let Some(get) = self.gets.get_mut(&transfer) {
            get.download = None;
            get.manifest = None;
        }
    }
}
