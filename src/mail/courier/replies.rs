//! What mailboxes say of letters that were left with them.

use std::collections::{BTreeMap, VecDeque};

use super::Courier;
use crate::mail::LetterId;
use crate::mail::event::Effect;
use crate::mail::work::ReadReply;
use crate::mesh::{NodeId, Time};

/// Answers of mailboxes that are waited for.
pub(super) const REPLIES_MAX: usize = 4096;

/// Answers of mailboxes that we wait for.
#[derive(Debug, Default)]
pub(super) struct Replies {
    by_mark: BTreeMap<[u8; 16], (LetterId, NodeId, ReadReply)>,
    order: VecDeque<[u8; 16]>,
}

impl Replies {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

impl Courier {
    pub(super) fn remember_reply(
        &mut self,
        mark: [u8; 16],
        id: LetterId,
        mailbox: NodeId,
        reply: ReadReply,
    ) {
        let replies = &mut self.replies;
        replies.by_mark.insert(mark, (id, mailbox, reply));
        replies.order.push_back(mark);
        if replies.order.len() > REPLIES_MAX
            && let Some(oldest) = replies.order.pop_front()
        {
            replies.by_mark.remove(&oldest);
        }
    }

    pub(super) fn reply_came(
        &mut self,
        now: Time,
        mark: [u8; 16],
        sealed: &[u8],
        out: &mut Vec<Effect>,
    ) {
        let Some((id, mailbox, read)) = self.replies.by_mark.remove(&mark) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        match (read.0)(sealed) {
            Some(word) => self.heard_word(now, id, mailbox, mark, word, out),
            None => self.counters.dropped_malformed += 1,
        }
    }
}
