//! Letters on the disk: changes go there in batches, one at a time. What comes while one batch is being synced
//! is the next: the busier it is, the more share one sync.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use actix::{ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};

use super::super::messages::{
    BodyOf, CommitLetters, KeptFor, MarkRead, Received, UnreadWanted, Written, WrittenOne,
};
use super::super::turn::Driver;
use super::Courier;
use crate::mail::LetterId;
use crate::mail::event::{Event, NoteId};
use crate::mail::rows::{Change, KeptLetter, OutLetter, Outcome};
use crate::mesh::NodeId;
use crate::store::database::DbError;
use crate::store::unix_ms;

/// Most changes of one batch.
const BATCH_MAX: usize = 512;

/// The Letterbox, by what it is asked. One thread writes, another one reads.
pub struct Letterboxes {
    /// The one that writes.
    pub commit: Recipient<CommitLetters>,
    /// The one that writes.
    pub mark_read: Recipient<MarkRead>,
    /// One that reads.
    pub body: Recipient<BodyOf>,
    /// One that reads.
    pub kept: Recipient<KeptFor>,
    /// One that reads.
    pub written: Recipient<Written>,
    /// One that reads.
    pub written_one: Recipient<WrittenOne>,
    /// One that reads.
    pub received: Recipient<Received>,
    /// One that reads.
    pub unread: Recipient<UnreadWanted>,
}

/// What is to be put on the disk.
#[derive(Default)]
pub(super) struct Commits {
    waiting: VecDeque<(NoteId, Change)>,
    /// A batch is being synced, or about to be.
    busy: bool,
    /// What has become of letters, as the disk does not say yet, and by which change it will.
    turned: BTreeMap<LetterId, (NoteId, OutLetter)>,
}

impl Commits {
    /// These changes (in the order of their names) are on the disk, or failed.
    fn told(&mut self, notes: &[NoteId]) {
        self.turned.retain(|_, (note, _)| notes.binary_search(note).is_err());
    }
}

impl Courier {
    pub(super) fn keep(&mut self, note: NoteId, change: Change, ctx: &mut Context<Self>) {
        if let Change::Update(letter) = &change {
            self.commits.turned.insert(letter.id, (note, letter.clone()));
        }
        self.commits.waiting.push_back((note, change));
        if !std::mem::replace(&mut self.commits.busy, true) {
            // After this turn: all that it keeps goes together.
            let nothing = std::future::ready(()).into_actor(self);
            ctx.spawn(nothing.map(|(), courier, ctx| courier.commit(ctx)));
        }
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        let count = self.commits.waiting.len().min(BATCH_MAX);
        let (notes, changes): (Vec<NoteId>, Vec<Change>) =
            self.commits.waiting.drain(..count).unzip();
        if notes.is_empty() {
            self.commits.busy = false;
            return;
        }
        let message = CommitLetters(changes);
        self.ask(&self.ports.letterbox.commit, message, ctx, move |courier, result, ctx| {
            // The next batch is at work while this one is told of.
            courier.commit(ctx);
            courier.commits.told(&notes);
            let results = told(notes, result);
            courier.handle_event("Kept", Event::Kept(results), ctx);
        });
    }

    /// A letter as the disk does not say yet; none if it says all there is.
    pub(super) fn newest(&self, id: &LetterId) -> Option<&OutLetter> {
        let turned = self.commits.turned.get(id).map(|(_, letter)| letter);
        turned.or_else(|| self.turn.core.letter(id))
    }

    pub(super) fn load_body(&mut self, letter: LetterId, ctx: &mut Context<Self>) {
        let asked = BodyOf(letter);
        self.ask(&self.ports.letterbox.body, asked, ctx, move |courier, result, ctx| {
            let body = result.unwrap_or_else(|error| {
                log::error!("the text of letter {} cannot be read: {error}", letter.short());
                None
            });
            courier.handle_event("Body", Event::Body { letter, body }, ctx);
        });
    }

    pub(super) fn load_kept(
        &mut self,
        reader: NodeId,
        but: BTreeSet<[u8; 16]>,
        bytes: usize,
        ctx: &mut Context<Self>,
    ) {
        let asked = KeptFor { reader, but, bytes, now_ms: unix_ms() };
        self.ask(&self.ports.letterbox.kept, asked, ctx, move |courier, result, ctx| {
            let (letters, more): (Vec<KeptLetter>, bool) = result.unwrap_or_else(|error| {
                log::error!("letters kept for {} cannot be read: {error}", reader.short());
                (Vec::new(), false)
            });
            courier.handle_event("Handed", Event::Handed { reader, letters, more }, ctx);
        });
    }
}

/// How each change went.
fn told(
    notes: Vec<NoteId>,
    result: Result<Vec<Outcome>, DbError>,
) -> Vec<(NoteId, Result<Outcome, String>)> {
    match result {
        Ok(outcomes) => notes.into_iter().zip(outcomes.into_iter().map(Ok)).collect(),
        Err(error) => {
            let why = match error.is_full() {
                true => "there is no room on the disk of the state directory".to_owned(),
                false => error.to_string(),
            };
            notes.into_iter().map(|note| (note, Err(why.clone()))).collect()
        }
    }
}
