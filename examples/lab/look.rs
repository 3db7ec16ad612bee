//! Whether all graphs are equal and true.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};

use kith::mesh::NodeId;
use kith::mesh::view::{State, View};

use crate::host::Node;

/// What a graph says, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Short {
    alive: usize,
    links: usize,
    confirmed: usize,
    /// Of all ids that are alive and of all links.
    hash: u64,
    changed_ms: u64,
}

/// All nodes, and what each of their graphs said when it was looked at last.
#[derive(Default)]
pub struct Eyes(BTreeMap<NodeId, Short>);

/// What one look has found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// How many see so many alive as there are.
    pub complete: usize,
    /// How many of those see exactly what the first of them sees, with every link confirmed.
    pub equal: usize,
    /// All do, and it is the truth.
    pub all: bool,
    /// When the newest change in any graph was, unix milliseconds.
    pub changed_ms: u64,
}

fn short(view: &View) -> Short {
    let mut short = Short { links: view.links.len(), ..Short::default() };
    let mut hasher = DefaultHasher::new();
    for node in &view.nodes {
        if is_alive(node.state) {
            short.alive += 1;
            hasher.write_u64(node.id.head());
        }
    }
    for link in &view.links {
        short.confirmed += usize::from(link.confirmed);
        hasher.write_u64(link.from.head());
        hasher.write_u64(link.to.head());
    }
    Short { hash: hasher.finish(), changed_ms: view.changed_ms, ..short }
}

fn is_alive(state: State) -> bool {
    matches!(state, State::Alive | State::Suspect)
}

/// Who is there and who is linked to whom, by those who know: the nodes' own lists of links.
pub fn truth(nodes: &[Node]) -> (BTreeSet<NodeId>, BTreeSet<(NodeId, NodeId)>) {
    let lists: BTreeMap<NodeId, BTreeSet<NodeId>> =
        nodes.iter().map(|node| (node.id, node.links.peers())).collect();
    let mut links = BTreeSet::new();
    for (id, peers) in &lists {
        let both = |peer: &&NodeId| lists.get(peer).is_some_and(|back| back.contains(id));
        links.extend(peers.iter().filter(both).map(|peer| (*id.min(peer), *id.max(peer))));
    }
    (lists.into_keys().collect(), links)
}

impl Eyes {
    /// Looks at all nodes; only graphs that have changed cost something.
    pub fn look(&mut self, nodes: &mut [Node]) -> Look {
        let mut look = Look::default();
        let mut first: Option<Short> = None;
        let count = nodes.len();
        for node in nodes.iter_mut() {
            if node.view.has_changed().unwrap_or(false) || !self.0.contains_key(&node.id) {
                self.0.insert(node.id, short(&node.view.borrow_and_update()));
            }
            let Some(seen) = self.0.get(&node.id) else { continue };
            look.changed_ms = look.changed_ms.max(seen.changed_ms);
            if seen.alive == count {
                look.complete += 1;
                let first = first.get_or_insert(*seen);
                let same = seen.hash == first.hash && seen.links == first.links;
                look.equal += usize::from(same && seen.confirmed == seen.links);
            }
        }
        look.all = look.equal == count && nodes.first().is_some_and(|node| is_true(node, nodes));
        look
    }
}

/// Whether a node's graph is the truth.
fn is_true(node: &Node, nodes: &[Node]) -> bool {
    let (ids, links) = truth(nodes);
    let view = node.view.borrow();
    let seen: BTreeSet<NodeId> = view.alive().map(|node| node.id).collect();
    let pairs = view.links.iter().map(|l| (l.from.min(l.to), l.from.max(l.to)));
    seen == ids && pairs.collect::<BTreeSet<_>>() == links
}

/// Whether a node sees this one alive.
pub fn sees(node: &Node, id: &NodeId) -> bool {
    node.view.borrow().node(id).is_some_and(|node| is_alive(node.state))
}
