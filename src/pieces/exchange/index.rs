//! The index we keep for others: who holds which file, by their own signed word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Exchange;
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;
use crate::pieces::event::Effect;
use crate::pieces::frame::PieceFrame;
use crate::pieces::holding::{HOLDING_MS, Signed};
use crate::wire::bounded::List;
use std::time::Duration;

/// Files kept for one holder.
const FILES_MAX: usize = 10_000;
/// Holders kept of one file.
const HOLDERS_MAX: usize = 256;
/// Words waiting to be checked. Those beyond are lost, and said again in half an hour.
const INCOMING_MAX: usize = 16_384;
/// Words checked in one turn: each costs a signature check.
const CHECKS_A_TURN: usize = 16;
/// Words that are over and dropped in one turn.
const ENDS_A_TURN: usize = 256;
/// Holders named in one answer.
const ANSWER_MAX: usize = 64;

/// A word that is not checked yet.
#[derive(Clone, Debug)]
pub(super) enum Incoming {
    /// A peer's word for what it holds itself.
    Announced(NodeId, Signed),
    /// What a keeper of the index handed on, and which.
    Told(NodeId, Signed),
}

/// What is kept for others.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<FileId, BTreeMap<NodeId, Signed>>,
    /// Files kept for each holder.
    holders: BTreeMap<NodeId, BTreeSet<FileId>>,
    /// Holders by how many files are kept for them, the most last.
    ranks: BTreeSet<(usize, NodeId)>,
    /// When each word is over, Unix milliseconds.
    ends: BTreeSet<(u64, FileId, NodeId)>,
    pub(super) incoming: VecDeque<Incoming>,
}

impl Index {
    /// Whether more may wait to be checked.
    pub(super) fn has_room(&self) -> bool {
        self.incoming.len() < INCOMING_MAX
    }

    /// Who is known to hold a file.
    pub(super) fn holders(&self, file: &FileId) -> Vec<NodeId> {
        let holders = self.files.get(file).into_iter().flat_map(BTreeMap::keys);
        holders.take(ANSWER_MAX).copied().collect()
    }

    fn keep(&mut self, file: FileId, holder: NodeId, signed: Signed, max: usize) {
        let old = self.files.get(&file).and_then(|holders| holders.get(&holder));
        match old.map(|old| old.until_ms) {
            Some(until) if until >= signed.until_ms => return,
            Some(until) => _ = self.ends.remove(&(until, file, holder)),
            None => {
                let here = self.files.get(&file).map_or(0, BTreeMap::len);
                let files = self.holders.get(&holder).map_or(0, BTreeSet::len);
                if here >= HOLDERS_MAX || files >= FILES_MAX || !self.make_room(files + 1, max) {
                    return;
                }
                self.ranks.remove(&(files, holder));
                self.ranks.insert((files + 1, holder));
                self.holders.entry(holder).or_default().insert(file);
            }
        }
        self.ends.insert((signed.until_ms, file, holder));
        self.files.entry(file).or_default().insert(holder, signed);
    }

    /// Makes room for a word of one who has so many with it: once the index is full, at the cost of whoever has
    /// most. A few that fill it cannot keep others out.
    fn make_room(&mut self, files: usize, max: usize) -> bool {
        if self.ends.len() < max {
            return true;
        }
        let Some((most, holder)) = self.ranks.last().copied() else { return false };
        let file = self.holders.get(&holder).and_then(BTreeSet::first).copied();
        let Some(file) = file.filter(|_| most > files) else { return false };
        self.forget(&file, &holder);
        self.ends.len() < max
    }

    fn forget(&mut self, file: &FileId, holder: &NodeId) {
        let Some(holders) = self.files.get_mut(file) else { return };
        let Some(signed) = holders.remove(holder) else { return };
        if holders.is_empty() {
            self.files.remove(file);
        }
        self.ends.remove(&(signed.until_ms, *file, *holder));
        let Some(files) = self.holders.get_mut(holder) else { return };
        self.ranks.remove(&(files.len(), *holder));
        files.remove(file);
        if files.is_empty() {
            self.holders.remove(holder);
        } else {
            self.ranks.insert((files.len(), *holder));
        }
    }

    fn drop_over(&mut self, unix_ms: u64) {
        for _ in 0..ENDS_A_TURN {
            let Some((until, file, holder)) = self.ends.first().copied() else { return };
            if until > unix_ms {
                return;
            }
            self.forget(&file, &holder);
        }
    }

