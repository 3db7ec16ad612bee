//! Mailboxes, from both ends: keeping letters for nodes that are away, and having ours kept.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::inbox::FromMailbox;
use super::{Courier, JOBS_MAX, Job, NOTES_MAX, Note};
use crate::mail::event::Effect;
use crate::mail::frame::{Kept, MailFrame, TOKENS_MAX};
use crate::mail::rows::{Change, KeptLetter, Outcome};
use crate::mail::work::{Layer, What, Word, Wrap};
use crate::mesh::{NodeId, Time};
use crate::wire::bounded::List;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// For how long we agree to keep letters for somebody. Longer than letters live, so that who is away for a
/// week finds them.
const GRANT_MS: u64 = 9 * DAY_MS;
/// A grant is asked for again when it lasts no longer than this.
const RENEW_MS: u64 = 8 * DAY_MS;
/// Most nodes we keep letters for.
const GRANTS_MAX: usize = 256;
/// A node that does not answer whether it would keep letters for us is asked again after this: the question
/// may have come before it knew the link.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// One that would not is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// A mailbox that is away for so long makes room for another one.
const AWAY_MAX: Duration = Duration::from_secs(60 * 60);
/// Letters we fetch from time to time even if nobody says that there are any.
const FETCH_EVERY: Duration = Duration::from_secs(60);
/// A fetch that is not answered to its end in this time is begun again.
const FETCH_WITHIN: Duration = Duration::from_secs(10);
/// Letters handed out in answer to one question: at most this many bytes as they are padded (one is always).
/// They fit into the smallest lane there can be: what has no room there is lost until it is asked for again.
const HANDED_BYTES_MAX: usize = 60 * 1024;

/// What we know of the nodes that keep letters for us.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    /// Who was asked whether it would, and until when it is not asked again.
    asked: BTreeMap<NodeId, Time>,
    /// Since when one is away.
    away: BTreeMap<NodeId, Time>,
    /// Where we are fetching, and since when.
    fetching: BTreeMap<NodeId, Time>,
    /// When all of them are looked at again.
    fetch_at: Time,
    /// What came from a mailbox and is not safe yet.
    coming: BTreeSet<(NodeId, [u8; 16])>,
    /// What is safe, and not yet told.
    fetched: BTreeMap<NodeId, Vec<[u8; 16]>>,
    /// Those that have something for us, as they say or as may be: asked once what came before is safe.
    more: BTreeSet<NodeId>,
}

impl Boxes {
    /// How many letters came from mailboxes and are not safe yet.
    pub(super) fn coming(&self) -> usize {
        self.coming.len()
    }
}

