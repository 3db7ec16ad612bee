//! The Letterbox: what waits for the disk of letters, on threads of its own. One of them writes; others read
//! meanwhile.

use std::sync::Arc;

use actix::{Actor, Handler, MessageResult, SyncContext};

use super::lifeline::Lifeline;
use super::messages::{
    BodyOf, CommitLetters, KeptFor, MarkRead, Received, UnreadWanted, Written, WrittenOne,
};
use crate::mail::LetterId;
use crate::mail::frame::padded;
use crate::mail::rows::{Conversation, InLetter, KeptLetter, OutLetter, Outcome};
use crate::mesh::NodeId;
use crate::store::database::DbError;
use crate::store::letters::LetterStore;

/// Most letters handed out in answer to one question of a reader that was away.
const HANDED_MAX: usize = 256;
/// Most bytes of texts in one answer; the first may be longer.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most conversations shown.
const CONVERSATIONS_MAX: usize = 1000;

/// The actor; one of several on the same mailbox.
pub struct Letterbox {
    store: LetterStore,
    lifeline: Lifeline,
}

impl Letterbox {
    /// One thread's worth of a letterbox.
    pub fn new(store: LetterStore, lifeline: Lifeline) -> Letterbox {
        Letterbox { store, lifeline }
    }
}

impl Actor for Letterbox {
    type Context = SyncContext<Self>;

    fn stopped(&mut self, _: &mut SyncContext<Self>) {
        self.lifeline.release();
    }
}

impl Handler<CommitLetters> for Letterbox {
    type Result = Result<Vec<Outcome>, DbError>;

    fn handle(&mut self, message: CommitLetters, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.commit(&message.0)
    }
}

impl Handler<MarkRead> for Letterbox {
    type Result = Result<Vec<(NodeId, LetterId)>, DbError>;

    fn handle(&mut self, MarkRead(letters): MarkRead, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.mark_read(&letters)
    }
}

impl Handler<BodyOf> for Letterbox {
    type Result = Result<Option<Arc<[u8]>>, DbError>;

    fn handle(&mut self, BodyOf(id): BodyOf, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.body(&id)
    }
}

impl Handler<KeptFor> for Letterbox {
    type Result = Result<(Vec<KeptLetter>, bool), DbError>;

    fn handle(&mut self, message: KeptFor, _: &mut SyncContext<Self>) -> Self::Result {
        let KeptFor { reader, mut but, bytes, now_ms } = message;
        let mut letters = self.store.kept(&reader, &but, HANDED_MAX, bytes, now_ms)?;
        // What counts is how long they are on the wire, padded.
        let mut room = bytes;
        let fit = letters.iter().take_while(|letter| {
            let padded = padded(letter.sealed.len());
            let fits = padded <= room;
            room = room.saturating_sub(padded);
            fits
        });
        let fit = fit.count().max(1);
        if letters.len() > fit {
            letters.truncate(fit);
            return Ok((letters, true));
        }
        but.extend(letters.iter().map(|letter| letter.token));
        let more = !self.store.kept(&reader, &but, 1, 0, now_ms)?.is_empty();
        Ok((letters, more))
    }
}

impl Handler<Written> for Letterbox {
    type Result = Result<(Vec<OutLetter>, Vec<Conversation>), DbError>;

    fn handle(&mut self, message: Written, _: &mut SyncContext<Self>) -> Self::Result {
        let Written { with, limit } = message;
        let sent = self.store.sent(with.as_ref(), limit)?;
        let mut conversations = self.store.conversations(CONVERSATIONS_MAX);
        conversations.retain(|talk| with.is_none_or(|with| talk.with == with));
        Ok((sent, conversations))
    }
}

impl Handler<WrittenOne> for Letterbox {
    type Result = Result<Option<OutLetter>, DbError>;

    fn handle(&mut self, WrittenOne(id): WrittenOne, _: &mut SyncContext<Self>) -> Self::Result {
        self.store.letter(&id)
    }
}

impl Handler<Received> for Letterbox {
    type Result = Result<Vec<InLetter>, DbError>;

    fn handle(&mut self, message: Received, _: &mut SyncContext<Self>) -> Self::Result {
        let Received { with, unread, after, limit } = message;
        self.store.inbox(with.as_ref(), unread, after, limit, ANSWER_BYTES_MAX)
    }
}

impl Handler<UnreadWanted> for Letterbox {
    type Result = MessageResult<UnreadWanted>;

    fn handle(&mut self, _: UnreadWanted, _: &mut SyncContext<Self>) -> Self::Result {
        MessageResult(self.store.unread())
    }
}
