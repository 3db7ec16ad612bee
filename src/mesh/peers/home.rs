//! Where this node can be dialled, and how much of others it remembers.

use std::net::{IpAddr, SocketAddr};

use super::{Effect, Peers};
use crate::mesh::NodeId;
use crate::mesh::record::ADDRS_MAX;

impl Peers {
    /// Tells where we can be dialled, when that has changed.
    pub(super) fn found_addrs(&mut self, local: Option<SocketAddr>, out: &mut Vec<Effect>) {
        let port = self.home.listen.port();
        let addrs = if !self.home.advertise.is_empty() {
            self.home.advertise.clone()
        } else if !self.home.listen.ip().is_unspecified() {
            vec![self.home.listen]
        } else {
            let mut addrs = self.local_addrs.clone();
            addrs.extend(local.map(|l| SocketAddr::new(l.ip().to_canonical(), port)));
            // Addresses others can use come first; a link-local one means nothing without its interface.
            let link_local =
                |a: &SocketAddr| matches!(a.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local());
            addrs.retain(|a| !link_local(a));
            addrs.sort_unstable_by_key(|a| (a.ip().is_loopback(), *a));
            addrs.dedup();
            addrs.truncate(ADDRS_MAX);
            addrs
        };
        if addrs != self.local_addrs {
            self.local_addrs = addrs.clone();
            out.push(Effect::Reachable(addrs));
        }
    }

    /// Keeps the book within its bound: who was seen longest ago goes, but nobody linked or pinned.
    pub(super) fn trim_book(&mut self) {
        let linked = |id: &NodeId| self.members.get(id).is_some_and(|m| m.up.is_some());
        while self.book.entries.len() > self.policy.book_max {
            let kept = |id: &NodeId| linked(id) || self.book.trusted.contains(id);
            let others = self.book.entries.iter().filter(|(id, _)| !kept(id));
            let Some(oldest) = others.min_by_key(|(_, e)| e.seen_ms).map(|(id, _)| *id) else {
                return;
            };
            self.book.entries.remove(&oldest);
        }
    }
}
