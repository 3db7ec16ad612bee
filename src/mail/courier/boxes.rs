//! Having our letters kept while we are away, and fetching them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::inbox::FromMailbox;
use super::mailbox::{DAY_MS, GRANT_MS};
use super::{Courier, Job, Note};
use crate::mail::event::Effect;
use crate::mail::frame::{Kept, MailFrame, TOKENS_MAX};
use crate::mail::rows::Change;
use crate::mail::work::Layer;
use crate::mesh::{NodeId, Time};
use crate::wire::bounded::List;

/// A grant is asked for again when it lasts no longer than this.
const RENEW_MS: u64 = 8 * DAY_MS;
/// A node that does not answer whether it would keep letters for us is asked again after this: the question
/// may have come before it knew the link.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// One that would not is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// A mailbox that is away for so long makes room for another one.
const AWAY_MAX: Duration = Duration::from_secs(60 * 60);
/// Letters we fetch from linked mailboxes from time to time even if they do not say that there are any.
const FETCH_EVERY: Duration = Duration::from_secs(60);
/// The same for mailboxes without a link, which seek us when they have something. Where nodes have few links, many
/// readers that come to look are too many for a mailbox.
const VISIT_EVERY: Duration = Duration::from_secs(60 * 60);
/// A fetch that is not answered to its end in this time is begun again.
const FETCH_WITHIN: Duration = Duration::from_secs(10);
/// Letters that are left in mailboxes for later, at most; others are thrown away there. As long as they lie in front
/// of the others these must be asked for past them.
const LEFT_MAX: usize = TOKENS_MAX / 2;
/// How long a letter that is left there is not fetched again.
const LEFT_FOR: Duration = Duration::from_secs(60 * 60);

/// What we know of the nodes that keep letters for us.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    /// Who was asked whether it would, and until when it is not asked again.
    asked: BTreeMap<NodeId, Time>,
    /// Since when one is away.
    away: BTreeMap<NodeId, Time>,
    /// When we were last linked with one. Who has not been since our start may have had letters before.
    visited: BTreeMap<NodeId, Time>,
    /// Where we are fetching, and since when.
    fetching: BTreeMap<NodeId, Time>,
    /// When all of them are looked at again.
    fetch_at: Time,
    /// What came from a mailbox and is not safe yet.
    coming: BTreeSet<(NodeId, [u8; 16])>,
    /// What could not be taken and is left there, and until when it is not wanted.
    left: BTreeMap<(NodeId, [u8; 16]), Time>,
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
    /// It is asked when it is back, if it is one of ours or says so.
    pub(super) fn box_gone(&mut self, now: Time, peer: &NodeId) {
        if self.boxes.visited.contains_key(peer) {
            self.boxes.visited.insert(*peer, now);
        }
        self.boxes.more.remove(peer);
        self.boxes.fetching.remove(peer);
    }

    /// That was all it handed out for now.
    pub(super) fn no_more(
        &mut self,
        now: Time,
        mailbox: NodeId,
        more: bool,
        out: &mut Vec<Effect>,
    ) {
        self.boxes.fetching.remove(&mailbox);
        if more {
            self.boxes.more.insert(mailbox);
        }
        self.tell_fetched(now, out);
    }

    pub(super) fn kept_came(
        &mut self,
        now: Time,
        mailbox: NodeId,
        kept: &Kept,
        out: &mut Vec<Effect>,
    ) {
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

    /// What came from mailboxes and cannot be taken now stays there, as far as there is room to remember it.
    pub(super) fn leave(&mut self, now: Time, lies: Vec<FromMailbox>) {
        for FromMailbox { mailbox, token } in lies {
            if self.boxes.left.len() >= LEFT_MAX {
                self.has_fetched(mailbox, vec![token]);
                continue;
            }
            self.boxes.coming.remove(&(mailbox, token));
            self.boxes.left.insert((mailbox, token), now + LEFT_FOR);
        }
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
            // What is half here, or left there for later, is not wanted now.
            let coming = self.boxes.coming.iter().chain(self.boxes.left.keys());
            let coming = coming.filter(|(from, _)| *from == mailbox);
            let but = List::first_of(coming.map(|(_, token)| *token));
            out.push(Effect::Send { peer: mailbox, frame: MailFrame::Fetch { but } });
        }
    }

    /// Asks a mailbox for what it keeps for us, as soon as it can be.
    pub(super) fn fetch(&mut self, now: Time, mailbox: NodeId, out: &mut Vec<Effect>) {
        self.boxes.more.insert(mailbox);
        self.tell_fetched(now, out);
    }

    pub(super) fn will_keep(
        &mut self,
        now: Time,
        peer: NodeId,
        until_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms(now);
        let Some(asked) = self.boxes.asked.get_mut(&peer) else { return };
        *asked = now + ASK_AGAIN;
        let before = self.memo.mailboxes.clone();
        self.memo.mailboxes.retain(|(id, _)| *id != peer);
        if until_ms > now_ms && self.memo.mailboxes.len() < self.policy.mailboxes {
            self.memo.mailboxes.push((peer, until_ms.min(now_ms + GRANT_MS)));
            self.memo.mailboxes.sort_unstable();
            self.boxes.visited.insert(peer, now);
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
        self.boxes.left.retain(|_, until| now < *until);
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
        self.boxes.visited.retain(|id, _| ours.contains(id));
        for mailbox in ours {
            let lately =
                self.boxes.visited.get(&mailbox).is_some_and(|at| now.since(*at) < VISIT_EVERY);
            if self.hops.is_linked(&mailbox) {
                self.boxes.more.insert(mailbox);
            } else if self.members.is_alive(&mailbox) && !lately {
                // It is asked as soon as the link is up.
                out.push(Effect::NeedLink(mailbox));
            }
        }
        self.seek_readers(now, out);
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
            self.boxes.visited.insert(peer, now);
            self.fetch(now, peer, out);
        }
        if self.kept.get(&peer).is_some_and(|count| *count > 0) {
            out.push(Effect::Send { peer, frame: MailFrame::Waiting });
        }
    }
}
