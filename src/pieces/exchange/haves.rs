//! Who holds what, as they say: what we tell and what we are told.

use super::Exchange;
use super::fetch::Claim;
use super::link::{INTERESTS_MAX, WHOLE_MAX};
use super::serve::{Local, possible};
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, KnownFile};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::{FileId, MANIFEST_BYTES_MAX};
use crate::wire::bounded::{Blob, List};

/// Piece numbers of one [`PieceFrame::More`].
const MORE_MAX: usize = 4096;
/// A question is answered at most so often, milliseconds: two that want the same would otherwise answer one
/// another for ever.
const TOLD_MS: u64 = 2_000;

impl Exchange {
    /// What we hold of a file, in words for a peer.
    fn our_have(&self, file: &FileId, wants: bool) -> PieceFrame {
        let (manifest_bytes, held) = match self.files.get(file).filter(|local| local.served) {
            None => (0, Held::Nothing),
            Some(local) if local.held.is_full() => (local.manifest_bytes, Held::All),
            Some(local) if local.held.is_empty() => (local.manifest_bytes, Held::Nothing),
            Some(local) => {
                let bits = Blob::new(local.held.as_bytes().to_vec());
                (local.manifest_bytes, Held::Some(bits.expect("65,536 pieces are 8,192 bytes")))
            }
        };
        PieceFrame::Have { file: *file, manifest_bytes, held, wants }
    }

    /// Tells a peer what we hold of a file (and asks, if we want it).
    pub(super) fn tell(&mut self, now: Time, peer: NodeId, file: &FileId, out: &mut Vec<Effect>) {
        let wants = self.wants(file);
        let frame = self.our_have(file, wants);
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !wants && link.interests.get(file).is_none_or(|i| !i.wants) {
            link.interests.remove(file);
        } else if link.interests.len() < INTERESTS_MAX || link.interests.contains_key(file) {
            link.interests.entry(*file).or_default().told_at = Some(now);
        }
        out.push(Effect::Send { peer, frame });
    }

    /// Tells all that want it what we hold of a file now.
    pub(super) fn tell_interested(&mut self, now: Time, file: &FileId, out: &mut Vec<Effect>) {
        for peer in self.interested(file) {
            self.tell(now, peer, file, out);
        }
    }

    fn interested(&self, file: &FileId) -> Vec<NodeId> {
        let wants = |link: &super::link::Link| link.interests.get(file).is_some_and(|i| i.wants);
        self.links.iter().filter(|(_, link)| wants(link)).map(|(peer, _)| *peer).collect()
    }

    /// A peer says what it holds of a file.
    pub(super) fn have(
        &mut self,
        now: Time,
        peer: NodeId,
        file: FileId,
        (manifest_bytes, held, wants): (u32, Held, bool),
        out: &mut Vec<Effect>,
    ) {
        let ours = self.wants(&file);
        // What is said of files nobody here knows is nothing to remember.
        let known = self.files.contains_key(&file) || self.by_file.contains_key(&file);
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !matches!(held, Held::All) {
            link.whole.remove(&file);
        } else if known && link.whole.len() < WHOLE_MAX {
            link.whole.insert(file);
        }
        let answer = if !wants {
            match link.interests.get_mut(&file) {
                Some(interest) if ours => interest.wants = false,
                _ => _ = link.interests.remove(&file),
            }
            false
        } else if link.interests.len() < INTERESTS_MAX || link.interests.contains_key(&file) {
            let interest = link.interests.entry(file).or_default();
            interest.wants = true;
            interest.told_at.is_none_or(|at| now.since(at).as_millis() >= u128::from(TOLD_MS))
        } else {
            false
        };
        if manifest_bytes <= MANIFEST_BYTES_MAX {
            self.claimed(peer, &file, manifest_bytes, held);
        }
        if answer {
            self.tell(now, peer, &file, out);
        }
        self.stirred = true;
    }

