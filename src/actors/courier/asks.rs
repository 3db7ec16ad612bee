//! What people ask of the Courier.

use std::time::{Duration, Instant};

use actix::{
    ActorFutureExt, Context, Handler, MessageResult, ResponseActFuture, ResponseFuture, WrapFuture,
};
use tokio::sync::oneshot;

use super::super::messages::{
    Acknowledge, FiguresWanted, LetterWanted, Letters, LettersWanted, MailFigures, MarkRead, Pull,
    Push, Received, Refused, Relays, RelaysWanted, Written, WrittenOne,
};
use super::super::turn::Driver;
use super::Courier;
use crate::mail::LetterId;
use crate::mail::event::{AskId, Event, PushError};
use crate::mail::rows::{InLetter, OutLetter};
use crate::mesh::NodeId;
use crate::store::database::DbError;

/// For how long letters are lent to who pulls them.
const LENT_FOR: Duration = Duration::from_secs(30);
/// Most letters lent at once.
const LENT_MAX: usize = 65_536;
/// Most letters read again because others of them are lent.
const LOOKED_AT_MAX: usize = 4096;

fn refused(why: impl ToString) -> Refused {
    Refused { why: why.to_string() }
}

fn gone() -> Refused {
    refused("the courier is starting anew; ask again")
}

fn unreadable(error: &DbError) -> Refused {
    refused(format!("the letters cannot be read: {error}"))
}

impl Courier {
    /// A letter that was written is safe, or refused.
    pub(super) fn pushed(
        &mut self,
        ask: AskId,
        result: Result<OutLetter, PushError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(asker) = self.askers.remove(&ask) else { return };
        match result {
            Err(PushError::Before(id)) => {
                let asked = WrittenOne(id);
                self.ask(&self.ports.letterbox.written_one, asked, ctx, |_, found, _| {
                    let answer = match found {
                        Ok(Some(letter)) => Ok(letter),
                        Ok(None) => Err(refused("it was sent before and is forgotten by now")),
                        Err(error) => Err(unreadable(&error)),
                    };
                    // Who does not wait any more has hung up.
                    let _ = asker.send(answer);
                });
            }
            result => {
                let _ = asker.send(result.map_err(refused));
            }
        }
    }

    /// Takes out what somebody else is being shown, and lends the rest.
    fn lend(&mut self, letters: &mut Vec<InLetter>, limit: usize) {
        let now = Instant::now();
        self.lent.retain(|_, until| *until > now);
        letters.retain(|letter| !self.lent.contains_key(&(letter.from, letter.id)));
        letters.truncate(limit.min(LENT_MAX - self.lent.len()));
        for letter in letters {
            self.lent.insert((letter.from, letter.id), now + LENT_FOR);
        }
    }
}

impl Handler<Push> for Courier {
    type Result = ResponseFuture<Result<OutLetter, Refused>>;

