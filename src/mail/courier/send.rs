//! Letters going out: sent, and tried again another way.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outbox::{Flight, Stage};
use super::route::{GUARDS, Wanted};
use super::{Courier, Job};
use crate::mail::LetterId;
use crate::mail::event::{Effect, Fallback};
use crate::mail::onion::{HOPS_MAX, Hop};
use crate::mail::rows::{OutLetter, State};
use crate::mail::seal::Kind;
use crate::mail::work::{Part, Store, WHOLE_BYTES_MAX, What, Wrap, Wrapped};
use crate::mesh::{NodeId, Time};

/// Tries in a row to a reader that is there, until it is left alone for a while.
pub(super) const TRIES: u32 = 6;
/// After so many of them the letter goes to a mailbox, if the reader has one.
const TRIES_BEFORE_MAILBOX: u32 = 3;
/// A letter that a mailbox keeps, or that was tried in vain, is tried again after this, and then ever more
/// rarely.
const AGAIN: Duration = Duration::from_secs(10);
pub(super) const AGAIN_MAX: Duration = Duration::from_secs(300);
/// What waits for a relay, or for room, is looked at again after this.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// Bounds of the time until a letter counts as lost, and what it is for a reader that never signed.
pub(super) const RTO_MIN: Duration = Duration::from_millis(250);
const RTO_MAX: Duration = Duration::from_secs(2);
const RTO_FIRST: Duration = Duration::from_secs(1);
/// Each fragment of a letter costs all of them so much more time.
const RTO_PER_FRAGMENT: Duration = Duration::from_millis(10);

impl Courier {
    /// Sends what is due, as far as the window allows.
    pub(super) fn pump(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some(id) = self.outbox.next_due(now) {
            self.start(now, id, out);
        }
    }

    /// One try of one letter, or why not now.
    pub(super) fn start(&mut self, now: Time, id: LetterId, out: &mut Vec<Effect>) {
        let now_ms = self.now_ms(now);
        let Some(entry) = self.outbox.get(&id) else { return };
        if now_ms >= entry.letter.expires_ms {
            if !entry.durable {
                // Its writer is not answered before the disk has said something.
                return self.outbox.set_stage(&id, Stage::Waits(now + SOON));
            }
            let why = "the reader did not sign for it in time";
            return self.finish(now, id, State::Expired, why, out);
        }
        let Some(body) = entry.body.clone() else {
            self.outbox.set_stage(&id, Stage::Loads);
            return out.push(Effect::LoadBody(id));
        };
        let (reader, state, attempt) = (entry.letter.reader, entry.letter.state, entry.attempt);
        let (there, tried) = (self.members.hop(&reader, now_ms), entry.mailbox);
        let mailbox = match there {
            // From then on by turns.
            Some(_) if attempt < TRIES_BEFORE_MAILBOX || attempt % 2 == 0 => None,
            // A mailbox that is gone for good keeps nothing: then another one shall.
            _ if state == State::Stored && tried.is_some_and(|m| self.members.is_alive(&m)) => None,
            _ => self.pick_mailbox(&reader, tried, now_ms),
        };
        let Some(last) = mailbox.or(there) else {
            let why = match state {
                State::Stored => "",
                _ => "the reader is away and has no mailbox that is there",
            };
            return self.wait(now, id, AGAIN_MAX, why, out);
        };
        let Some(to) = self.members.prekey(&reader, now_ms, mailbox.is_some()) else {
            return self.wait(now, id, AGAIN_MAX, "the reader's keys are too old to seal for", out);
        };
        let Some(parts) = self.parts(now, &id, last, mailbox.is_some()) else {
            return self.wait(now, id, SOON, "waits for a relay (mail.direct_fallback)", out);
        };
        let Some(entry) = self.outbox.get(&id) else { return };
        let letter = &entry.letter;
        let left_ms = letter.expires_ms.saturating_sub(letter.created_ms);
        let what = What::Letter {
            reader,
            to,
            kind: Kind::Text,
            id,
            created_ms: letter.created_ms,
            ttl_s: u32::try_from(left_ms / 1000).unwrap_or(u32::MAX),
            body,
            split: letter.shards.map(|shards| (shards, letter.split_seed)),
        };
        let mailbox = mailbox.map(|hop| hop.id);
        let paths = parts.iter().map(|part| relays_of(part, mailbox.is_none())).collect();
        let marks = parts.iter().map(|p| p.store.as_ref()?.back.as_ref().map(|b| b.1)).collect();
        let seed = self.secret();
        let job = self.name_job(Job::Letter { id, paths, marks, mailbox });
        self.outbox.set_stage(&id, Stage::Wraps(job));
        out.push(Effect::Wrap { job, wrap: Box::new(Wrap { what, parts, seed }) });
    }

