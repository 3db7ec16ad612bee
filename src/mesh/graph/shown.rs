//! The graph as people see it.

use super::spanning::find;
use super::{Graph, Known};
use crate::mesh::NodeId;
use crate::mesh::record::{Direction, LinkEntry};
use crate::mesh::view::{LinkView, NodeView, Offers, View};

impl Graph {
    /// The graph as shown. Costs less than a microsecond for each node and each link.
    pub fn view(&self) -> View {
        let met = self.nodes.iter().filter(|(_, n)| n.met);
        let nodes: Vec<NodeView> = met
            .map(|(id, n)| NodeView {
                id: *id,
                label: n.card().map_or_else(String::new, |card| card.label.to_string()),
                state: n.state,
                addrs: n.card().map_or_else(Vec::new, |card| card.addrs.to_vec()),
                since_ms: self.start_ms + n.since.as_ms(),
                offers: n.card().map_or_else(Offers::default, |card| Offers {
                    relay: card.relay,
                    mailbox: card.mailbox,
                    keys: card.keys.to_vec(),
                }),
            })
            .collect();
        let (ids, live): (Vec<NodeId>, Vec<&Known>) = self.live().unzip();
        let at = |peer: &NodeId| find(&ids, peer).map(|i| live[i]);
        let ends = ids.iter().zip(&live).flat_map(|(id, n)| n.links().iter().map(move |l| (id, l)));
        let mut links: Vec<LinkView> =
            ends.filter_map(|(id, entry)| shown(id, entry, at(&entry.peer)?)).collect();
        links.sort_unstable_by_key(|l| (l.from, l.to));
        View { me: self.me, nodes, links, changed_ms: self.changed_ms }
    }

    /// The links of a node that both ends list and that lead to somebody live, each with its round trip in
    /// microseconds (0 if nobody has measured it).
    pub fn links_of(&self, id: &NodeId) -> impl Iterator<Item = (NodeId, u32)> + use<'_> {
        let id = *id;
        let links = self.nodes.get(&id).map_or(&[][..], |known| known.links());
        links.iter().filter_map(move |entry| {
            let peer = self.nodes.get(&entry.peer).filter(|p| p.is_live())?;
            let back = peer.lists(&id)?;
            Some((entry.peer, told(&id, entry, Some(back)).1))
        })
    }

    /// The round trip of a link that both ends list, microseconds (0 if nobody has measured it).
    pub fn rtt_us(&self, a: &NodeId, b: &NodeId) -> Option<u32> {
        let entry = self.nodes.get(a)?.lists(b)?;
        let back = self.nodes.get(b)?.lists(a)?;
        Some(told(a, entry, Some(back)).1)
    }
}

/// One link as shown, from one end's entry; none if its other end shows it.
fn shown(id: &NodeId, entry: &LinkEntry, peer: &Known) -> Option<LinkView> {
    let back = peer.lists(id);
    let (dialled, rtt_us) = told(id, entry, back);
    if back.is_some() && !dialled {
        // The dialler's entry shows this link.
        return None;
    }
    Some(LinkView {
        from: if dialled { *id } else { entry.peer },
        to: if dialled { entry.peer } else { *id },
        rtt_us,
        confirmed: back.is_some(),
    })
}

/// Whether the author of this entry dialled the link, and its round trip: the dialler's measure, or else the
/// other end's.
fn told(id: &NodeId, entry: &LinkEntry, back: Option<&LinkEntry>) -> (bool, u32) {
    // While two links replace one another both ends may say they dialled: the smaller id then counts.
    let dialled = match (entry.dir, back.map(|b| b.dir)) {
        (Direction::Out, Some(Direction::Out)) | (Direction::In, Some(Direction::In)) => {
            *id < entry.peer
        }
        (dir, _) => dir == Direction::Out,
    };
    let theirs = back.map_or(0, |b| b.rtt_us);
    let (dialler_us, other_us) =
        if dialled { (entry.rtt_us, theirs) } else { (theirs, entry.rtt_us) };
    (dialled, if dialler_us != 0 { dialler_us } else { other_us })
}