    /// A peer holds more pieces than it said.
    pub(super) fn more(&mut self, peer: NodeId, file: &FileId, pieces: &[u32]) {
        let Some(fetch) = self.by_file.get(file).and_then(|t| self.fetches.get_mut(t)) else {
            return;
        };
        if fetch.refuses(&peer) || !self.links.contains_key(&peer) {
            return;
        }
        fetch.holds_more(peer, pieces);
    }

    /// Takes a peer's word into the download of that file, if there is one.
    fn claimed(&mut self, peer: NodeId, file: &FileId, manifest_bytes: u32, held: Held) {
        let Some(fetch) = self.by_file.get(file).and_then(|t| self.fetches.get_mut(t)) else {
            return;
        };
        if fetch.refuses(&peer) {
            return;
        }
        fetch.heard_of(peer, manifest_bytes, Claim::said(held));
    }

    /// A file can be served.
    pub(super) fn serve(&mut self, now: Time, file: KnownFile, out: &mut Vec<Effect>) {
        let id = file.file;
        let fetched = self.files.get(&id).and_then(|local| local.fetch);
        if !possible(&file) || fetched.is_some_and(|t| self.fetches.contains_key(&t)) {
            return;
        }
        if self.files.len() >= self.policy.files_max && !self.files.contains_key(&id) {
            out.push(Effect::Notice(format!(
                "file {} is not served: {} files are known already, and pieces.files_max allows no more",
                id.short(),
                self.files.len()
            )));
            return;
        }
        let mut local = Local::new(file, None);
        if let Some(old) = self.files.get(&id) {
            local.given = old.given;
        }
        self.keep(now, id, local);
        self.tell_interested(now, &id, out);
        out.push(Effect::Changed);
    }

    /// Puts a file among those known, to be announced.
    pub(super) fn keep(&mut self, now: Time, id: FileId, mut local: Local) {
        self.drop_due(&id);
        local.places = self.places.of(&id);
        let some = local.has_some();
        self.files.insert(id, local);
        if some {
            self.announce_at(id, now);
        }
    }

    /// Takes a file from those known; whoever asked for it is told.
    pub(super) fn unkeep(&mut self, now: Time, id: &FileId, why: Nope, out: &mut Vec<Effect>) {
        self.drop_due(id);
        self.fresh.remove(id);
        if self.files.remove(id).is_some() {
            self.forget_whole(id);
            self.dismiss_file(id, why, out);
            self.tell_interested(now, id, out);
            self.seat(now);
            out.push(Effect::Changed);
        }
    }

    /// Forgets who holds a file that is neither known nor wanted here any more.
    pub(super) fn forget_whole(&mut self, id: &FileId) {
        if !self.files.contains_key(id) && !self.by_file.contains_key(id) {
            for link in self.links.values_mut() {
                link.whole.remove(id);
            }
        }
    }

    /// A file cannot be served any more.
    pub(super) fn withdraw(&mut self, now: Time, file: &FileId, out: &mut Vec<Effect>) {
        let fetched = self.files.get(file).and_then(|local| local.fetch);
        if fetched.is_none_or(|t| !self.fetches.contains_key(&t)) {
            self.unkeep(now, file, Nope::Absent, out);
        }
    }

    /// A piece is here: those who want the file are told soon, together with others.
    pub(super) fn now_held(&mut self, now: Time, file: FileId, piece: u32) {
        let Some(local) = self.files.get_mut(&file) else { return };
        let first = local.held.is_empty();
        if local.held.insert(piece) {
            local.fresh.push(piece);
            self.fresh.insert(file);
            if first {
                self.announce_at(file, now);
            }
        }
    }

    /// Tells those who want it of new pieces.
    pub(super) fn tell_fresh(&mut self, out: &mut Vec<Effect>) {
        for file in std::mem::take(&mut self.fresh) {
            let Some(local) = self.files.get_mut(&file) else { continue };
            let fresh = std::mem::take(&mut local.fresh);
            if !local.served {
                continue;
            }
            for peer in self.interested(&file) {
                for pieces in fresh.chunks(MORE_MAX) {
                    let pieces = List::first_of(pieces.iter().copied());
                    out.push(Effect::Send { peer, frame: PieceFrame::More { file, pieces } });
                }
            }
        }
    }
}