    /// The packets of a try: one, or one for each fragment. None: no relay is at hand, and the rules say to wait.
    fn parts(
        &mut self,
        now: Time,
        id: &LetterId,
        last: Hop,
        at_mailbox: bool,
    ) -> Option<Vec<Part>> {
        let now_ms = self.now_ms(now);
        let entry = self.outbox.get(id)?;
        let (reader, expires_ms) = (entry.letter.reader, entry.letter.expires_ms);
        let wanted = relays_wanted(entry.letter.hops.unwrap_or(self.policy.hops));
        let indices: Vec<u8> = match (entry.letter.shards, &entry.missing) {
            (None, _) => vec![0],
            // A mailbox gets all of them: nobody knows what the reader has when it comes for them.
            (Some(_), Some(missing)) if !at_mailbox => missing.clone(),
            (Some(shards), _) => (0..shards.n).collect(),
        };
        let avoid = [reader, last.id];
        let candidates = self.ways.candidates(&self.members, now, now_ms, &avoid, wanted);
        if candidates.is_empty() && wanted > 0 && self.policy.fallback != Fallback::Always {
            return None;
        }
        // Fragments that a writer asked for go apart, as far as there are relays: then each way is shorter. Those
        // of a letter that is only long keep all its layers, and may share relays.
        let long = usize::try_from(entry.letter.bytes).is_ok_and(|bytes| bytes > WHOLE_BYTES_MAX);
        let hops = match indices.len() {
            n if n > 1 && !long => wanted.min((candidates.len() / n).max(1)),
            _ => wanted,
        };
        let guards = match indices.len() {
            // They could not go apart.
            n if n > GUARDS => Vec::new(),
            _ => self.guards(now_ms, &candidates),
        };
        let mut used = BTreeMap::new();
        let mut parts = Vec::with_capacity(indices.len());
        for index in indices {
            let wanted = Wanted { end: last.id, hops, used: &used, from: self.me, guards: &guards };
            let path = self.ways.choose(&self.members, &candidates, &wanted, &mut self.dice);
            let path = path.unwrap_or_default();
            let route = self.members.route(&path, last, now_ms);
            path.into_iter().for_each(|id| *used.entry(id).or_default() += 1);
            let store = at_mailbox.then(|| {
                let back = self.way_back(now_ms, last.id, hops, &candidates, &guards);
                Store { token: self.chance(), expires_ms, back: Some(back) }
            });
            parts.push(Part { index, route, store });
        }
        Some(parts)
    }

    /// How a mailbox reaches us without knowing us: a way there, walked backwards.
    fn way_back(
        &mut self,
        now_ms: u64,
        mailbox: NodeId,
        hops: usize,
        candidates: &[NodeId],
        guards: &[NodeId],
    ) -> (Vec<Hop>, [u8; 16]) {
        let used = &BTreeMap::new();
        let wanted = Wanted { end: mailbox, hops, used, from: self.me, guards };
        let path = self.ways.choose(&self.members, candidates, &wanted, &mut self.dice);
        let path = path.unwrap_or_default();
        let route = self.members.route(path.iter().rev(), self.own_hop(now_ms), now_ms);
        (route, self.chance())
    }

    /// One of the mailboxes of a reader, each as likely as the others; `tried` only if there is no other.
    pub(super) fn pick_mailbox(
        &mut self,
        reader: &NodeId,
        tried: Option<NodeId>,
        now_ms: u64,
    ) -> Option<Hop> {
        let mut there = self.members.mailboxes(reader, now_ms);
        there.retain(|hop| hop.id != self.me);
        if there.iter().any(|hop| Some(hop.id) != tried) {
            there.retain(|hop| Some(hop.id) != tried);
        }
        let at = usize::try_from(self.dice.below(there.len() as u64)).ok()?;
        there.get(at).copied()
    }

    /// Nothing can be done for this letter until later.
    pub(super) fn wait(
        &mut self,
        now: Time,
        id: LetterId,
        long: Duration,
        why: &str,
        out: &mut Vec<Effect>,
    ) {
        let jitter = self.dice.between(Duration::ZERO, long / 4);
        let now_ms = self.now_ms(now);
        let Some(entry) = self.outbox.get(&id) else { return };
        // Its writer hears in time that its time is over.
        let left = Duration::from_millis(entry.letter.expires_ms.saturating_sub(now_ms).max(1));
        self.outbox.set_stage(&id, Stage::Waits(now + (long + jitter).min(left)));
        let Some(entry) = self.outbox.get_mut(&id) else { return };
        if entry.letter.why != why {
            entry.letter.why = why.to_owned();
            out.push(turned(&entry.letter));
        }
    }

