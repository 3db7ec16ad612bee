//! Keeping letters for nodes that are away, and what neighbours say about letters.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::{Courier, JOBS_MAX, Job, NOTES_MAX, Note};
use crate::mail::event::Effect;
use crate::mail::frame::{Kept, MailFrame, TOKENS_MAX};
use crate::mail::rows::{Change, KeptLetter, Outcome};
use crate::mail::work::{What, Word, Wrap};
use crate::mesh::{NodeId, Time};

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// For how long we agree to keep letters for somebody. Longer than letters live, so that who is away for a
/// week finds them.
pub(super) const GRANT_MS: u64 = 9 * DAY_MS;
/// Most nodes we keep letters for.
const GRANTS_MAX: usize = 256;
/// Readers that have letters here are sought again after this, and at most so many in that time.
const SEEK_AGAIN: Duration = Duration::from_secs(60);
const SOUGHT_MAX: usize = 16;
/// What a reader has fetched and the disk has not thrown away, at most.
const GOING_MAX: usize = 4 * TOKENS_MAX;
/// Letters handed out in answer to one question: at most this many bytes as they are padded (one is always).
/// They fit into the smallest lane there can be: what has no room there is lost until it is asked for again.
const HANDED_BYTES_MAX: usize = 60 * 1024;

impl Courier {
    /// Somebody left a letter here.
    #[expect(clippy::too_many_arguments, reason = "they are what the parcel held")]
    pub(super) fn store_came(
        &mut self,
        now: Time,
        reader: NodeId,
        token: [u8; 16],
        expires_ms: u64,
        block: Vec<u8>,
        sealed: Vec<u8>,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms(now);
        let granted = self.memo.grants.iter().any(|(id, until)| *id == reader && *until > now_ms);
        let room = self.notes.len() < NOTES_MAX;
        if !self.policy.mailbox || !granted || expires_ms <= now_ms || !room {
            self.counters.dropped_not_granted += 1;
            return;
        }
        let letter = KeptLetter { token, expires_ms: expires_ms.min(now_ms + GRANT_MS), sealed };
        if Kept::of(&letter).is_none() {
            self.counters.dropped_malformed += 1;
            return;
        }
        self.keep(Note::Stored { reader, block }, Change::Keep { reader, letter }, out);
    }

    /// It is on the disk, or not: whoever left it hears of it.
    pub(super) fn stored(
        &mut self,
        now: Time,
        reader: NodeId,
        block: Vec<u8>,
        outcome: Result<Outcome, String>,
        out: &mut Vec<Effect>,
    ) {
        let word = match outcome {
            Ok(Outcome::Done | Outcome::Duplicate) => Word::Kept,
            Ok(Outcome::Full) | Err(_) => Word::Full,
        };
        match outcome {
            Ok(Outcome::Done) => *self.kept.entry(reader).or_default() += 1,
            Ok(_) => {}
            Err(why) => {
                out.push(Effect::Notice(format!(
                    "a letter for {} cannot be kept: {why}",
                    reader.short()
                )));
            }
        }
        if word == Word::Kept && self.hops.is_linked(&reader) {
            out.push(Effect::Send { peer: reader, frame: MailFrame::Waiting });
        } else if word == Word::Kept {
            self.seek_readers(now, out);
        }
        if block.is_empty() || self.jobs.len() >= JOBS_MAX {
            return;
        }
        let (what, seed) = (What::Reply { block, word }, self.secret());
        let job = self.name_job(Job::Reply);
        out.push(Effect::Wrap { job, wrap: Box::new(Wrap { what, parts: Vec::new(), seed }) });
    }

