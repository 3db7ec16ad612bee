//! How much others can make us keep: ids cost nothing, nor do links that are made up.

use super::{Graph, Known};
use crate::mesh::NodeId;
use crate::mesh::record::Record;

/// Links that a node may list however many all together list. More only while there is room for as many of each node
/// that may be known, and for those of a full mesh of a thousand: made-up nodes with a thousand links each do not fit.
const LISTED_SHARE: usize = 256;
const LISTED_MIN: usize = 1024 * 1024;

/// Nodes that were never met push out each other, and nobody who was lost, once they are this part of all.
const STRANGERS_SHARE: usize = 8;

impl Graph {
    /// Whether another's link state lists more than its share, and more than before, while all together list as much as
    /// there is room for.
    pub(super) fn lists_too_much(&self, record: &Record) -> bool {
        let id = record.id();
        let held = self.nodes.get(&id).map_or(0, |known| known.links().len());
        let count = record.links().map_or(0, |state| state.links.len());
        let room = (LISTED_SHARE * self.limits.nodes_max).max(LISTED_MIN);
        id != self.me && count > held.max(LISTED_SHARE) && self.listed - held + count > room
    }

    /// Makes sure that one more node fits: the longest lost goes, but where many were never met the oldest of those. (Not
    /// always: of several that come together none is met yet, and each would push out the one before.)
    pub(super) fn make_room(&mut self) -> bool {
        if self.nodes.len() < self.limits.nodes_max {
            return true;
        }
        let others = self.nodes.iter().filter(|(id, n)| **id != self.me && !n.counts());
        let strangers = others.clone().filter(|(_, n)| !n.met).count();
        let spared = |n: &Known| n.met && strangers > self.limits.nodes_max / STRANGERS_SHARE;
        let age = |n: &Known| n.odd.as_ref().map(|odd| (spared(n), odd.gone_at()));
        let oldest = others.filter_map(|(id, n)| age(n).map(|age| (age, *id)));
        let oldest = oldest.min().map(|(_, id)| id);
        oldest.is_some_and(|id| self.remove(&id))
    }

    pub(super) fn remove(&mut self, id: &NodeId) -> bool {
        let Some(known) = self.nodes.remove(id) else { return false };
        self.listed -= known.links().len();
        self.new_cards.remove(id);
        self.moved = true;
        if known.reached {
            self.reach_anew();
        }
        let bucket = &mut self.digest[usize::from(id.0[0])];
        *bucket = bucket.wrapping_sub(known.weight());
        true
    }
}