    /// The packets are made: off they go.
    pub(super) fn letter_wrapped(
        &mut self,
        now: Time,
        job: Job,
        result: Result<Vec<Wrapped>, String>,
        out: &mut Vec<Effect>,
    ) {
        let Job::Letter { id, paths, marks, mailbox } = job else { return };
        if self.outbox.get(&id).is_none() {
            return;
        }
        let wrapped = match result {
            Ok(wrapped) => wrapped,
            Err(why) => {
                // A card with a bad key, say: another one may come.
                return self.wait(now, id, AGAIN_MAX, &why, out);
            }
        };
        let count = wrapped.len();
        for (Wrapped { first, packet, reply }, mark) in wrapped.into_iter().zip(&marks) {
            if let (Some(reply), Some(mark), Some(mailbox)) = (reply, *mark, mailbox) {
                self.remember_reply(mark, id, mailbox, reply);
            }
            if let Some(number) = self.hand_on(now, first, packet, false, out) {
                self.numbers.remember(first, number, id);
            }
        }
        let now_ms = self.now_ms(now);
        let rto = self.rto(&id) + RTO_PER_FRAGMENT * u32::try_from(count).unwrap_or(0);
        let marks = marks.into_iter().flatten().collect();
        let at = mailbox.map(|mailbox| (mailbox, marks));
        let flight = Flight { since: now, until: now + rto, paths: paths.clone(), mailbox: at };
        self.outbox.set_stage(&id, Stage::Out(flight));
        let Some(entry) = self.outbox.get_mut(&id) else { return };
        entry.attempt = entry.attempt.saturating_add(1);
        entry.mailbox = mailbox.or(entry.mailbox);
        let letter = &mut entry.letter;
        letter.tries = letter.tries.saturating_add(1);
        letter.paths = paths;
        letter.why.clear();
        if letter.state == State::Queued {
            letter.state = State::Sent;
            letter.sent_ms = now_ms;
            out.push(turned(letter));
        }
    }

    /// How long to wait for a word.
    fn rto(&self, id: &LetterId) -> Duration {
        let entry = self.outbox.get(id);
        let srtt = entry.and_then(|entry| self.srtt.get(&entry.letter.reader));
        let rto = srtt.map_or(RTO_FIRST, |srtt| (*srtt * 4).clamp(RTO_MIN, RTO_MAX));
        // Each try waits longer: what silences a path may be a busy machine.
        rto.mul_f64(1.5_f64.powi(entry.map_or(0, |e| e.attempt.min(8)).cast_signed()))
            .min(RTO_MAX * 4)
    }

    /// No word came back in time of those that are out.
    pub(super) fn time_out(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some(id) = self.outbox.next_lost(now) {
            let Some(Stage::Out(flight)) = self.outbox.get(&id).map(|e| e.stage.clone()) else {
                return;
            };
            for path in &flight.paths {
                self.ways.blame(now, path);
            }
            self.outbox.shrink(now);
            self.counters.letters_retried += 1;
            match self.rest(&id) {
                Some(rest) => {
                    self.wait(now, id, rest, "no word comes back; tried again later", out);
                }
                None => self.outbox.set_stage(&id, Stage::Waits(now)),
            }
        }
    }

    /// How long a letter that was tried often enough is left alone.
    pub(super) fn rest(&self, id: &LetterId) -> Option<Duration> {
        let often = self.outbox.get(id)?.attempt.checked_sub(TRIES)?;
        Some((AGAIN * (1 << often.min(5))).min(AGAIN_MAX))
    }

    /// The first hop of one of our packets was busy: at once another way, and nobody is to blame.
    pub(super) fn heard_busy(&mut self, now: Time, peer: NodeId, number: u32) {
        let Some(id) = self.numbers.take(peer, number) else { return };
        let Some(entry) = self.outbox.get(&id) else { return };
        let (out, cut) = (matches!(entry.stage, Stage::Out(_)), entry.letter.shards.is_some());
        if out {
            self.outbox.shrink(now);
        }
        // Of fragments some may be lost; all of them again would make it worse.
        if out && !cut {
            let wait = self.dice.between(Duration::from_millis(20), Duration::from_millis(100));
            self.outbox.set_stage(&id, Stage::Waits(now + wait));
        }
    }
}

/// Relays on a path: the last hop takes a place as well.
pub(super) fn relays_wanted(hops: u8) -> usize {
    usize::from(hops).min(HOPS_MAX - 1)
}

/// The relays of a part, the reader apart.
fn relays_of(part: &Part, to_reader: bool) -> Vec<NodeId> {
    let relays = part.route.len() - usize::from(to_reader);
    part.route.iter().take(relays).map(|hop| hop.id).collect()
}

pub(super) fn turned(letter: &OutLetter) -> Effect {
    Effect::Turned {
        id: letter.id,
        to: letter.reader,
        state: letter.state,
        why: letter.why.clone(),
    }
}
