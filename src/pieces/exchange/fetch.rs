//! One download: how far it is, who holds what of it, and who was asked for which piece.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::link::Meter;
use super::picker::Picker;
use super::seek::Holder;
use super::serve::piece_bytes;
use crate::mesh::dice::Dice;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::KnownFile;
use crate::pieces::frame::Held;
use crate::pieces::rows::Phase;
use crate::pieces::{Bitmap, FileId, MANIFEST_BYTES_MAX, PIECES_MAX};

/// Holders of one download that are kept track of.
pub(super) const SOURCES_MAX: usize = 256;
/// Wrong pieces after which a peer is refused for the file.
const LIES_MAX: u32 = 2;

/// Which pieces a peer says it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Nothing,
    All,
    /// As it came: how many pieces there are is not known yet.
    Raw(Vec<u8>),
    Some(Bitmap),
}

impl Claim {
    pub(super) fn said(held: Held) -> Claim {
        match held {
            Held::Nothing => Claim::Nothing,
            Held::All => Claim::All,
            Held::Some(bits) => Claim::Raw(bits.to_vec()),
        }
    }

    /// The same once the number of pieces is known; nothing if it does not fit.
    fn known(self, pieces: u32) -> Claim {
        match self {
            Claim::Raw(mut bits) => {
                let len = usize::try_from(pieces.div_ceil(8)).expect("32 bits fit");
                // What came piece by piece reaches no further than it had to.
                bits.resize(bits.len().max(len), 0);
                Bitmap::from_bytes(&bits, pieces).map_or(Claim::Nothing, |set| {
                    if set.is_full() { Claim::All } else { Claim::Some(set) }
                })
            }
            other => other,
        }
    }

    /// Adds pieces to a set whose length is not known yet.
    fn add_raw(&mut self, pieces: &[u32]) {
        if *self == Claim::Nothing {
            *self = Claim::Raw(Vec::new());
        }
        let Claim::Raw(bits) = self else { return };
        for piece in pieces.iter().filter(|piece| **piece < PIECES_MAX) {
            let byte = usize::try_from(piece / 8).expect("32 bits fit");
            bits.resize(bits.len().max(byte + 1), 0);
            bits[byte] |= 1 << (piece % 8);
        }
    }

    pub(super) fn holds(&self, piece: u32) -> bool {
        match self {
            Claim::All => true,
            Claim::Some(set) => set.contains(piece),
            Claim::Nothing | Claim::Raw(_) => false,
        }
    }
}

/// A peer that may be asked.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// 0: it does not have the manifest.
    pub(super) manifest_bytes: u32,
    pub(super) claim: Claim,
    /// It holds nothing that is free: not looked at again until that may have changed.
    pub(super) idle: bool,
}

impl Source {
    /// Whether it can be asked for the manifest.
    pub(super) fn has_manifest(&self) -> bool {
        (1..=MANIFEST_BYTES_MAX).contains(&self.manifest_bytes)
    }
}

/// What a peer gave, for as long as the download runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) pieces: u32,
    pub(super) bytes: u64,
    pub(super) lies: u32,
    /// It is asked no more.
    pub(super) refused: bool,
}

/// How far the manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody is asked.
    Wanted,
    /// This one is.
    Asked(NodeId),
    /// It came from this one and is being checked.
    Checking(NodeId),
    /// It is here, or was good once; the target is being made ready (again).
    Again,
}

/// What is known once the manifest is.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) piece_bytes: u32,
    pub(super) have: Bitmap,
    pub(super) picker: Picker,
    /// Who was asked for a piece, in which request. Two only at the end.
    pub(super) owners: BTreeMap<u32, Vec<(NodeId, u64)>>,
    /// Pieces that came and are not stored yet.
    pub(super) landed: BTreeSet<u32>,
}

impl Known {
    pub(super) fn piece_len(&self, piece: u32) -> u32 {
        piece_bytes(self.bytes, self.piece_bytes, piece).unwrap_or(0)
    }

    /// Pieces that neither came nor are here.
    pub(super) fn wanting(&self) -> u32 {
        let landed = u32::try_from(self.landed.len()).unwrap_or(u32::MAX);
        (self.have.len() - self.have.count()).saturating_sub(landed)
    }
}

/// One download.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) file: FileId,
    pub(super) hints: Vec<(NodeId, SocketAddr)>,
    pub(super) phase: Phase,
    pub(super) since: Time,
    /// When it got its turn, or lost it.
    pub(super) hope_at: Time,
    pub(super) problem: String,
    pub(super) step: Step,
    pub(super) known: Option<Known>,
    pub(super) sources: BTreeMap<NodeId, Source>,
    /// Nodes that are said to hold it.
    pub(super) holders: BTreeMap<NodeId, Holder>,
    /// Who keeps the index of the file, as of the last round of asking.
    pub(super) index: Vec<NodeId>,
    /// Peers that were asked though nobody named them.
    pub(super) others: BTreeSet<NodeId>,
    pub(super) tallies: BTreeMap<NodeId, Tally>,
    pub(super) seek_at: Option<Time>,
    pub(super) seeks: u32,
    /// When it is tried again whether there is room.
    pub(super) retry_at: Option<Time>,
    /// One piece may be asked for though there was no room.
    pub(super) trial: bool,
    pub(super) uncommitted: u32,
    pub(super) commit_at: Option<Time>,
    pub(super) committing: bool,
    /// Failures of the disk in a row.
    pub(super) failures: u32,
    pub(super) received: u64,
    pub(super) meter: Meter,
    /// Since when nothing has come, for the rate that is shown.
    pub(super) heard_at: Time,
    /// The last time a limit, or the room for buffers, kept us from asking.
    pub(super) limited_at: Option<Time>,
    pub(super) crowded_at: Option<Time>,
}

