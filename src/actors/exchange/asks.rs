//! What people ask of the Exchange.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Context, Handler, ResponseFuture};
use tokio::sync::oneshot;

use super::super::messages::{
    Forget, ForgetFile, GetFile, HashPath, Progress, Refused, Share as ShareMessage, StopTransfer,
};
use super::super::turn::Driver;
use super::{Exchange, Get, Share};
use crate::pieces::event::{Event, TransferId};
use crate::pieces::rows::Phase;
use crate::store::pieces::{FileInfo, Kind, Target};

/// Most shares hashed or waiting to be.
const SHARES_MAX: usize = 64;

fn refused(why: impl Into<String>) -> Refused {
    Refused { why: why.into() }
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
            exchange.show_files(ctx);
        });
        self.tick(ctx);
        self.show(ctx);
        Ok(transfer)
    }
}

impl Handler<GetFile> for Exchange {
    type Result = Result<TransferId, Refused>;

    fn handle(&mut self, message: GetFile, ctx: &mut Context<Self>) -> Self::Result {
        let GetFile { ticket, out, force } = message;
        let directory = out.is_none();
        let Some(path) = out.or_else(|| self.place.dir.clone()) else {
            return Err(refused("say where to: this daemon keeps nothing on disk"));
        };
        if !path.is_absolute() {
            return Err(refused("the path to get it to is not absolute"));
        }
        let file = ticket.file;
        let over = |phase| matches!(phase, Phase::Done | Phase::Stopped | Phase::Failed);
        let running =
            self.turn.core.rows().into_iter().find(|r| r.file == Some(file) && !over(r.phase));
        if let Some(row) = running {
            // Whoever watched it lost sight of it, and asks again.
            return Ok(row.transfer);
        }
        let rows = self.place.store.rows();
        let here = |row: &&FileInfo| row.kind != Kind::Unfinished && row.problem.is_empty();
        if let Some(here) = rows.iter().find(|row| row.file == file && here(row)) {
            return Err(refused(format!("it is here already: {}", here.path.display())));
        }
        let transfer = self.name_transfer();
        let target = Target { path: path.clone(), directory, force };
        self.gets.insert(transfer, Get::new(file, target, path, self.now_ms()));
        let hints = ticket.hints.into_vec();
        self.handle_event("Get", Event::Get { transfer, file, hints }, ctx);
        Ok(transfer)
    }
}

impl Handler<StopTransfer> for Exchange {
    type Result = Result<(), Refused>;

    fn handle(&mut self, message: StopTransfer, ctx: &mut Context<Self>) -> Self::Result {
        let StopTransfer { transfer } = message;
        if let Some(share) = self.shares.get(&transfer) {
            share.progress.stop.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if !self.gets.contains_key(&transfer) {
            return Err(refused(format!(
                "there is no transfer {transfer} (node transfers lists them)"
            )));
        }
        self.handle_event("Stop", Event::Stop { transfer }, ctx);
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
        let gone = refused("the daemon is building its actors again");
        Box::pin(async { told.await.unwrap_or(Err(gone)) })
    }
}
