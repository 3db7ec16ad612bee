//! What is counted in memory, so that limits and conversations cost no reading.
//!
//! Conversations are counted here and not on the disk: a counter there would be one more page to write for each
//! letter, and listing them would still read a row each. One costs about 100 bytes; making them anew at the start
//! reads small rows only, no text.

use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::tables::{
    IN_UNREAD, IN_WITH, KEPT_TOKENS, KEYS, MEMO, NUMBERS, Numbers, OUT_OPEN, OUT_OVER, OUT_ROWS,
    OUT_WITH, damaged, each, number, out_row, part,
};
use crate::mail::keys::Stored;
use crate::mail::rows::{Conversation, Memo};
use crate::mesh::NodeId;
use crate::store::database::{Unreadable, decode};

/// Counts that are not of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub numbers: Numbers,
    pub inbox_letters: u64,
    pub inbox_bytes: u64,
    pub unread: u64,
    pub history: u64,
    pub kept_bytes: u64,
}

/// Counts of one correspondent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Talk {
    pub received: u64,
    pub unread: u64,
    pub sent: u64,
    pub waiting: u64,
    /// Number and time of the last letter that came from there.
    pub last_in: (u64, u64),
    /// Number and time of the last letter kept that went there.
    pub last_out: (u64, u64),
}

/// Counts of one reader that letters are kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub letters: u64,
    pub bytes: u64,
}

/// All counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub sums: Sums,
    pub talks: BTreeMap<NodeId, Talk>,
    pub kept: BTreeMap<NodeId, Held>,
}

impl Tally {
    /// Counts what is on the disk; and sees that what is read later, without which mail does not work, can be.
    pub fn load(read: &ReadTransaction) -> Result<Tally, Unreadable> {
        let mut tally = Tally::default();
        each(read, NUMBERS, |_, value| {
            tally.sums.numbers = decode(value).ok_or_else(|| damaged(NUMBERS))?;
            Ok(())
        })?;
        each(read, KEYS, |_, value| match decode::<Stored>(value) {
            Some(_) => Ok(()),
            None => Err(damaged(KEYS)),
        })?;
        each(read, MEMO, |_, value| match decode::<Memo>(value) {
            Some(_) => Ok(()),
            None => Err(damaged(MEMO)),
        })?;
        tally.load_outbox(read)?;
        tally.load_inbox(read)?;
        each(read, KEPT_TOKENS, |key, value| {
            let held = tally.kept.entry(NodeId(part(key, 0, KEPT_TOKENS)?)).or_default();
            let bytes = number(value, 8, KEPT_TOKENS)?;
            held.letters += 1;
            held.bytes += bytes;
            tally.sums.kept_bytes += bytes;
            Ok(())
        })?;
        Ok(tally)
    }

    fn load_outbox(&mut self, read: &ReadTransaction) -> Result<(), Unreadable> {
        each(read, OUT_WITH, |key, value| {
            let talk = self.talks.entry(NodeId(part(key, 0, OUT_WITH)?)).or_default();
            talk.sent += 1;
            talk.last_out = (number(key, 32, OUT_WITH)?, number(value, 0, OUT_WITH)?);
            Ok(())
        })?;
        each(read, OUT_OVER, |_, _| {
            self.sums.history += 1;
            Ok(())
        })?;
        each(read, OUT_OPEN, |key, _| {
            let letter = out_row(&read.open_table(OUT_ROWS)?, number(key, 0, OUT_OPEN)?)?;
            self.talks.entry(letter.reader).or_default().waiting += 1;
            Ok(())
        })
    }

    fn load_inbox(&mut self, read: &ReadTransaction) -> Result<(), Unreadable> {
        each(read, IN_WITH, |key, value| {
            let talk = self.talks.entry(NodeId(part(key, 0, IN_WITH)?)).or_default();
            let [was_read] = part(key, 32, IN_WITH)?;
            let last = (number(key, 33, IN_WITH)?, number(value, 0, IN_WITH)?);
            talk.received += 1;
            talk.unread += u64::from(was_read == 0);
            talk.last_in = talk.last_in.max(last);
            self.sums.inbox_letters += 1;
            self.sums.inbox_bytes += number(value, 8, IN_WITH)?;
            Ok(())
        })?;
        each(read, IN_UNREAD, |_, _| {
            self.sums.unread += 1;
            Ok(())
        })
    }

    /// Those of the newest letters first.
    pub fn conversations(&self, limit: usize) -> Vec<Conversation> {
        let one = |(with, talk): (&NodeId, &Talk)| Conversation {
            with: *with,
            received: talk.received,
            unread: talk.unread,
            sent: talk.sent,
            waiting: talk.waiting,
            last_ms: talk.last_in.1.max(talk.last_out.1),
        };
        let mut all: Vec<Conversation> = self.talks.iter().map(one).collect();
        all.sort_by_key(|talk| std::cmp::Reverse(talk.last_ms));
        all.truncate(limit);
        all
    }

    /// How many letters are kept for each reader.
    pub fn kept_counts(&self) -> Vec<(NodeId, u64)> {
        self.kept.iter().map(|(reader, held)| (*reader, held.letters)).collect()
    }

    /// Takes what a transaction changed, once it is on the disk.
    pub fn take(&mut self, delta: Delta) {
        self.sums = delta.sums;
        for (with, talk) in delta.talks {
            match talk.received + talk.sent {
                0 => self.talks.remove(&with),
                _ => self.talks.insert(with, talk),
            };
        }
        for (reader, held) in delta.kept {
            match held.letters {
                0 => self.kept.remove(&reader),
                _ => self.kept.insert(reader, held),
            };
        }
    }
}

/// The counts as a transaction would leave them: those of nodes that it did not touch are not in it.
#[derive(Debug)]
pub(super) struct Delta {
    pub sums: Sums,
    talks: BTreeMap<NodeId, Talk>,
    kept: BTreeMap<NodeId, Held>,
}

/// A [`Delta`] while it is made.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    base: &'a Tally,
    delta: Delta,
}

impl<'a> Staged<'a> {
    pub fn on(base: &'a Tally) -> Staged<'a> {
        let delta = Delta { sums: base.sums, talks: BTreeMap::new(), kept: BTreeMap::new() };
        Staged { base, delta }
    }

    pub fn sums(&mut self) -> &mut Sums {
        &mut self.delta.sums
    }

    pub fn talk(&mut self, with: &NodeId) -> &mut Talk {
        let base = || self.base.talks.get(with).copied().unwrap_or_default();
        self.delta.talks.entry(*with).or_insert_with(base)
    }

    pub fn kept(&mut self, reader: &NodeId) -> &mut Held {
        let base = || self.base.kept.get(reader).copied().unwrap_or_default();
        self.delta.kept.entry(*reader).or_insert_with(base)
    }

    pub fn done(self) -> Delta {
        self.delta
    }
}
