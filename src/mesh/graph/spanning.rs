//! The tree that news goes over. Every node knows the whole graph, so all work out the same tree by themselves
//! and nobody has to be asked: the shortest paths from the live node with the smallest id.
//!
//! (Choosing the links for flooding from the link states themselves is RFC 9667's distributed mode. Where two
//! graphs differ for a moment so do the trees; the names that lazy links carry repair that.)

use std::collections::BTreeSet;

use super::{Graph, Known};
use crate::mesh::NodeId;
use crate::mesh::record::LinkEntry;

/// What a link costs: this much for being one, so that paths have few hops, and one more for each
/// [`RTT_STEP_US`] of its round trip. Coarse, so that trees are not made anew for every measure.
const HOP: usize = 5;
const RTT_STEP_US: u32 = 20_000;
const RTT_STEPS_MAX: u32 = 58;
/// Links of each node that names go over.
const PARTNERS: usize = 3;
/// An odd number with its bits spread evenly (2^64 over the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// How far from its guessed place an id is looked for before all of them are searched.
const NEAR: usize = 64;
/// More than any link costs.
const RING: usize = HOP + RTT_STEPS_MAX as usize + 1;

fn cost(ours: &LinkEntry, theirs: &LinkEntry) -> usize {
    // Both ends must see it alike.
    let steps = ours.rtt_us.max(theirs.rtt_us) / RTT_STEP_US;
    HOP + steps.min(RTT_STEPS_MAX) as usize
}

/// The tree, worked out.
pub struct Spanning<'a> {
    ids: Vec<NodeId>,
    nodes: Vec<&'a Known>,
    far: Vec<Option<usize>>,
}

impl Graph {
    /// The tree over all live nodes. Costs about 50 ns for each listed link.
    pub fn spanning(&self) -> Spanning<'_> {
        let (ids, nodes): (Vec<NodeId>, Vec<&Known>) =
            self.nodes.iter().filter(|(_, n)| n.counts() && !n.has_left()).unzip();
        let far = distances(&ids, &nodes);
        Spanning { ids, nodes, far }
    }
}

impl Spanning<'_> {
    /// With whom a node is linked in the tree: by whom it is reached, and who is reached by it.
    pub fn around(&self, id: &NodeId) -> BTreeSet<NodeId> {
        let Some(me) = find(&self.ids, id) else { return BTreeSet::new() };
        let parent = self.reached_by(me);
        let linked = confirmed(&self.ids, &self.nodes, me).map(|(j, _)| j);
        let in_tree = linked.filter(|j| parent == Some(*j) || self.reached_by(*j) == Some(me));
        in_tree.map(|j| self.ids[j]).collect()
    }

    /// With whom a node exchanges names of news: over some links of each node, which both ends know. Names are there
    /// to repair the tree; over all links they would be most of what a large network says at rest.
    pub fn partners(&self, id: &NodeId) -> BTreeSet<NodeId> {
        let Some(me) = find(&self.ids, id) else { return BTreeSet::new() };
        let mine = self.chosen(me);
        let linked = confirmed(&self.ids, &self.nodes, me).map(|(j, _)| j);
        let partners = linked.filter(|j| mine.contains(j) || self.chosen(*j).contains(&me));
        partners.map(|j| self.ids[j]).collect()
    }

    /// Some links of a node, drawn by the ids of both ends.
    fn chosen(&self, i: usize) -> Vec<usize> {
        let linked = confirmed(&self.ids, &self.nodes, i).map(|(j, _)| j);
        let mut drawn: Vec<(u64, usize)> = linked
            .map(|j| ((self.ids[i].head() ^ self.ids[j].head()).wrapping_mul(SPREAD), j))
            .collect();
        drawn.sort_unstable();
        drawn.into_iter().take(PARTNERS).map(|(_, j)| j).collect()
    }

    fn reached_by(&self, i: usize) -> Option<usize> {
        let over = confirmed(&self.ids, &self.nodes, i);
        let best = over.filter_map(|(j, cost)| Some((self.far[j]? + cost, j))).min();
        best.filter(|(there, _)| self.far[i] == Some(*there)).map(|(_, j)| j)
    }
}

/// The links of node `i` that both ends list, by the other end's index, and what each costs.
fn confirmed<'a>(
    ids: &'a [NodeId],
    nodes: &'a [&Known],
    i: usize,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    nodes[i].links().iter().filter_map(move |ours| {
        let j = find(ids, &ours.peer)?;
        Some((j, cost(ours, nodes[j].lists(&ids[i])?)))
    })
}

/// How far each node is from the first one. (Dial's buckets: costs are small whole numbers.)
fn distances(ids: &[NodeId], nodes: &[&Known]) -> Vec<Option<usize>> {
    let mut far: Vec<Option<usize>> = vec![None; ids.len()];
    let mut ring: Vec<Vec<usize>> = vec![Vec::new(); RING];
    let mut waiting = 0;
    if let Some(root) = far.first_mut() {
        *root = Some(0);
        ring[0].push(0);
        waiting = 1;
    }
    let mut here = 0;
    while waiting > 0 {
        while let Some(i) = ring[here % RING].pop() {
            waiting -= 1;
            if far[i] != Some(here) {
                continue;
            }
            for (j, cost) in confirmed(ids, nodes, i) {
                let there = here + cost;
                if far[j].is_none_or(|known| there < known) {
                    far[j] = Some(there);
                    ring[there % RING].push(j);
                    waiting += 1;
                }
            }
        }
        here += 1;
    }
    far
}

/// Where an id stands among ordered ones. Ids are hashes: the place can be guessed, which spares most of the
/// steps; where somebody has made ids that are not spread evenly, all are searched.
pub(super) fn find(ids: &[NodeId], id: &NodeId) -> Option<usize> {
    let guess = (u128::from(id.head()) * ids.len() as u128) >> 64;
    let guess = usize::try_from(guess).unwrap_or(0);
    let (low, high) = (guess.saturating_sub(NEAR), (guess + NEAR).min(ids.len()));
    let window = &ids[low..high];
    let inside = window.first().is_some_and(|first| first <= id)
        && window.last().is_some_and(|last| id <= last);
    if inside {
        return window.binary_search(id).ok().map(|at| low + at);
    }
    ids.binary_search(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let even: Vec<NodeId> = (0..=255u8).map(|i| NodeId::of_key(&[i; 32])).collect();
        let crowded: Vec<NodeId> = (0..=255u8)
            .map(|i| NodeId([[9; 31].as_slice(), &[i]].concat().try_into().unwrap()))
            .collect();
        for mut ids in [even, crowded] {
            ids.sort_unstable();
            for (i, id) in ids.iter().enumerate() {
                assert_eq!(find(&ids, id), Some(i));
                let mut other = *id;
                other.0[31] ^= 1;
                other.0[30] ^= 1;
                assert_eq!(find(&ids, &other), ids.binary_search(&other).ok());
            }
            assert_eq!(find(&ids[..0], &ids[0]), None);
            assert_eq!(find(&ids[..1], &ids[0]), Some(0));
        }
    }
}
