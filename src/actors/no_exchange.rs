//! Stands in for the Exchange actor: nothing is shared or got yet, and whoever asks is told so.

use actix::{Actor, Context, Handler, Message};

use super::messages::{Forget, GetFile, Refused, Share, StopTransfer};
use crate::pieces::event::TransferId;

/// Refuses whatever is asked about files.
pub struct NoExchange;

impl Actor for NoExchange {
    type Context = Context<NoExchange>;
}

fn refuse<T>() -> Result<T, Refused> {
    Err(Refused { why: "this daemon does not exchange files yet".into() })
}

impl Handler<Share> for NoExchange {
    type Result = Result<TransferId, Refused>;
    fn handle(&mut self, _: Share, _: &mut Context<Self>) -> Self::Result {
        refuse()
    }
}

impl Handler<GetFile> for NoExchange {
    type Result = Result<TransferId, Refused>;
    fn handle(&mut self, _: GetFile, _: &mut Context<Self>) -> Self::Result {
        refuse()
    }
}

impl Handler<StopTransfer> for NoExchange {
    type Result = <StopTransfer as Message>::Result;
    fn handle(&mut self, _: StopTransfer, _: &mut Context<Self>) -> Self::Result {
        refuse()
    }
}

impl Handler<Forget> for NoExchange {
    type Result = <Forget as Message>::Result;
    fn handle(&mut self, _: Forget, _: &mut Context<Self>) -> Self::Result {
        refuse()
    }
}
