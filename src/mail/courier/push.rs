//! Letters as people write them: checked, kept, and answered once they are safe.

use std::sync::Arc;
use std::time::Duration;

use super::outbox::{Entry, Stage};
use super::{Courier, NOTES_MAX, Note};
use crate::mail::LetterId;
use crate::mail::event::{AskId, Draft, Effect, Fallback, PushError};
use crate::mail::rows::{Change, OutLetter, Outcome, Shards, State};
use crate::mail::seal::TTL_S_MAX;
use crate::mail::shards::{BODY_BYTES_MAX, FRAGMENTS_MAX, fewest};
use crate::mail::work::WHOLE_BYTES_MAX;
use crate::mesh::Time;

impl Courier {
    pub(super) fn push(&mut self, now: Time, ask: AskId, draft: Draft, out: &mut Vec<Effect>) {
        if let Err(error) = self.take_draft(now, ask, draft, out) {
            out.push(Effect::Pushed { ask, result: Err(error) });
        }
    }

    fn take_draft(
        &mut self,
        now: Time,
        ask: AskId,
        draft: Draft,
        out: &mut Vec<Effect>,
    ) -> Result<(), PushError> {
        let Draft { to, body, key, hops, shards, ttl_s } = draft;
        let (bytes, max) = (body.len(), self.policy.body_bytes_max);
        match bytes {
            _ if to == self.me => return Err(PushError::Self_),
            0 => return Err(PushError::Empty),
            _ if bytes > max => return Err(PushError::TooLong { bytes, max }),
            _ => {}
        }
        // Of one with a name the disk must say first whether it has been sent before; the first packet of
        // any other leaves while the disk is at work.
        let (id, stage) = match key {
            Some(key) => (LetterId::of_key(&self.me, &to, &key), Stage::Loads),
            None => (LetterId(self.chance()), Stage::Waits(now)),
        };
        if let Some(entry) = self.outbox.get_mut(&id) {
            if entry.durable {
                let result = Ok(entry.letter.clone());
                out.push(Effect::Pushed { ask, result });
            } else {
                entry.asks.push(ask);
            }
            return Ok(());
        }
        if self.outbox.len() >= self.policy.outbox_max {
            return Err(PushError::OutboxFull(self.outbox.len()));
        }
        if self.notes.len() >= NOTES_MAX || self.outbox.is_crowded() {
            return Err(PushError::Disk("the disk is far behind".into()));
        }
        let shards = cut(bytes, shards)?;
        let wanted = hops.unwrap_or(self.policy.hops);
        let now_ms = self.now_ms(now);
        let relays = self.ways.candidates(&self.members, now, now_ms, &[to], 1);
        if wanted > 0 && relays.is_empty() && self.policy.fallback == Fallback::Ask {
            return Err(PushError::NoRelay);
        }
        // Readers take nothing that lives longer.
        let ttl = ttl_s.map_or(self.policy.ttl, |s| Duration::from_secs(s.into()));
        let ttl = ttl.min(Duration::from_secs(TTL_S_MAX.into()));
        let letter = OutLetter {
            id,
            reader: to,
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            hops,
            shards,
            split_seed: self.secret(),
            state: State::Queued,
            why: String::new(),
            tries: 0,
            sent_ms: 0,
            stored_ms: 0,
            delivered_ms: 0,
            read_ms: 0,
            paths: Vec::new(),
        };
        let body: Arc<[u8]> = body.into();
        self.keep(
            Note::Written(id),
            Change::Write { letter: letter.clone(), body: body.clone() },
            out,
        );
        let (asks, body) = (vec![ask], Some(body));
        let (durable, attempt, missing, mailbox) = (false, 0, None, None);
        let entry = Entry { letter, body, durable, asks, stage, attempt, missing, mailbox };
        self.outbox.insert(entry);
        self.meet(to);
        self.pump(now, out);
        Ok(())
    }

    /// A new letter is on the disk, or not.
    pub(super) fn written(
        &mut self,
        now: Time,
        id: LetterId,
        outcome: Result<Outcome, String>,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Ok(Outcome::Done) => {
                let Some(entry) = self.outbox.get_mut(&id) else {
                    // A receipt was faster than the disk: it has been settled, and answered.
                    return;
                };
                entry.durable = true;
                let (asks, letter) = (std::mem::take(&mut entry.asks), entry.letter.clone());
                let answer = |ask| Effect::Pushed { ask, result: Ok(letter.clone()) };
                out.extend(asks.into_iter().map(answer));
                if letter.state != State::Queued {
                    self.keep(Note::Nothing, Change::Update(letter), out);
                }
                if self.outbox.get(&id).is_some_and(|entry| entry.stage == Stage::Loads) {
                    self.outbox.set_stage(&id, Stage::Waits(now));
                }
            }
            Ok(Outcome::Duplicate | Outcome::Full) => {
                self.refuse(id, &PushError::Before(id), out);
            }
            Err(why) => self.refuse(id, &PushError::Disk(why), out),
        }
    }

    fn refuse(&mut self, id: LetterId, error: &PushError, out: &mut Vec<Effect>) {
        let Some(entry) = self.outbox.remove(&id) else { return };
        let answer = |ask| Effect::Pushed { ask, result: Err(error.clone()) };
        out.extend(entry.asks.into_iter().map(answer));
    }
}

/// Into how many fragments a text is cut; none if it goes whole.
fn cut(bytes: usize, wanted: Option<Shards>) -> Result<Option<Shards>, PushError> {
    let Some(fewest) = fewest(bytes) else {
        return Err(PushError::TooLong { bytes, max: BODY_BYTES_MAX });
    };
    let Some(Shards { k, n }) = wanted else {
        if bytes <= WHOLE_BYTES_MAX {
            return Ok(None);
        }
        // A quarter more than are needed: a lost one costs no round trip.
        let n = fewest.saturating_add(fewest.div_ceil(4)).min(FRAGMENTS_MAX);
        return Ok(Some(Shards { k: fewest, n }));
    };
    if k == 0 || k > n || n > FRAGMENTS_MAX {
        let why = format!("{k}/{n} shards cannot be: at least 1 of them, at most {FRAGMENTS_MAX}");
        return Err(PushError::Shards(why));
    }
    if k < fewest {
        let why = format!("{bytes} bytes need at least {fewest} shards, {k}/{n} are too few");
        return Err(PushError::Shards(why));
    }
    Ok(Some(Shards { k, n }))
}
