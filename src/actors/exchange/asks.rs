//! What people ask of the Exchange.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Context, Handler, ResponseFuture};
use tokio::sync::oneshot;

use super::super::messages::{
    Forget, ForgetFile, GetFile, HashPath, LookAt, Progress, Refused, Share as ShareMessage,
    StopTransfer,
};
use super::super::turn::Driver;
use super::{Exchange, Get, Share};
use crate::pieces::FileId;
use crate::pieces::event::{Event, TransferId};
use crate::pieces::rows::Phase;
use crate::pieces::ticket::Ticket;
use crate::store::pieces::{PrepareError, Target};

/// Most shares hashed or waiting to be.
const SHARES_MAX: usize = 64;

fn refused(why: impl Into<String>) -> Refused {
    Refused { why: why.into() }
}

fn rebuilding() -> Refused {
    refused("the daemon is building its actors again")
}

impl Handler<ShareMessage> for Exchange {
    type Result = Result<TransferId, Refused>;

    fn handle(
        &mut self,
        ShareMessage { path }: ShareMessage,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        if !path.is_absolute() {
            return Err(refused("the path is not absolute"));
        }
        let running = self.shares.values().filter(|share| share.outcome.is_none()).count();
        if running >= SHARES_MAX {
            return Err(refused(format!(
                "{SHARES_MAX} shares are being hashed; wait for some to end"
            )));
        }
        let transfer = self.name_transfer();
        let progress = Arc::new(Progress::default());
        self.shares.insert(
            transfer,
            Share {
                path: path.clone(),
                since_ms: self.now_ms(),
                progress: progress.clone(),
                outcome: None,
                left_out: Vec::new(),
                ended_ms: 0,
            },
        );
        let to = self.ports.shelves.hash.clone();
        self.ask(&to, HashPath { path, progress }, ctx, move |exchange, answer, ctx| {
            let ended_ms = exchange.now_ms();
            let known = answer.as_ref().ok().map(|shared| shared.known.clone());
            let replaced =
                answer.as_ref().map(|shared| shared.replaced.clone()).unwrap_or_default();
            for file in replaced {
                exchange.handle_event("Withdraw", Event::Withdraw { file }, ctx);
            }
            if let Some(share) = exchange.shares.get_mut(&transfer) {
                share.ended_ms = ended_ms;
                share.outcome = Some(match answer {
                    Ok(shared) => {
                        share.left_out = shared.left_out;
                        Ok(shared.known)
                    }
                    Err(error) => Err(error.to_string()),
                });
            }
            if let Some(known) = known {
                exchange.handle_event("Serve", Event::Serve(known), ctx);
            }
            exchange.show_end(ctx);
        });
        self.tick(ctx);
        self.show(ctx);
        Ok(transfer)
    }
}

impl Handler<GetFile> for Exchange {
    type Result = ResponseFuture<Result<TransferId, Refused>>;

    fn handle(&mut self, message: GetFile, ctx: &mut Context<Self>) -> Self::Result {
        let GetFile { ticket, out, force } = message;
        let directory = out.is_none();
        let ready = |answer| -> Self::Result { Box::pin(std::future::ready(answer)) };
        let Some(path) = out.or_else(|| self.place.dir.clone()) else {
            return ready(Err(refused("say where to: this daemon keeps nothing on disk")));
        };
        if !path.is_absolute() {
            return ready(Err(refused("the path to get it to is not absolute")));
        }
        let target = Target { path, directory, force };
        let file = ticket.file;
        if self.running(&file).is_some() || self.place.store.path_of(&file).is_none() {
            return ready(self.begin(ticket, target, ctx));
        }
        // It may be here already, or have been changed or deleted since: the disk knows.
        let (tell, told) = oneshot::channel();
        let to = self.ports.shelves.look.clone();
        self.ask(&to, LookAt(file), ctx, move |exchange, answer, ctx| {
            let answer = match answer {
                Ok(Some(path)) => Err(refused(format!(
                    "it is here already: {}; copy it from there, or forget it first (node forget)",
                    path.display()
                ))),
                Ok(None) => exchange.begin(ticket, target, ctx),
                Err(error) => Err(refused(error.to_string())),
            };
            // Whoever asked may have gone away.
            let _ = tell.send(answer);
        });
        Box::pin(async { told.await.unwrap_or_else(|_| Err(rebuilding())) })
    }
}

