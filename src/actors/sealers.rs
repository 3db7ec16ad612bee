//! The Sealers: cryptography of letters, on one thread for each processor. The main thread never waits for it.

use std::sync::Arc;

use actix::{Actor, Handler, MessageResult, SyncContext};

use super::lifeline::Lifeline;
use super::messages::{PeelIt, WrapIt};
use crate::mail::work::{RealSealer, Sealer, Wrapped};

/// The actor; one of several on the same mailbox.
pub struct Sealers {
    sealer: Arc<RealSealer>,
    lifeline: Lifeline,
}

impl Sealers {
    /// One thread's worth of sealing.
    pub fn new(sealer: Arc<RealSealer>, lifeline: Lifeline) -> Sealers {
        Sealers { sealer, lifeline }
    }
}

impl Actor for Sealers {
    type Context = SyncContext<Self>;

    fn stopped(&mut self, _: &mut SyncContext<Self>) {
        self.lifeline.release();
    }
}

impl Handler<WrapIt> for Sealers {
    type Result = Result<Vec<Wrapped>, String>;

    fn handle(&mut self, WrapIt(wrap): WrapIt, _: &mut SyncContext<Self>) -> Self::Result {
        self.sealer.wrap(&wrap)
    }
}

impl Handler<PeelIt> for Sealers {
    type Result = MessageResult<PeelIt>;

    fn handle(&mut self, PeelIt(peel): PeelIt, _: &mut SyncContext<Self>) -> Self::Result {
        MessageResult(Box::new(self.sealer.peel(peel)))
    }
}