    /// Wants links with readers that are there and have letters here: they hear of them once they are linked.
    pub(super) fn seek_readers(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.sought.retain(|_, at| now.since(*at) < SEEK_AGAIN);
        let free = SOUGHT_MAX.saturating_sub(self.sought.len());
        let waited_for = self.kept.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id);
        let apart = |id: &NodeId| self.members.is_alive(id) && !self.hops.is_linked(id);
        let found = waited_for.filter(|id| apart(id) && !self.sought.contains_key(id));
        let mut found: Vec<NodeId> = found.collect();
        // By chance: those that cannot be reached must not keep us from the others.
        self.dice.shuffle(&mut found);
        for reader in found.into_iter().take(free) {
            self.sought.insert(reader, now);
            out.push(Effect::NeedLink(reader));
        }
    }

    /// A neighbour wants us to keep letters for it.
    fn asked_to_keep(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let now_ms = self.now_ms(now);
        let grants = &mut self.memo.grants;
        grants.retain(|(_, until)| *until > now_ms);
        let until_ms = now_ms + GRANT_MS;
        let room = grants.len() < GRANTS_MAX && self.notes.len() < NOTES_MAX;
        let before = grants.iter().find(|(id, _)| *id == peer).map(|(_, until)| *until);
        let told = match grants.iter_mut().find(|(id, _)| *id == peer) {
            _ if !self.policy.mailbox => Some(0),
            // Asked a moment ago: nothing new to remember.
            Some((_, until)) if *until + DAY_MS / 2 > until_ms => Some(*until),
            Some((_, until)) => {
                *until = until_ms;
                None
            }
            None if !room => Some(0),
            None => {
                grants.push((peer, until_ms));
                None
            }
        };
        if let Some(until_ms) = told {
            return out.push(Effect::Send { peer, frame: MailFrame::WillKeep { until_ms } });
        }
        // Said once it is remembered.
        let note = Note::Granted { peer, until_ms, before };
        self.keep(note, Change::Memo(self.memo.clone()), out);
    }

    /// Our word to a neighbour is remembered, or it is none.
    pub(super) fn granted(
        &mut self,
        peer: NodeId,
        until_ms: u64,
        before: Option<u64>,
        remembered: bool,
        out: &mut Vec<Effect>,
    ) {
        if remembered {
            return out.push(Effect::Send { peer, frame: MailFrame::WillKeep { until_ms } });
        }
        // What was said before still holds.
        self.memo.grants.retain(|(id, _)| *id != peer);
        self.memo.grants.extend(before.map(|until_ms| (peer, until_ms)));
    }

    /// What a reader has fetched is thrown away, or could not be.
    pub(super) fn thrown(&mut self, reader: NodeId, tokens: &[[u8; 16]]) {
        let Some(going) = self.going.get_mut(&reader) else { return };
        for token in tokens {
            going.remove(token);
        }
        if going.is_empty() {
            self.going.remove(&reader);
        }
    }

    /// Its letters, oldest first, to a node that asks for them.
    pub(super) fn hand_out(
        &mut self,
        reader: NodeId,
        letters: Vec<KeptLetter>,
        more: bool,
        out: &mut Vec<Effect>,
    ) {
        let all = self.handing.remove(&reader).unwrap_or(false);
        if all && letters.is_empty() && !more {
            // Some have expired meanwhile.
            self.kept.insert(reader, 0);
        }
        for letter in letters {
            if let Some(kept) = Kept::of(&letter) {
                out.push(Effect::Send { peer: reader, frame: MailFrame::Kept(kept) });
            }
        }
        out.push(Effect::Send { peer: reader, frame: MailFrame::NoMore { more } });
    }

    // ---- what neighbours say ----

    pub(super) fn mail_came(
        &mut self,
        now: Time,
        peer: NodeId,
        frame: MailFrame,
        out: &mut Vec<Effect>,
    ) {
        match frame {
            MailFrame::Busy { number } => {
                self.heard_busy(now, peer, number);
                self.pump(now, out);
            }
            MailFrame::AskKeep => self.asked_to_keep(now, peer, out),
            MailFrame::WillKeep { until_ms } => self.will_keep(now, peer, until_ms, out),
            MailFrame::Waiting => self.fetch(now, peer, out),
            MailFrame::Fetch { but } => {
                if !self.kept.contains_key(&peer) {
                    let frame = MailFrame::NoMore { more: false };
                    return out.push(Effect::Send { peer, frame });
                }
                // One reading at a time: who asks faster is answered once.
                if let Entry::Vacant(handing) = self.handing.entry(peer) {
                    let mut but: BTreeSet<[u8; 16]> = but.iter().copied().collect();
                    // What the disk is about to throw away is still there.
                    but.extend(self.going.get(&peer).into_iter().flatten());
                    handing.insert(but.is_empty());
                    out.push(Effect::LoadKept { reader: peer, but, bytes: HANDED_BYTES_MAX });
                }
            }
            MailFrame::Kept(kept) => self.kept_came(now, peer, &kept, out),
            MailFrame::NoMore { more } => self.no_more(now, peer, more, out),
            MailFrame::Fetched { tokens } => {
                let tokens = tokens.into_vec();
                let count = tokens.len() as u64;
                // What is not thrown away now is when it was fetched once more.
                let going = self.going.get(&peer).map_or(0, BTreeSet::len);
                let room = count > 0 && going < GOING_MAX && self.notes.len() < NOTES_MAX;
                if let Some(kept) = self.kept.get_mut(&peer).filter(|_| room) {
                    *kept = kept.saturating_sub(count);
                    self.going.entry(peer).or_default().extend(&tokens);
                    let note = Note::Thrown { reader: peer, tokens: tokens.clone() };
                    self.keep(note, Change::Fetched { reader: peer, tokens }, out);
                }
            }
        }
    }
}