impl Exchange {
    /// The transfer that gets this file.
    pub(super) fn running(&self, file: &FileId) -> Option<TransferId> {
        let rows = self.turn.core.rows();
        let running = rows.iter().find(|row| row.file == Some(*file) && !row.phase.is_over());
        running.map(|row| row.transfer)
    }

    /// Gets a file that is not here, or not as it was.
    fn begin(
        &mut self,
        ticket: Ticket,
        target: Target,
        ctx: &mut Context<Self>,
    ) -> Result<TransferId, Refused> {
        let file = ticket.file;
        if let Some(transfer) = self.running(&file) {
            // Whoever watched it lost sight of it, and asks again.
            let get = self.gets.get(&transfer);
            return get.map_or(Ok(()), |get| goes_to(get, &target)).map(|()| transfer);
        }
        // What is known of it is of no use to anybody.
        self.handle_event("Withdraw", Event::Withdraw { file }, ctx);
        let transfer = self.name_transfer();
        let path = target.path.clone();
        self.gets.insert(transfer, Get::new(file, target, path, self.now_ms()));
        let hints = ticket.hints.into_vec();
        self.handle_event("Get", Event::Get { transfer, file, hints }, ctx);
        Ok(transfer)
    }
}

/// Whether a download that runs goes where it is wanted.
fn goes_to(get: &Get, target: &Target) -> Result<(), Refused> {
    let there = Some(target.path.as_path());
    // Named as it was before, or by its final name, or as the directory it goes into.
    let names = [Some(get.target.path.as_path()), Some(&get.path), get.path.parent()];
    if !names.contains(&there) {
        let trouble = PrepareError::Elsewhere(get.path.clone()).trouble();
        return Err(refused(format!("{}; {}", trouble.why, trouble.remedy)));
    }
    if target.force && !get.target.force {
        return Err(refused(
            "it is being fetched already, and what is there is not to be overwritten; stop that \
             transfer, then get it with --force",
        ));
    }
    Ok(())
}

impl Handler<StopTransfer> for Exchange {
    type Result = Result<(), Refused>;

    fn handle(&mut self, message: StopTransfer, ctx: &mut Context<Self>) -> Self::Result {
        let StopTransfer { transfer } = message;
        if let Some(share) = self.shares.get(&transfer) {
            if share.outcome.is_some() {
                return Err(refused(format!("transfer {transfer} has ended")));
            }
            share.progress.stop.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let rows = self.turn.core.rows();
        match rows.iter().find(|row| row.transfer == transfer).map(|row| row.phase) {
            None => {
                let why = format!("there is no transfer {transfer} (node transfers lists them)");
                return Err(refused(why));
            }
            Some(Phase::Finishing) => {
                return Err(refused("all is here already and is being put into its place"));
            }
            Some(phase) if phase.is_over() => {
                return Err(refused(format!("transfer {transfer} has ended")));
            }
            Some(_) => {}
        }
        self.handle_event("Stop", Event::Stop { transfer }, ctx);
        if let Some(file) = self.gets.get(&transfer).map(|get| get.file) {
            self.set_aside(file, ctx);
        }
        self.put_away(transfer, ctx);
        Ok(())
    }
}

impl Handler<Forget> for Exchange {
    type Result = ResponseFuture<Result<(), Refused>>;

    fn handle(&mut self, Forget { file }: Forget, ctx: &mut Context<Self>) -> Self::Result {
        self.handle_event("Forget", Event::Forget { file }, ctx);
        let of_it: Vec<TransferId> =
            self.gets.iter().filter(|(_, get)| get.file == file).map(|(id, _)| *id).collect();
        for transfer in of_it {
            self.put_away(transfer, ctx);
        }
        let (tell, told) = oneshot::channel();
        let to = self.ports.shelves.forget.clone();
        self.ask(&to, ForgetFile(file), ctx, move |exchange, answer, ctx| {
            // Whoever asked may have gone away.
            let _ = tell.send(answer.map_err(|error| refused(error.to_string())));
            exchange.show_files(ctx);
        });
        Box::pin(async { told.await.unwrap_or_else(|_| Err(rebuilding())) })
    }
}
