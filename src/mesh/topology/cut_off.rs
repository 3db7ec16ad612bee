//! Full mesh: whom the author of news cannot reach itself.

use std::sync::Arc;

use super::{Effect, Topology};
use crate::mesh::NodeId;
use crate::mesh::gossip::Gossip;
use crate::mesh::record::{Record, Signed};
use crate::wire::bounded::List;

impl Topology {
    /// Hands a link state on to those our neighbour cannot reach itself. In an unbroken full mesh there
    /// is nobody; where a pair cannot link, exactly one common neighbour passes it on. The card goes with
    /// it: where two components meet, it tells the others where to dial.
    pub(in crate::mesh) fn pass_on(&self, record: &Record, out: &mut Vec<Effect>) {
        if record.links().is_none() {
            return;
        }
        let origin = record.id();
        let Some(links) = self.graph.link_state(&origin) else { return };
        let records = self.graph.card(&origin).into_iter().chain([links]);
        let signed: Vec<Arc<Signed>> = records.map(|r| r.signed().clone()).collect();
        for peer in self.cut_off_from(&origin) {
            let gossip = Gossip::Records(List::first_of(signed.iter().cloned()));
            out.push(Effect::Send { peer, gossip });
        }
    }

    /// Our neighbours that `origin` has no link with and whose smallest common neighbour we are.
    pub(in crate::mesh) fn cut_off_from(&self, origin: &NodeId) -> Vec<NodeId> {
        let graph = &self.graph;
        let Some(state) = graph.listed_by(origin) else { return Vec::new() };
        if !graph.lists(origin, &self.me) {
            return Vec::new();
        }
        // Those before us in the order of ids, looked up once: an origin may list a thousand nodes that
        // nobody knows, and each of our neighbours is compared with all of them.
        let before = state.links.iter().take_while(|l| l.peer < self.me);
        let before: Vec<NodeId> =
            before.map(|l| l.peer).filter(|c| graph.link_state(c).is_some()).collect();
        let cut_off =
            self.links.keys().filter(|peer| *peer != origin && !graph.lists(origin, peer));
        cut_off
            .filter(|peer| {
                graph.lists(&self.me, peer) && !before.iter().any(|c| graph.lists(c, peer))
            })
            .copied()
            .collect()
    }
}