impl Courier {
    // ---- keeping letters for others ----

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
        }
        if block.is_empty() || self.jobs.len() >= JOBS_MAX {
            return;
        }
        let (what, seed) = (What::Reply { block, word }, self.secret());
        let job = self.name_job(Job::Reply);
        out.push(Effect::Wrap { job, wrap: Box::new(Wrap { what, parts: Vec::new(), seed }) });
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

    // ---- having ours kept ----

    /// It is asked when it is back, if it is one of ours or says so.
    pub(super) fn box_gone(&mut self, peer: &NodeId) {
        self.boxes.more.remove(peer);
        self.boxes.fetching.remove(peer);
    }

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
            MailFrame::NoMore { more } => {
                self.boxes.fetching.remove(&peer);
                if more {
                    self.boxes.more.insert(peer);
                }
                self.tell_fetched(now, out);
            }
            MailFrame::Fetched { tokens } => {
                let tokens = tokens.into_vec();
                let count = tokens.len() as u64;
                // What is not thrown away now is when it was fetched once more.
                let room = count > 0 && self.notes.len() < NOTES_MAX;
                if let Some(kept) = self.kept.get_mut(&peer).filter(|_| room) {
                    *kept = kept.saturating_sub(count);
                    self.going.entry(peer).or_default().extend(&tokens);
                    let note = Note::Thrown { reader: peer, tokens: tokens.clone() };
                    self.keep(note, Change::Fetched { reader: peer, tokens }, out);
                }
            }
        }
    }

    fn kept_came(&mut self, now: Time, mailbox: NodeId, kept: &Kept, out: &mut Vec<Effect>) {
        let asked = self.boxes.fetching.contains_key(&mailbox);
        let sealed = kept.sealed().filter(|_| asked && self.boxes.coming.len() < TOKENS_MAX);
        let Some(sealed) = sealed else {
            self.counters.dropped_malformed += 1;
            return;
        };
        if self.boxes.coming.insert((mailbox, kept.token)) {
            let job = self.name_job(Job::Sealed(FromMailbox { mailbox, token: kept.token }));
            let sealed = sealed.to_vec();
            self.peel(now, job, Layer::Sealed(sealed), out);
        }
    }

    /// What a mailbox handed out is safe here, or of no use.
    pub(super) fn has_fetched(&mut self, mailbox: NodeId, tokens: Vec<[u8; 16]>) {
        for token in &tokens {
            self.boxes.coming.remove(&(mailbox, *token));
        }
        self.boxes.fetched.entry(mailbox).or_default().extend(tokens);
    }

    /// Tells mailboxes what is safe here, and asks those for more that have more.
    pub(super) fn tell_fetched(&mut self, now: Time, out: &mut Vec<Effect>) {
        for (peer, tokens) in std::mem::take(&mut self.boxes.fetched) {
            for some in tokens.chunks(TOKENS_MAX) {
                let tokens = List::first_of(some.iter().copied());
                out.push(Effect::Send { peer, frame: MailFrame::Fetched { tokens } });
            }
        }
        let (boxes, partials) = (&self.boxes, &self.partials);
        let safe = |mailbox: &NodeId| {
            !boxes.coming.iter().any(|(from, token)| {
                from == mailbox && !partials.lies_in(mailbox).any(|t| t == *token)
            })
        };
        let ready = |mailbox: &&NodeId| {
            !boxes.fetching.contains_key(mailbox)
                && self.hops.is_linked(mailbox)
                // Before that nobody is known: every letter would be one of a stranger.
                && self.members.is_alive(mailbox)
                && boxes.coming.len() < TOKENS_MAX
                && safe(mailbox)
        };
        let ready: Vec<NodeId> = boxes.more.iter().filter(ready).copied().collect();
        for mailbox in ready {
            self.boxes.more.remove(&mailbox);
            self.boxes.fetching.insert(mailbox, now);
            // What is half here is not wanted twice.
            let coming = self.boxes.coming.iter().filter(|(from, _)| *from == mailbox);
            let but = List::first_of(coming.map(|(_, token)| *token));
            out.push(Effect::Send { peer: mailbox, frame: MailFrame::Fetch { but } });
        }
    }

    /// Asks a mailbox for what it keeps for us, as soon as it can be.
    fn fetch(&mut self, now: Time, mailbox: NodeId, out: &mut Vec<Effect>) {
        self.boxes.more.insert(mailbox);
        self.tell_fetched(now, out);
    }

    fn will_keep(&mut self, now: Time, peer: NodeId, until_ms: u64, out: &mut Vec<Effect>) {
        let now_ms = self.now_ms(now);
        let Some(asked) = self.boxes.asked.get_mut(&peer) else { return };
        *asked = now + ASK_AGAIN;
        let before = self.memo.mailboxes.clone();
        self.memo.mailboxes.retain(|(id, _)| *id != peer);
        if until_ms > now_ms && self.memo.mailboxes.len() < self.policy.mailboxes {
            self.memo.mailboxes.push((peer, until_ms.min(now_ms + GRANT_MS)));
            self.memo.mailboxes.sort_unstable();
        }
        let ids = |list: &[(NodeId, u64)]| list.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let moved = ids(&before) != ids(&self.memo.mailboxes);
        if before != self.memo.mailboxes {
            // Published once it is remembered: who restarts must know where its letters lie.
            let note = if moved { Note::Mailboxes } else { Note::Nothing };
            self.keep(note, Change::Memo(self.memo.clone()), out);
        }
    }

    /// Finds mailboxes, renews their word, and looks for letters in them.
    pub(super) fn tend_mailboxes(&mut self, now: Time, out: &mut Vec<Effect>) {
        let late = |since: &Time| now.since(*since) >= FETCH_WITHIN;
        let fetching = std::mem::take(&mut self.boxes.fetching);
        let (late, others) = fetching.into_iter().partition(|(_, since)| late(since));
        self.boxes.fetching = others;
        let late: BTreeMap<NodeId, Time> = late;
        self.boxes.more.extend(late.into_keys());
        self.tell_fetched(now, out);
        if now < self.boxes.fetch_at {
            return self.ask_for_mailboxes(now, out);
        }
        let now_ms = self.now_ms(now);
        self.boxes.fetch_at = now + FETCH_EVERY;
        // What did not become safe by now, and is not half here, is fetched again.
        let (coming, partials) = (&mut self.boxes.coming, &self.partials);
        coming.retain(|(mailbox, token)| partials.lies_in(mailbox).any(|t| t == *token));
        let before = self.memo.mailboxes.len();
        let (members, away) = (&self.members, &mut self.boxes.away);
        let ours = &mut self.memo.mailboxes;
        away.retain(|id, _| ours.iter().any(|(ours, _)| ours == id));
        ours.retain(|(id, until)| {
            if members.is_alive(id) {
                away.remove(id);
                return *until > now_ms && members.get(id).is_some_and(|member| member.mailbox);
            }
            let since = *away.entry(*id).or_insert(now);
            *until > now_ms && now.since(since) < AWAY_MAX
        });
        if self.memo.mailboxes.len() != before {
            self.keep(Note::Mailboxes, Change::Memo(self.memo.clone()), out);
        }
        let ours: Vec<NodeId> = self.memo.mailboxes.iter().map(|(id, _)| *id).collect();
        for mailbox in ours {
            if !self.hops.is_linked(&mailbox) && self.members.is_alive(&mailbox) {
                // It is asked as soon as the link is up.
                out.push(Effect::NeedLink(mailbox));
            }
            self.boxes.more.insert(mailbox);
        }
        self.tell_fetched(now, out);
        self.ask_for_mailboxes(now, out);
    }

    /// Asks linked volunteers until three have agreed, and those that have again before their word ends.
    pub(super) fn ask_for_mailboxes(&mut self, now: Time, out: &mut Vec<Effect>) {
        let now_ms = self.now_ms(now);
        self.boxes.asked.retain(|_, until| now < *until);
        let mut willing: Vec<NodeId> = self
            .members
            .iter()
            .filter(|(id, m)| m.mailbox && m.alive && self.hops.is_linked(id))
            .filter(|(id, _)| !self.boxes.asked.contains_key(id))
            .map(|(id, _)| *id)
            .collect();
        let ours = |id: &NodeId| self.memo.mailboxes.iter().find(|(ours, _)| ours == id);
        let due = |id: &NodeId| ours(id).is_some_and(|(_, until)| *until < now_ms + RENEW_MS);
        let mut ask: Vec<NodeId> = willing.iter().copied().filter(due).collect();
        willing.retain(|id| ours(id).is_none());
        self.dice.shuffle(&mut willing);
        // Those that would not are waited for no longer.
        let soon = now + ANSWER_WITHIN;
        let open = self.boxes.asked.iter().filter(|(_, until)| **until <= soon);
        let waited = open.filter(|(id, _)| ours(id).is_none()).count();
        let room = self.policy.mailboxes.saturating_sub(self.memo.mailboxes.len() + waited);
        ask.extend(willing.into_iter().take(room));
        for peer in ask {
            self.boxes.asked.insert(peer, now + ANSWER_WITHIN);
            out.push(Effect::Send { peer, frame: MailFrame::AskKeep });
        }
    }

    pub(super) fn next_tending(&self) -> Time {
        let late = self.boxes.fetching.values().map(|since| *since + FETCH_WITHIN);
        let unanswered = self.boxes.asked.values().copied();
        late.chain(unanswered).fold(self.boxes.fetch_at, Time::min)
    }

    /// A link is up: perhaps it keeps letters for us, or we for it.
    pub(super) fn greet(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        self.boxes.fetching.remove(&peer);
        self.boxes.coming.retain(|(from, _)| *from != peer);
        if self.memo.mailboxes.iter().any(|(id, _)| *id == peer) {
            self.fetch(now, peer, out);
        }
        if self.kept.get(&peer).is_some_and(|count| *count > 0) {
            out.push(Effect::Send { peer, frame: MailFrame::Waiting });
        }
    }
}
