//! What others ask of the graph: who is there, who is next to whom, which links are bridges.

use std::collections::{BTreeSet, VecDeque};

use super::{Graph, Known, NodeChange};
use crate::mesh::NodeId;
use crate::mesh::record::Record;
use crate::mesh::view::State;

impl Graph {
    /// All nodes that are shown, as if each had just changed.
    pub fn all(&self) -> Vec<NodeChange> {
        self.nodes.keys().filter_map(|id| self.change_of(id)).collect()
    }

    /// A node that is shown, as if it had just changed.
    pub fn change_of(&self, id: &NodeId) -> Option<NodeChange> {
        let known = self.nodes.get(id).filter(|n| n.met)?;
        Some(NodeChange { id: *id, state: known.state, card: known.card.clone() })
    }

    /// Who is alive, in order.
    pub fn live_ids(&self) -> Vec<NodeId> {
        self.live().map(|(id, _)| *id).collect()
    }

    /// How many nodes are known that are not alive.
    pub fn lost_count(&self) -> usize {
        self.nodes.len() - self.live.min(self.nodes.len())
    }

    /// Who was met and is in this state now, in order.
    pub fn ids_in(&self, state: State) -> Vec<NodeId> {
        self.nodes.iter().filter(|(_, n)| n.met && n.state == state).map(|(id, _)| *id).collect()
    }

    /// Whether the link of this node with `peer` is the only way between the two. `links` are this node's.
    ///
    /// From `peer` outwards, not through this node, until somebody is met who is linked with this node or with
    /// one of its other neighbours: about the square root of all nodes are looked at where there is such a way.
    pub fn is_bridge(&self, peer: &NodeId, links: &[NodeId]) -> bool {
        let others = links.iter().filter(|id| *id != peer);
        let mut near: BTreeSet<NodeId> = others.clone().copied().collect();
        for other in others {
            near.extend(self.neighbours(other));
        }
        near.remove(&self.me);
        if near.contains(peer) {
            return false;
        }
        let mut seen = BTreeSet::from([*peer]);
        let mut queue = VecDeque::from([*peer]);
        while let Some(id) = queue.pop_front() {
            let around = self.neighbours(&id).into_iter().filter(|n| *n != self.me);
            let around: Vec<NodeId> = around.filter(|n| seen.insert(*n)).collect();
            if around.iter().any(|n| near.contains(n)) {
                return false;
            }
            queue.extend(around);
        }
        true
    }

    /// Those a node has confirmed links with.
    pub fn neighbours(&self, id: &NodeId) -> Vec<NodeId> {
        let links = self.nodes.get(id).map_or(&[][..], Known::links);
        links.iter().map(|l| l.peer).filter(|peer| self.lists(peer, id)).collect()
    }

    /// A node's label, or its short id.
    pub fn name(&self, id: &NodeId) -> String {
        let label = self.card(id).and_then(Record::card).map(|card| card.label.to_string());
        label.filter(|label| !label.is_empty()).unwrap_or_else(|| id.short())
    }
}
