//! Who is there, as far as letters care.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::mail::keys::MailKeys;
use crate::mail::onion::Hop;
use crate::mail::seal::PreKey;
use crate::mesh::NodeId;
use crate::mesh::view::{State, View};

/// Part of an address that one owner is likely to hold whole: /24 of IPv4, /48 of IPv6. None for loopback.
pub(super) type Net = Option<[u8; 6]>;

/// One node.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) alive: bool,
    pub(super) relay: bool,
    pub(super) mailbox: bool,
    /// Of its card, if they can be read.
    pub(super) keys: Option<MailKeys>,
    /// The bytes they were read from.
    bytes: Vec<u8>,
    pub(super) net: Net,
}

/// All nodes.
pub(super) struct Members {
    pub(super) me: NodeId,
    all: BTreeMap<NodeId, Member>,
    view: Arc<View>,
}

impl Members {
    pub(super) fn new(me: NodeId) -> Members {
        let view = View { me, nodes: Vec::new(), links: Vec::new(), changed_ms: 0 };
        Members { me, all: BTreeMap::new(), view: Arc::new(view) }
    }

    /// Takes a new view; those that are back since the last one.
    pub(super) fn update(&mut self, view: Arc<View>) -> Vec<NodeId> {
        let (mut back, mut others) = (Vec::new(), 0);
        for node in view.nodes.iter().filter(|node| node.id != self.me) {
            others += 1;
            let member = self.all.entry(node.id).or_default();
            let was_there = member.alive && member.keys.is_some();
            let same = member.bytes == node.offers.keys;
            if !same {
                member.keys = MailKeys::decode(&node.offers.keys).ok();
                member.bytes.clone_from(&node.offers.keys);
            }
            member.alive = matches!(node.state, State::Alive | State::Suspect);
            member.relay = node.offers.relay;
            member.mailbox = node.offers.mailbox;
            member.net = node.addrs.first().and_then(|addr| net(addr.ip()));
            // A node that came back with other keys may have been away without our seeing it.
            if member.alive && member.keys.is_some() && (!was_there || !same) {
                back.push(node.id);
            }
        }
        if self.all.len() > others {
            self.all.retain(|id, _| view.node(id).is_some());
        }
        self.view = view;
        back
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Member> {
        self.all.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.all.iter()
    }

    pub(super) fn is_alive(&self, id: &NodeId) -> bool {
        self.all.get(id).is_some_and(|member| member.alive)
    }

    /// Whether both ends say that there is a link between them.
    pub(super) fn linked(&self, a: &NodeId, b: &NodeId) -> bool {
        let links = &self.view.links;
        let found = |from: &NodeId, to: &NodeId| {
            let at = links.binary_search_by(|l| (l.from, l.to).cmp(&(*from, *to)));
            at.is_ok_and(|at| links[at].confirmed)
        };
        found(a, b) || found(b, a)
    }

    /// The node as a place on a path; none if it is not there, or its onion key is too old.
    pub(super) fn hop(&self, id: &NodeId, now_ms: u64) -> Option<Hop> {
        let member = self.all.get(id).filter(|member| member.alive)?;
        let keys = member.keys.as_ref().filter(|keys| keys.usable_onion(now_ms))?;
        Some(Hop { id: *id, key: keys.onion })
    }

    /// The way over these relays to `end`.
    pub(super) fn route<'a>(
        &self,
        relays: impl IntoIterator<Item = &'a NodeId>,
        end: Hop,
        now_ms: u64,
    ) -> Vec<Hop> {
        let relays = relays.into_iter().filter_map(|id| self.hop(id, now_ms));
        relays.chain([end]).collect()
    }

    /// The key to seal for it; another one for a letter that will lie in a mailbox.
    pub(super) fn prekey(&self, id: &NodeId, now_ms: u64, offline: bool) -> Option<PreKey> {
        self.all.get(id)?.keys.as_ref()?.prekey(now_ms, offline).copied()
    }

    /// Who keeps letters for it and is there now.
    pub(super) fn mailboxes(&self, id: &NodeId, now_ms: u64) -> Vec<Hop> {
        let keys = self.all.get(id).and_then(|member| member.keys.as_ref());
        let listed = keys.into_iter().flat_map(|keys| keys.mailboxes.iter());
        listed.filter(|m| *m != id).filter_map(|m| self.hop(m, now_ms)).collect()
    }
}

fn net(ip: IpAddr) -> Net {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Some([4, a, b, c, 0, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, ..] = ip.octets();
            Some([a, b, c, d, e, f])
        }
    }
}
