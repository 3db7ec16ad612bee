//! Our own links: what is known of them, what they may bring, and when a changed round trip is told.

use std::net::SocketAddr;
use std::time::Duration;

use super::announce::PERIOD;
use super::{Effect, Policy, Topology};
use crate::mesh::budget::Budget;
use crate::mesh::graph::SUSPECT;
use crate::mesh::record::{Direction, LOST_MAX};
use crate::mesh::route::OnLink;
use crate::mesh::sync::Sync;
use crate::mesh::{NodeId, Time};
use crate::wire::bounded::List;

/// A changed RTT is told again after this long, and only if it moved by two fifths.
const RTT_AGAIN: Duration = Duration::from_secs(30);
/// The same for each node alive, since each hears it: what a node hears of round trips does not grow with the network.
const RTT_AGAIN_PER_NODE: Duration = Duration::from_millis(600);
/// Smallest burst of records taken from a peer: the dearest question must fit into it.
const BURST_MIN: u32 = 64;

/// A link as the topology knows it.
#[derive(Debug)]
pub(in crate::mesh) struct Link {
    pub(in crate::mesh) dir: Direction,
    /// The other end wants the link, too: one that we dialled may still be declined, and is told of only when
    /// something has come over it.
    pub(super) agreed: bool,
    /// The round trip as it is told, microseconds, and as it was measured last.
    pub(in crate::mesh) rtt_us: u32,
    newest_us: u32,
    told_at: Option<Time>,
    pub(in crate::mesh) addr: SocketAddr,
    pub(in crate::mesh) up_at: Time,
    pub(in crate::mesh) budget: Budget,
    /// For records of nodes that no path leads to yet: whoever brings them may have made them up.
    pub(in crate::mesh) strangers: Budget,
    pub(in crate::mesh) sync: Sync,
    pub(in crate::mesh) routes: OnLink,
}

impl Link {
    /// Whether the round trip is so much another one that it is worth telling.
    fn has_moved(&self) -> bool {
        self.rtt_us == 0 || self.rtt_us.abs_diff(self.newest_us) > self.rtt_us / 5 * 2
    }

    /// It is told now, with the newest round trip: what moved meanwhile costs nothing more.
    pub(super) fn is_told(&mut self, now: Time) {
        if self.has_moved() {
            self.rtt_us = self.newest_us;
        }
        self.told_at = Some(now);
    }
}

impl Topology {
    pub(super) fn link_up(
        &mut self,
        now: Time,
        peer: NodeId,
        dir: Direction,
        rtt_us: u32,
        addr: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        // A link that takes another's place does not buy its peer a new burst.
        let before = self.links.remove(&peer);
        let agreed = dir == Direction::In || before.as_ref().is_some_and(|l| l.agreed);
        let before = before.map(|l| (l.budget, l.strangers, l.sync.given, l.routes));
        let (budget, strangers, given, routes) = before.unwrap_or_else(|| {
            (self.budget(), strange_budget(&self.policy), self.budget(), OnLink::default())
        });
        let sync = Sync::new(given);
        let link = Link {
            dir,
            agreed,
            rtt_us,
            newest_us: rtt_us,
            told_at: None,
            addr,
            up_at: now,
            budget,
            strangers,
            sync,
            routes,
        };
        self.links.insert(peer, link);
        self.lost.remove(&peer);
        let used = self.is_partial();
        self.tree.link_up(peer, rtt_us, used);
        if agreed {
            self.touch(now);
        }
        self.look_soon(now);
        self.begin_sync_on_link(now, peer, dir, out);
    }

    /// Something has come over a link.
    pub(in crate::mesh) fn speaks(&mut self, now: Time, peer: &NodeId) {
        let Some(link) = self.links.get_mut(peer) else { return };
        if !std::mem::replace(&mut link.agreed, true) {
            self.touch(now);
        }
    }

    pub(super) fn link_down(&mut self, now: Time, peer: NodeId, lost: bool) {
        let Some(link) = self.links.remove(&peer) else { return };
        if lost && link.agreed && self.lost_lately(now).len() < LOST_MAX {
            self.lost.insert(peer, now);
        }
        let used = self.is_partial();
        self.tree.link_down(&peer, used);
        if link.agreed {
            self.touch(now);
        }
        self.look_soon(now);
    }

    /// With whom the link was lost lately.
    pub(super) fn lost_lately(&mut self, now: Time) -> List<NodeId, LOST_MAX> {
        self.lost.retain(|_, at| now.since(*at) < SUSPECT);
        List::first_of(self.lost.keys().copied())
    }

    pub(super) fn measured(&mut self, now: Time, peer: NodeId, rtt_us: u32) {
        let live = u32::try_from(self.graph.live_count()).unwrap_or(u32::MAX);
        self.speaks(now, &peer);
        let again = RTT_AGAIN.max(RTT_AGAIN_PER_NODE.saturating_mul(live));
        self.tree.measured(&peer, rtt_us);
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.newest_us = rtt_us.max(1);
        let old = link.told_at.is_none_or(|at| now.since(at) >= again);
        if link.rtt_us == 0 || old && link.has_moved() {
            self.touch(now);
        }
    }

    pub(in crate::mesh) fn rtt_to(&self, peer: &NodeId) -> Option<u32> {
        self.links.get(peer).map(|l| l.newest_us).filter(|rtt| *rtt != 0)
    }

    /// What a new link may bring: everyone's two records at once, then so many a second.
    pub(in crate::mesh) fn budget(&self) -> Budget {
        budget(&self.policy, self.records_per_second())
    }

    /// What a link may bring for long. Over a tree one neighbour brings what all others say: in a storm each may
    /// say something every other second.
    pub(in crate::mesh) fn records_per_second(&self) -> u32 {
        let others = if self.is_partial() { self.graph.live_count() / 2 } else { 0 };
        self.policy.records_per_second.saturating_add(u32::try_from(others).unwrap_or(u32::MAX))
    }

    /// Takes over new settings.
    pub(super) fn configure(&mut self, now: Time, policy: Policy) {
        self.graph.set_limits(policy.limits);
        if policy.period != self.policy.period {
            self.ping_wait = policy.period.unwrap_or(PERIOD);
            self.ping_at = now + self.ping_wait;
        }
        let bounds = |p: &Policy| (p.limits.nodes_max, p.records_per_second);
        let moved = bounds(&policy) != bounds(&self.policy);
        self.policy = policy;
        if moved {
            let (budget, strangers) = (self.budget(), strange_budget(&self.policy));
            self.strangers = strangers.clone();
            for link in self.links.values_mut() {
                (link.budget, link.sync.given) = (budget.clone(), budget.clone());
                link.strangers = strangers.clone();
            }
        }
    }
}

/// The policy's own rate, however large the network: of nodes that nobody is known to be linked with.
pub(super) fn strange_budget(policy: &Policy) -> Budget {
    budget(policy, policy.records_per_second)
}

fn budget(policy: &Policy, per_second: u32) -> Budget {
    let burst = u32::try_from(2 * policy.limits.nodes_max).unwrap_or(u32::MAX);
    Budget::new(burst.max(BURST_MIN), per_second)
}