    /// Words that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Exchange {
    /// A peer says what it holds.
    pub(super) fn announced(&mut self, now: Time, peer: NodeId, holdings: Vec<Signed>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        for signed in holdings {
            // Only its own word: what others hold they say themselves, and nobody fills our index in their name.
            let own = NodeId::of_key(&signed.key) == peer;
            if own && self.index.has_room() && link.signatures.take(now, 1) {
                self.index.incoming.push_back(Incoming::Announced(peer, signed));
            }
        }
    }

    /// A peer asks who holds a file.
    pub(super) fn sought(&mut self, now: Time, peer: NodeId, file: FileId, out: &mut Vec<Effect>) {
        let age = Duration::from_millis(HOLDING_MS / 2);
        let own = self.word(now, &file, age);
        let unix_ms = self.unix_ms(now);
        let mut known: Vec<Signed> = (self.index.files.get(&file).into_iter())
            .flat_map(BTreeMap::iter)
            .filter(|(holder, signed)| **holder != peer && signed.until_ms > unix_ms)
            .map(|(_, signed)| signed.clone())
            .collect();
        // More than fit: each asker is told others, so that not all go to the same.
        self.dice.shuffle(&mut known);
        let holdings = List::first_of(own.into_iter().chain(known));
        out.push(Effect::Send { peer, frame: PieceFrame::Peer { file, holdings } });
    }

    /// What the index has to do by the clock.
    pub(super) fn index_work(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.follow_members(now);
        let unix_ms = self.unix_ms(now);
        self.index.drop_over(unix_ms);
        for _ in 0..CHECKS_A_TURN {
            match self.index.incoming.pop_front() {
                None => return,
                Some(Incoming::Announced(peer, signed)) => {
                    if self.places.keeps(&self.home.me, &signed.file)
                        && signed.holder(unix_ms, &*self.crypto) == Some(peer)
                    {
                        self.index.keep(signed.file, peer, signed, self.policy.index_max);
                    }
                }
                Some(Incoming::Told(keeper, signed)) => {
                    if let Some(holder) = signed.holder(unix_ms, &*self.crypto) {
                        self.holder_found(now, signed.file, (holder, keeper), out);
                    }
                }
            }
        }
    }

    /// When the index has something to do.
    pub(super) fn index_wake(&self) -> Option<Time> {
        if self.places.is_behind() || !self.index.incoming.is_empty() {
            return Some(self.now);
        }
        let over = self.index.ends.first().map(|(until, ..)| *until);
        over.map(|until| self.time_of(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bounded::Blob;

    fn word(file: u8, until_ms: u64) -> (FileId, Signed) {
        let file = FileId([file; 32]);
        (file, Signed { file, key: [0; 32], until_ms, sig: Blob::default() })
    }

    #[test]
    fn the_newest_word_of_each_counts_until_it_is_over() {
        let mut index = Index::default();
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        for (holder, file, until, kept) in [
            (a, 1, 50, 1),
            (a, 1, 90, 1),
            (a, 1, 20, 1),
            (b, 1, 60, 2),
            (a, 2, 70, 3),
            (b, 2, 70, 3),
        ] {
            let (file, signed) = word(file, until);
            index.keep(file, holder, signed, 3);
            assert_eq!(index.len(), kept, "{holder} {until}");
        }
        index.drop_over(69);
        assert_eq!(index.len(), 2);
        assert_eq!(index.holders(&FileId([1; 32])), [a]);
        index.drop_over(90);
        assert!(index.len() == 0 && index.files.is_empty() && index.holders.is_empty());
        assert!(index.ranks.is_empty());
    }

    #[test]
    fn few_with_much_to_say_keep_nobody_out_of_a_full_index() {
        let (mut index, max) = (Index::default(), 70);
        for n in 0..7 {
            for file in 0..10 {
                let (file, signed) = word(10 * n + file, 1_000);
                index.keep(file, NodeId([n; 32]), signed, max);
            }
        }
        assert_eq!(index.len(), max);
        let newcomers: Vec<NodeId> = (100..110).map(|n| NodeId([n; 32])).collect();
        for (n, holder) in (200..).zip(&newcomers) {
            let (file, signed) = word(n, 1_000);
            index.keep(file, *holder, signed, max);
            assert_eq!(index.holders(&file), [*holder]);
        }
        assert_eq!(index.len(), max);
        // Whoever has most gives, so all come to have the same, and then nobody gives any more.
        for n in 110..200 {
            let (file, signed) = word(n, 1_000);
            index.keep(file, newcomers[0], signed, max);
        }
        assert_eq!(index.len(), max);
        let counts: Vec<usize> = index.holders.values().map(BTreeSet::len).collect();
        assert_eq!((counts.iter().max(), counts.len()), (Some(&8), 17));
        index.drop_over(1_000);
        assert!(index.holders.is_empty() && index.ranks.is_empty() && index.files.is_empty());
    }
}
