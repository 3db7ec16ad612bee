//! Telling the keepers of the index what we hold, and telling it again before they forget.

use std::collections::{BTreeMap, BTreeSet};
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
/// When a link to a keeper is asked for again if it was in vain: at first, and at last, after twice as long each
/// time.
const UNLINKED: Duration = Duration::from_secs(30);
const UNLINKED_MAX: Duration = Duration::from_secs(30 * 60);
/// A keeper that is linked anew is told again what it was told, but not more often than this.
const ANEW: Duration = Duration::from_secs(30);
/// By how much the wall clock differs from what was expected when this machine slept, or its clock was set.
const JUMP_MS: u64 = 5 * 60 * 1000;
/// Links to keepers asked for in one turn.
const NEEDS_MAX: usize = 8;

/// Keepers that are to be told something and are not linked.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// When a link to each is asked for next.
    due: BTreeSet<(Time, NodeId)>,
    /// The same, and how long is waited after that.
    waits: BTreeMap<NodeId, (Time, Duration)>,
}

impl Absent {
    fn note(&mut self, now: Time, keeper: NodeId) {
        if !self.waits.contains_key(&keeper) {
            self.wait(keeper, now, UNLINKED);
        }
    }

    fn wait(&mut self, keeper: NodeId, until: Time, then: Duration) {
        self.forget(&keeper);
        self.waits.insert(keeper, (until, then));
        self.due.insert((until, keeper));
    }

    fn forget(&mut self, keeper: &NodeId) {
        if let Some((at, _)) = self.waits.remove(keeper) {
            self.due.remove(&(at, *keeper));
        }
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Exchange {
    /// The file is to be announced soon.
    pub(super) fn announce_at(&mut self, file: FileId, now: Time) {
        self.announce_by(file, now + GATHER);
    }

    /// The file is to be announced then, or before.
    fn announce_by(&mut self, file: FileId, at: Time) {
        let Some(local) = self.files.get_mut(&file) else { return };
        let before = local.due.take();
        let at = before.map_or(at, |before| before.min(at));
        local.due = Some(at);
        if let Some(before) = before {
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
        // By the wall clock, as others judge it.
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let ends_ms = unix_ms.saturating_add(HOLDING_MS);
        let fresh = local.word.as_ref().filter(|word| word.until_ms.abs_diff(ends_ms) <= age_ms);
        if let Some(word) = fresh {
            return Some(word.clone());
        }
        let word = Signed::sign(*file, unix_ms, &*self.crypto);
        local.word = Some(word.clone());
        Some(word)
    }

    /// Announces what is due.
    pub(super) fn announce_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut batches: BTreeMap<NodeId, Vec<Signed>> = BTreeMap::new();
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
                let again = local.told.get(keeper).map(|(at, wait)| *at + *wait);
                if let Some(again) = again.filter(|again| *again > now) {
                    next = next.min(again);
                } else if self.links.contains_key(keeper) {
                    local.told.insert(*keeper, (now, AGAIN));
                    batches.entry(*keeper).or_default().push(word.clone());
                } else {
                    // Its link brings the file's turn.
                    self.absent.note(now, *keeper);
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

    /// Asks for links to keepers that are to be told something: once for all files.
    pub(super) fn need_keepers(&mut self, now: Time, out: &mut Vec<Effect>) {
        for _ in 0..NEEDS_MAX {
            let Some((_, keeper)) = self.absent.due.first().copied().filter(|(at, _)| *at <= now)
            else {
                return;
            };
            let wait = self.absent.waits.get(&keeper).map_or(UNLINKED, |(_, wait)| *wait);
            if self.links.contains_key(&keeper) || !self.places.is_member(&keeper) {
                self.absent.forget(&keeper);
            } else {
                self.absent.wait(keeper, now + wait, (wait * 2).min(UNLINKED_MAX));
                out.push(Effect::NeedLink { peer: keeper, addrs: Vec::new() });
            }
        }
    }

    /// A link is up. If the peer keeps the index of files of ours it is told of them: of those it was told of
    /// before, too, for it may have begun again, with nothing.
    pub(super) fn keeper_linked(&mut self, now: Time, peer: &NodeId) {
        self.absent.forget(peer);
        let mut again: Vec<(FileId, Time)> = Vec::new();
        for (file, local) in &mut self.files {
            if local.due.is_some() && local.places.iter().any(|(_, keeper)| keeper == peer) {
                let told = local.told.get_mut(peer).map(|(at, wait)| {
                    *wait = ANEW;
                    *at + ANEW
                });
                again.push((*file, told.unwrap_or(now).max(now + GATHER)));
            }
        }
        for (file, at) in again {
            self.announce_by(file, at);
        }
    }

    /// The wall clock says so. If it jumped, what the keepers were told is over, or was not believed.
    pub(super) fn wall_clock(&mut self, now: Time, unix_ms: u64) {
        let jumped = unix_ms.abs_diff(self.unix_ms(now)) >= JUMP_MS;
        self.wall = (now, unix_ms);
        if jumped {
            let held: Vec<FileId> = self.files.keys().copied().collect();
            for file in held {
                if let Some(local) = self.files.get_mut(&file).filter(|local| local.due.is_some()) {
                    local.told.clear();
                    self.announce_at(file, now);
                }
            }
        }
    }
}
