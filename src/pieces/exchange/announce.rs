//! Telling the keepers of the index what we hold, and telling it again before they forget.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Exchange;
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;
use crate::pieces::event::Effect;
use crate::pieces::frame::PieceFrame;
use crate::pieces::holding::{HOLDING_MS, Signed};
use crate::wire::bounded::List;

/// Files announced in one turn; each costs a signature.
const FILES_A_TURN: usize = 64;
/// How long a file waits for others to be announced with.
const GATHER: Duration = Duration::from_millis(100);
/// When it is announced again.
const AGAIN: Duration = Duration::from_millis(HOLDING_MS / 2);
/// How old our word may be to be given to one more keeper.
const FRESH: Duration = Duration::from_millis(HOLDING_MS / 12);
/// When a keeper that is not linked is tried again.
const UNLINKED: Duration = Duration::from_secs(30);
/// Links to keepers asked for in one turn.
const NEEDS_MAX: usize = 8;

impl Exchange {
    /// The file is to be announced soon.
    pub(super) fn announce_at(&mut self, file: FileId, now: Time) {
        let at = now + GATHER;
        let Some(local) = self.files.get_mut(&file) else { return };
        if let Some(before) = local.due.replace(at) {
            self.due.remove(&(before, file));
        }
        self.due.insert((at, file));
    }

    /// The file is not to be announced any more.
    pub(super) fn drop_due(&mut self, file: &FileId) {
        if let Some(at) = self.files.get_mut(file).and_then(|local| local.due.take()) {
            self.due.remove(&(at, *file));
        }
    }

    /// Our word that we hold a file, not older than `age`.
    pub(super) fn word(&mut self, now: Time, file: &FileId, age: Duration) -> Option<Signed> {
        let unix_ms = self.unix_ms(now);
        let local = self.files.get_mut(file).filter(|local| local.served)?;
        if !local.has_some() {
            return None;
        }
        let fresh = local.word.as_ref().filter(|(at, _)| now.since(*at) <= age);
        if let Some((_, word)) = fresh {
            return Some(word.clone());
        }
        let word = Signed::sign(*file, unix_ms, &*self.crypto);
        local.word = Some((now, word.clone()));
        Some(word)
    }

    /// Announces what is due.
    pub(super) fn announce_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut batches: BTreeMap<NodeId, Vec<Signed>> = BTreeMap::new();
        let mut needs = 0;
        for _ in 0..FILES_A_TURN {
            let Some((at, file)) = self.due.first().copied().filter(|(at, _)| *at <= now) else {
                break;
            };
            self.due.remove(&(at, file));
            let word = self.word(now, &file, FRESH);
            let me = self.home.me;
            let Some(local) = self.files.get_mut(&file) else { continue };
            local.due = None;
            let Some(word) = word else { continue };
            let places = &local.places;
            local.told.retain(|node, _| places.iter().any(|(_, place)| place == node));
            let mut next = now + AGAIN;
            for (_, keeper) in local.places.iter().filter(|(_, keeper)| *keeper != me) {
                let again = local.told.get(keeper).map(|at| *at + AGAIN);
                if let Some(again) = again.filter(|again| *again > now) {
                    next = next.min(again);
                } else if self.links.contains_key(keeper) {
                    local.told.insert(*keeper, now);
                    batches.entry(*keeper).or_default().push(word.clone());
                } else {
                    next = next.min(now + UNLINKED);
                    if needs < NEEDS_MAX {
                        needs += 1;
                        out.push(Effect::NeedLink { peer: *keeper, addrs: Vec::new() });
                    }
                }
            }
            local.due = Some(next);
            self.due.insert((next, file));
        }
        for (peer, words) in batches {
            let frame = PieceFrame::Announce(List::first_of(words));
            out.push(Effect::Send { peer, frame });
        }
    }
}
