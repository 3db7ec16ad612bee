//! Where the index of a file is kept: with the three nodes whose hash together with the file's is highest. Every
//! node knows every member, so everybody finds the same three without asking.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::Exchange;
use crate::mesh::view::View;
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;

/// Who keeps the index of a file: how high, and who.
pub(super) type Place = ([u8; 32], NodeId);

/// Nodes that keep the index of one file.
const KEEPERS: usize = 3;
/// Nodes that accept to: views of who is there differ for a moment after each change, so a node that was among
/// the three, or will be, is not to refuse.
const ACCEPTING: usize = 2 * KEEPERS;
/// Hashes computed in one turn to follow a change of members.
const HASHES_A_TURN: usize = 2_048;

fn height(file: &FileId, node: &NodeId) -> [u8; 32] {
    Sha256::new().chain_update(file.0).chain_update(node.0).finalize().into()
}

/// Who is there, and how far the files have followed the last change of that.
#[derive(Debug)]
pub(super) struct Places {
    /// Alive, this node included; in order.
    members: Vec<NodeId>,
    /// Who came or went since the last pass over all files began.
    changed: BTreeSet<NodeId>,
    /// The pass that runs: who came or went before it, and the file it has come to.
    pass: Option<(Vec<NodeId>, Option<FileId>)>,
}

impl Places {
    pub(super) fn new(me: NodeId) -> Places {
        Places { members: vec![me], changed: BTreeSet::new(), pass: None }
    }

    /// The keepers of a file's index, best first.
    pub(super) fn of(&self, file: &FileId) -> Vec<Place> {
        let mut best: Vec<Place> = Vec::with_capacity(KEEPERS + 1);
        for node in &self.members {
            enter(&mut best, (height(file, node), *node));
        }
        best
    }

    /// Whether this node is to keep what is said of a file.
    pub(super) fn keeps(&self, me: &NodeId, file: &FileId) -> bool {
        let mine = height(file, me);
        let above = self.members.iter().filter(|node| height(file, node) > mine);
        above.take(ACCEPTING).count() < ACCEPTING
    }

    pub(super) fn is_member(&self, node: &NodeId) -> bool {
        self.members.binary_search(node).is_ok()
    }

    pub(super) fn is_behind(&self) -> bool {
        self.pass.is_some()
    }
}

fn enter(best: &mut Vec<Place>, place: Place) {
    let at = best.iter().position(|other| place > *other).unwrap_or(best.len());
    if at < KEEPERS && !best.contains(&place) {
        best.insert(at, place);
        best.truncate(KEEPERS);
    }
}

impl Exchange {
    /// The graph is now this.
    pub(super) fn members_are(&mut self, view: &View) {
        let places = &mut self.places;
        // The graph changes often, its members seldom.
        if view.alive().map(|node| &node.id).eq(&places.members) {
            return;
        }
        let mut members: BTreeSet<NodeId> = view.alive().map(|node| node.id).collect();
        members.insert(self.home.me);
        let before: BTreeSet<NodeId> = places.members.iter().copied().collect();
        places.changed.extend(before.symmetric_difference(&members));
        places.members = members.into_iter().collect();
        self.begin_pass();
    }

    fn begin_pass(&mut self) {
        if self.places.pass.is_none() && !self.places.changed.is_empty() {
            let changed = std::mem::take(&mut self.places.changed);
            self.places.pass = Some((changed.into_iter().collect(), None));
        }
    }

    /// Follows a change of members, a few files a turn. Files whose keepers changed are announced to the new.
    pub(super) fn follow_members(&mut self, now: Time) {
        let Some((changed, mut cursor)) = self.places.pass.take() else { return };
        let mut hashes = 0;
        let mut moved = Vec::new();
        let from = cursor.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut through = true;
        for (file, local) in self.files.range_mut((from, std::ops::Bound::Unbounded)) {
            if hashes >= HASHES_A_TURN {
                through = false;
                break;
            }
            let before = local.places.clone();
            if local.places.iter().any(|(_, node)| !self.places.is_member(node)) {
                local.places = self.places.of(file);
                hashes += self.places.members.len();
            } else {
                for node in changed.iter().filter(|node| self.places.is_member(node)) {
                    enter(&mut local.places, (height(file, node), *node));
                }
                hashes += changed.len();
            }
            if local.places != before && local.due.is_some() {
                moved.push(*file);
            }
            cursor = Some(*file);
        }
        if through {
            self.begin_pass();
        } else {
            self.places.pass = Some((changed, cursor));
        }
        for file in moved {
            self.announce_at(file, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count: u8) -> Places {
        let mut places = Places::new(NodeId([0; 32]));
        places.members = (0..count).map(|n| NodeId([n; 32])).collect();
        places
    }

    #[test]
    fn the_three_highest_keep_the_index_and_some_more_accept() {
        let places = places(40);
        for n in 0..50 {
            let file = FileId([n; 32]);
            let mut all: Vec<Place> =
                places.members.iter().map(|node| (height(&file, node), *node)).collect();
            all.sort_by(|a, b| b.cmp(a));
            assert_eq!(places.of(&file), all[..KEEPERS]);
            for (rank, (_, node)) in all.iter().enumerate() {
                assert_eq!(places.keeps(node, &file), rank < ACCEPTING);
            }
        }
    }

    #[test]
    fn fewer_than_three_are_all() {
        assert_eq!(places(2).of(&FileId([1; 32])).len(), 2);
    }
}