impl Fetch {
    pub(super) fn new(file: FileId, hints: Vec<(NodeId, SocketAddr)>, now: Time) -> Fetch {
        Fetch {
            file,
            hints,
            phase: Phase::Waiting,
            since: now,
            hope_at: now,
            problem: String::new(),
            step: Step::Wanted,
            known: None,
            sources: BTreeMap::new(),
            holders: BTreeMap::new(),
            index: Vec::new(),
            others: BTreeSet::new(),
            tallies: BTreeMap::new(),
            seek_at: None,
            seeks: 0,
            retry_at: None,
            trial: false,
            uncommitted: 0,
            commit_at: None,
            committing: false,
            failures: 0,
            received: 0,
            meter: Meter::default(),
            heard_at: now,
            limited_at: None,
            crowded_at: None,
        }
    }

    /// Whether something is under way that only time changes.
    pub(super) fn moves(&self) -> bool {
        self.known.as_ref().is_some_and(|k| !k.owners.is_empty() || !k.landed.is_empty())
            || matches!(self.step, Step::Asked(_))
    }

    /// Whether there is somebody to ask, now or after a rest.
    pub(super) fn may_go_on(&self) -> bool {
        matches!(self.phase, Phase::Seeking | Phase::Fetching) && !self.sources.is_empty()
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.seek_at.into_iter().chain(self.retry_at).chain(self.commit_at).min()
    }

    /// Whether this peer has lied too often.
    pub(super) fn refuses(&self, peer: &NodeId) -> bool {
        self.tallies.get(peer).is_some_and(|t| t.refused || t.lies >= LIES_MAX)
    }

    /// What is noted of a peer; bounded, so of the first that came.
    pub(super) fn tally(&mut self, peer: NodeId) -> Option<&mut Tally> {
        let room = self.tallies.len() < 4 * SOURCES_MAX;
        if room || self.tallies.contains_key(&peer) {
            Some(self.tallies.entry(peer).or_default())
        } else {
            None
        }
    }

    fn count(&mut self, claim: &Claim, more: bool) {
        let Some(known) = &mut self.known else { return };
        match claim {
            Claim::All if more => known.picker.whole += 1,
            Claim::All => known.picker.whole = known.picker.whole.saturating_sub(1),
            Claim::Some(set) if more => set.iter().for_each(|piece| known.picker.gained(piece)),
            Claim::Some(set) => set.iter().for_each(|piece| known.picker.lost(piece)),
            Claim::Nothing | Claim::Raw(_) => {}
        }
    }

    /// A peer says what it holds. Replaces what it said before.
    pub(super) fn heard_of(&mut self, peer: NodeId, manifest_bytes: u32, claim: Claim) {
        let claim = match &self.known {
            Some(known) => claim.known(known.have.len()),
            None => claim,
        };
        let nothing = manifest_bytes == 0 && claim == Claim::Nothing;
        let room = self.sources.len() < SOURCES_MAX || self.sources.contains_key(&peer);
        if nothing || !room {
            self.forget_source(&peer);
            return;
        }
        let source = Source { manifest_bytes, claim: claim.clone(), idle: false };
        let before = self.sources.insert(peer, source).map_or(Claim::Nothing, |s| s.claim);
        self.recount(&before, &claim);
    }

    /// Counts only what is new: words come often, and most of them say little that was not known.
    fn recount(&mut self, before: &Claim, after: &Claim) {
        match (before, after, &mut self.known) {
            (Claim::Some(before), Claim::Some(after), Some(known)) => {
                for piece in before.differing(after) {
                    match after.contains(piece) {
                        true => known.picker.gained(piece),
                        false => known.picker.lost(piece),
                    }
                }
            }
            _ if before == after => {}
            _ => {
                self.count(before, false);
                self.count(after, true);
            }
        }
    }

