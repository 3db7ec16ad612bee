//! The graph as it is shown: who is there, in what state, and every link.

use std::net::SocketAddr;

use super::NodeId;

/// A node's state, derived here from the records; never gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A confirmed path leads to it.
    Alive,
    /// Still reachable (or only just not), but somebody dropped its link to it within the last seconds.
    Suspect,
    /// Its last confirmed link is gone.
    Failed,
    /// It went away together with others that still list each other: a split, not a crash.
    Unreachable,
    /// It said goodbye.
    Left,
}

impl State {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Alive => "alive",
            State::Suspect => "suspect",
            State::Failed => "failed",
            State::Unreachable => "unreachable",
            State::Left => "left",
        }
    }
}

/// What a node's card says it does for letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// It volunteers to pass packets on.
    pub relay: bool,
    /// It volunteers to keep letters for nodes that are away.
    pub mailbox: bool,
    /// Its onion and mail keys, opaque to the mesh: at most 512 bytes.
    pub keys: Vec<u8>,
}

/// One node as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its label, as it says; hostile text until escaped. Empty if its card is not known yet.
    pub label: String,
    /// Its state.
    pub state: State,
    /// Where it says it can be dialled.
    pub addrs: Vec<SocketAddr>,
    /// Unix milliseconds of its last change of state.
    pub since_ms: u64,
    /// What it offers.
    pub offers: Offers,
}

/// One link as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// Who dialled.
    pub from: NodeId,
    /// Who was dialled.
    pub to: NodeId,
    /// Round-trip time, microseconds; 0 when nobody has measured it yet.
    pub rtt_us: u32,
    /// Both ends list it (else only one does).
    pub confirmed: bool,
}

/// Everything known of the network, in stable order: nodes by id, links by (from, to).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The node that sees this.
    pub me: NodeId,
    /// All nodes known, the viewer included.
    pub nodes: Vec<NodeView>,
    /// Links between nodes that are alive or suspect.
    pub links: Vec<LinkView>,
    /// Unix milliseconds of the last change of who is there or linked to whom (RTT apart).
    pub changed_ms: u64,
}

impl View {
    /// A graph without any node.
    pub fn nothing() -> View {
        View { me: NodeId([0; 32]), nodes: Vec::new(), links: Vec::new(), changed_ms: 0 }
    }

    /// The node with this id.
    pub fn node(&self, id: &NodeId) -> Option<&NodeView> {
        self.nodes.binary_search_by(|n| n.id.cmp(id)).ok().map(|i| &self.nodes[i])
    }

    /// The link that `ends.0` dialled to `ends.1`.
    pub fn link(&self, ends: (NodeId, NodeId)) -> Option<&LinkView> {
        let at = self.links.binary_search_by(|link| (link.from, link.to).cmp(&ends));
        at.ok().map(|at| &self.links[at])
    }

    /// The label to show for an id: its own, or the short id.
    pub fn name(&self, id: &NodeId) -> String {
        match self.node(id) {
            Some(node) if !node.label.is_empty() => node.label.clone(),
            _ => id.short(),
        }
    }

    /// Those a node has confirmed links with.
    pub fn neighbours(&self, id: &NodeId) -> Vec<NodeId> {
        let other_end = |l: &LinkView| match (l.from == *id, l.to == *id) {
            (true, false) => Some(l.to),
            (false, true) => Some(l.from),
            _ => None,
        };
        self.links.iter().filter(|l| l.confirmed).filter_map(other_end).collect()
    }

    /// Nodes that a confirmed path leads to, the viewer included.
    pub fn alive(&self) -> impl Iterator<Item = &NodeView> {
        self.nodes.iter().filter(|n| matches!(n.state, State::Alive | State::Suspect))
    }
}