    fn handle(&mut self, Push(draft): Push, ctx: &mut Context<Self>) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        self.next_ask += 1;
        self.askers.insert(self.next_ask, asker);
        self.handle_event("Push", Event::Push { ask: self.next_ask, draft }, ctx);
        Box::pin(async { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}

impl Handler<LettersWanted> for Courier {
    type Result = ResponseActFuture<Self, Result<Letters, Refused>>;

    fn handle(&mut self, message: LettersWanted, _: &mut Context<Self>) -> Self::Result {
        let LettersWanted { with, limit } = message;
        let asked = self.ports.letterbox.written.send(Written { with, limit });
        let asked = asked.into_actor(self);
        Box::pin(asked.map(|found, courier: &mut Courier, _| {
            let (mut sent, conversations) =
                found.map_err(|_| gone())?.map_err(|e| unreadable(&e))?;
            for letter in &mut sent {
                // What is under way here is newer than what the disk says of it.
                if let Some(newer) = courier.newest(&letter.id) {
                    *letter = newer.clone();
                }
            }
            Ok(Letters { sent, conversations })
        }))
    }
}

impl Handler<LetterWanted> for Courier {
    type Result = ResponseFuture<Result<Option<OutLetter>, Refused>>;

    fn handle(&mut self, LetterWanted(id): LetterWanted, _: &mut Context<Self>) -> Self::Result {
        if let Some(letter) = self.newest(&id).cloned() {
            return Box::pin(async { Ok(Some(letter)) });
        }
        let asked = self.ports.letterbox.written_one.send(WrittenOne(id));
        Box::pin(async move { asked.await.map_err(|_| gone())?.map_err(|e| unreadable(&e)) })
    }
}

impl Handler<Pull> for Courier {
    type Result = ResponseActFuture<Self, Result<Vec<InLetter>, Refused>>;

    fn handle(&mut self, message: Pull, _: &mut Context<Self>) -> Self::Result {
        let Pull { with, peek, after, limit } = message;
        let look = if peek { limit } else { (limit + self.lent.len()).min(LOOKED_AT_MAX) };
        let asked = Received { with, unread: !peek, after, limit: look };
        let asked = self.ports.letterbox.received.send(asked);
        let asked = asked.into_actor(self);
        Box::pin(asked.map(move |found, courier: &mut Courier, _| {
            let mut letters = found.map_err(|_| gone())?.map_err(|e| unreadable(&e))?;
            if !peek {
                courier.lend(&mut letters, limit);
            }
            Ok(letters)
        }))
    }
}

impl Handler<Acknowledge> for Courier {
    type Result = ResponseActFuture<Self, Result<usize, Refused>>;

    fn handle(&mut self, message: Acknowledge, _: &mut Context<Self>) -> Self::Result {
        let Acknowledge(letters) = message;
        let shown: Vec<(NodeId, LetterId)> = letters.clone();
        let asked = self.ports.letterbox.mark_read.send(MarkRead(letters));
        let asked = asked.into_actor(self);
        Box::pin(asked.map(move |marked, courier: &mut Courier, ctx| {
            let marked = marked.map_err(|_| gone())?;
            let marked = marked.map_err(|e| refused(format!("it cannot be kept: {e}")))?;
            for letter in &shown {
                courier.lent.remove(letter);
            }
            let count = marked.len();
            courier.handle_event("Shown", Event::Shown(marked), ctx);
            courier.count_unread(ctx);
            Ok(count)
        }))
    }
}

impl Handler<RelaysWanted> for Courier {
    type Result = MessageResult<RelaysWanted>;

    fn handle(&mut self, _: RelaysWanted, _: &mut Context<Self>) -> Self::Result {
        let (now, core) = (self.turn.now(), &self.turn.core);
        MessageResult(Relays {
            volunteer: self.volunteer,
            mailbox: self.mailbox,
            nodes: core.standings(now),
            mailboxes: core.mailboxes(),
            kept: core.kept(),
            counters: core.counters(),
        })
    }
}

impl Handler<FiguresWanted> for Courier {
    type Result = MessageResult<FiguresWanted>;

    fn handle(&mut self, _: FiguresWanted, _: &mut Context<Self>) -> Self::Result {
        let core = &self.turn.core;
        let standings = core.standings(self.turn.now());
        let standing = |(name, state)| {
            let such = standings.iter().filter(|row| row.volunteer && row.state == state);
            (name, such.count() as u64)
        };
        let states = [("ready", "ready"), ("quarantined", "quarantined"), ("no_key", "no key")];
        let under_way = core.under_way_by_state();
        MessageResult(MailFigures {
            volunteer: self.volunteer,
            mailbox: self.mailbox,
            relays: states.map(standing).to_vec(),
            mailboxes: core.mailboxes().len() as u64,
            kept: core.kept(),
            under_way: under_way.iter().map(|(state, n)| (state.as_str(), *n)).collect(),
            packets_waiting: core.packets_waiting() as u64,
            amounts: self.store.amounts(),
            counters: core.counters(),
        })
    }
}