    /// A peer holds more than it said.
    pub(super) fn holds_more(&mut self, peer: NodeId, pieces: &[u32]) {
        let room = self.sources.len() < SOURCES_MAX;
        if !room && !self.sources.contains_key(&peer) {
            return;
        }
        let source = self.sources.entry(peer).or_insert(Source {
            manifest_bytes: 0,
            claim: Claim::Nothing,
            idle: false,
        });
        let Some(known) = &mut self.known else {
            source.claim.add_raw(pieces);
            return;
        };
        let total = known.have.len();
        if source.claim == Claim::Nothing {
            source.claim = Claim::Some(Bitmap::none(total));
        }
        let Claim::Some(set) = &mut source.claim else { return };
        for piece in pieces {
            if set.insert(*piece) {
                known.picker.gained(*piece);
                source.idle = false;
            }
        }
        if set.is_full() {
            let all = std::mem::replace(&mut source.claim, Claim::Nothing);
            self.count(&all, false);
            self.count(&Claim::All, true);
            if let Some(source) = self.sources.get_mut(&peer) {
                source.claim = Claim::All;
            }
        }
    }

    /// A peer cannot give a piece though it said so.
    pub(super) fn holds_less(&mut self, peer: &NodeId, piece: u32) {
        let Some((known, source)) = self.known.as_mut().zip(self.sources.get_mut(peer)) else {
            return;
        };
        match &mut source.claim {
            Claim::Some(set) => {
                if set.remove(piece) {
                    known.picker.lost(piece);
                }
            }
            Claim::All => {
                let mut set = Bitmap::all(known.have.len());
                set.remove(piece);
                source.claim = Claim::Some(set.clone());
                self.recount(&Claim::All, &Claim::Some(set));
            }
            Claim::Nothing | Claim::Raw(_) => {}
        }
    }

    /// Whether a peer says that it holds everything.
    pub(super) fn claims_all(&self, peer: &NodeId) -> bool {
        self.sources.get(peer).is_some_and(|source| source.claim == Claim::All)
    }

    /// A peer is not asked any more. Whether it was before.
    pub(super) fn forget_source(&mut self, peer: &NodeId) -> bool {
        let source = self.sources.remove(peer);
        source.inspect(|source| self.count(&source.claim, false)).is_some()
    }

    /// The manifest is known; `file.held` is what is here already.
    pub(super) fn know(&mut self, file: KnownFile, dice: &mut Dice) {
        let picker = Picker::new(&file.held, dice);
        let pieces = file.held.len();
        self.known = Some(Known {
            name: file.name,
            bytes: file.bytes,
            piece_bytes: file.piece_bytes,
            have: file.held,
            picker,
            owners: BTreeMap::new(),
            landed: BTreeSet::new(),
        });
        let peers: Vec<NodeId> = self.sources.keys().copied().collect();
        for peer in peers {
            let Some(source) = self.sources.get_mut(&peer) else { continue };
            let claim = std::mem::replace(&mut source.claim, Claim::Nothing).known(pieces);
            source.claim = claim.clone();
            source.idle = false;
            self.count(&claim, true);
        }
    }

    /// This request ends without the piece; if nobody else is asked for it, it is free again.
    pub(super) fn release(&mut self, piece: u32, request: u64) {
        let Some(known) = &mut self.known else { return };
        let Some(owners) = known.owners.get_mut(&piece) else { return };
        owners.retain(|(_, r)| *r != request);
        if owners.is_empty() {
            known.owners.remove(&piece);
            self.free(piece);
        }
    }

    /// A piece is to be asked for (again), unless it is here.
    pub(super) fn free(&mut self, piece: u32) {
        let Some(known) = &mut self.known else { return };
        let taken = known.landed.contains(&piece) || known.owners.contains_key(&piece);
        if taken || known.have.contains(piece) {
            return;
        }
        known.picker.release(piece);
        for source in self.sources.values_mut().filter(|s| s.claim.holds(piece)) {
            source.idle = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_say_is_counted_once_and_taken_back_whole() {
        let mut dice = Dice::new(1);
        let mut fetch = Fetch::new(FileId([1; 32]), Vec::new(), Time(0));
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        fetch.heard_of(a, 100, Claim::Raw(vec![0b101]));
        fetch.heard_of(b, 100, Claim::Raw(vec![1, 2, 3]));
        let file = KnownFile {
            file: fetch.file,
            name: String::new(),
            bytes: 3 << 20,
            piece_bytes: 1 << 20,
            manifest_bytes: 100,
            held: Bitmap::none(3),
        };
        fetch.know(file, &mut dice);
        let rarest = |fetch: &Fetch, dice: &mut Dice| {
            let known = fetch.known.as_ref().expect("known");
            known.picker.pick(None, true, dice)
        };
        assert_eq!(fetch.sources[&b].claim, Claim::Nothing, "of another length");
        assert_eq!(rarest(&fetch, &mut dice), Some(1));
        fetch.holds_more(b, &[1, 1, 7, u32::MAX]);
        fetch.holds_more(b, &[0, 2]);
        assert_eq!(fetch.sources[&b].claim, Claim::All);
        assert_eq!(rarest(&fetch, &mut dice), Some(1), "a holder of all makes none less rare");
        fetch.holds_less(&b, 0);
        assert!(!fetch.sources[&b].claim.holds(0) && fetch.sources[&b].claim.holds(2));
        fetch.forget_source(&a);
        assert_eq!(rarest(&fetch, &mut dice), Some(0), "nobody holds it now");
    }
}
