//! Words that come back of letters: signed for, asked for more, kept by a mailbox.

use std::time::Duration;

use super::outbox::{Flight, Stage};
use super::send::{AGAIN_MAX, RTO_MIN, SOON, TRIES, turned};
use super::{Courier, Note};
use crate::mail::LetterId;
use crate::mail::event::Effect;
use crate::mail::rows::{Change, OutLetter, Shards, State, WHY_BYTES_MAX};
use crate::mail::work::Word;
use crate::mesh::{NodeId, Time};

/// How long a letter that a mailbox keeps is left to it once its reader is back.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);
/// What is out for so long when its reader comes back went nowhere.
const OUT_BEFORE: Duration = Duration::from_secs(1);

impl Courier {
    /// The reader has signed for a letter.
    pub(super) fn signed_for(
        &mut self,
        now: Time,
        from: NodeId,
        id: LetterId,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.outbox.get(&id).filter(|e| e.letter.reader == from) else { return };
        if let Stage::Out(flight) = entry.stage.clone() {
            let took = now.since(flight.since);
            if entry.attempt <= 1 && flight.mailbox.is_none() {
                let srtt = self.srtt.entry(from).or_insert(took);
                *srtt = (*srtt * 7 + took) / 8;
            }
            if flight.mailbox.is_none() {
                self.outbox.grow(took);
                flight.paths.iter().for_each(|path| self.ways.praise(path));
            }
        }
        self.finish(now, id, State::Delivered, "", out);
    }

    /// The reader has some fragments of a letter and asks for the others.
    pub(super) fn asked_for_more(
        &mut self,
        now: Time,
        from: NodeId,
        id: LetterId,
        have: &[u8],
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.outbox.get_mut(&id).filter(|e| e.letter.reader == from) else {
            return;
        };
        let Some(Shards { n, .. }) = entry.letter.shards else { return };
        let has = |i: &u8| have.get(usize::from(i / 8)).is_some_and(|b| b & (1 << (i % 8)) != 0);
        let missing: Vec<u8> = (0..n).filter(|i| !has(i)).collect();
        let answered = match &entry.stage {
            // No reader can ask for more and more.
            Stage::Out(flight) => now.since(flight.since) >= RTO_MIN,
            Stage::Waits(_) => entry.attempt < TRIES,
            Stage::Loads | Stage::Wraps(_) => false,
        };
        if missing.is_empty() || !answered {
            return;
        }
        entry.missing = Some(missing);
        self.outbox.set_stage(&id, Stage::Waits(now));
        self.pump(now, out);
    }

    /// A mailbox has answered.
    pub(super) fn heard_word(
        &mut self,
        now: Time,
        id: LetterId,
        from: NodeId,
        mark: [u8; 16],
        word: Word,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms(now);
        let Some(entry) = self.outbox.get_mut(&id) else { return };
        let (whole, mut paths) = (entry.letter.shards.is_none(), None);
        match &mut entry.stage {
            Stage::Out(Flight { mailbox: Some((_, marks)), paths: of_flight, .. })
                if marks.contains(&mark) =>
            {
                marks.remove(&mark);
                if word == Word::Kept && !marks.is_empty() {
                    return;
                }
                paths = Some(of_flight.clone());
            }
            // Of an earlier try: a letter that is whole is kept all the same.
            _ if whole && word == Word::Kept => {}
            _ => return,
        }
        for path in paths.iter().flatten() {
            self.ways.praise(path);
        }
        if word == Word::Full {
            // Perhaps another one has room.
            let rest = self.rest(&id).unwrap_or(SOON);
            return self.wait(now, id, rest, "a mailbox of the reader has no room", out);
        }
        entry.mailbox = Some(from);
        let letter = &mut entry.letter;
        if letter.state < State::Stored {
            letter.state = State::Stored;
            letter.stored_ms = now_ms;
            out.push(turned(letter));
            let (durable, letter) = (entry.durable, letter.clone());
            if durable {
                self.keep(Note::Nothing, Change::Update(letter), out);
            }
        }
        if paths.is_some() {
            self.outbox.set_stage(&id, Stage::Waits(now + AGAIN_MAX));
        }
    }

    /// Somebody has been shown a letter of ours. It is over already; only the disk knows it.
    pub(super) fn was_shown(
        &mut self,
        now: Time,
        from: NodeId,
        id: LetterId,
        out: &mut Vec<Effect>,
    ) {
        // The receipt of its delivery may have been lost.
        self.signed_for(now, from, id, out);
        let at_ms = self.now_ms(now);
        self.keep(Note::Nothing, Change::Shown { id, by: from, at_ms }, out);
        out.push(Effect::Turned { id, to: from, state: State::Read, why: String::new() });
    }

    /// Readers are back, or have new keys: their letters go to them now.
    pub(super) fn readers_back(&mut self, now: Time, readers: &[NodeId]) {
        self.srtt.retain(|id, _| !readers.contains(id));
        for id in self.outbox.to(readers) {
            let Some(entry) = self.outbox.get_mut(&id) else { continue };
            entry.attempt = 0;
            let wait = match (&entry.stage, entry.letter.state) {
                (Stage::Out(flight), _) if now.since(flight.since) >= OUT_BEFORE => Duration::ZERO,
                // It fetches these itself.
                (Stage::Waits(_), State::Stored) => FETCHED_WITHIN,
                (Stage::Waits(_), _) => Duration::ZERO,
                _ => continue,
            };
            self.outbox.set_stage(&id, Stage::Waits(now + wait));
        }
    }

    /// A letter is over.
    pub(super) fn finish(
        &mut self,
        now: Time,
        id: LetterId,
        state: State,
        why: &str,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms(now);
        let Some(mut entry) = self.outbox.remove(&id) else { return };
        let letter = &mut entry.letter;
        letter.state = state;
        letter.why = why.chars().take(WHY_BYTES_MAX / 4).collect();
        match state {
            State::Delivered => {
                letter.delivered_ms = now_ms;
                self.counters.letters_delivered += 1;
            }
            State::Expired => self.counters.letters_expired += 1,
            State::Failed => self.counters.letters_failed += 1,
            _ => {}
        }
        out.push(turned(letter));
        // Written may still be under way: the disk does both in order.
        self.tell_over(letter.clone(), out);
        if !entry.durable {
            // The reader has it on its disk: that is more than what was asked.
            let answer = |ask| Effect::Pushed { ask, result: Ok(entry.letter.clone()) };
            out.extend(entry.asks.into_iter().map(answer));
        }
    }

    /// Tells the disk what became of a letter; again once it works, if it does not.
    pub(super) fn tell_over(&mut self, letter: OutLetter, out: &mut Vec<Effect>) {
        self.keep(Note::Over(Box::new(letter.clone())), Change::Update(letter), out);
    }
}
