//! Which links to give up when there are too many.

use std::cmp::Reverse;

use sha2::{Digest, Sha256};

use super::{Advice, BEST};
use crate::mesh::NodeId;
use crate::mesh::record::Direction;
use crate::mesh::topology::Topology;

/// Most links given up at once.
const TRIM_MAX: usize = 4;

/// What speaks for keeping a link, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It is one of too many of one network.
    Crowd,
    /// Nothing more than that it is a link.
    Plain,
    /// It is old, or short.
    Good,
    /// Its other end would have to dial another one in its place.
    Needed,
}

/// The same number at both ends of a link: when all give up many at once, both ends choose the same ones.
fn of_pair(a: &NodeId, b: &NodeId) -> u64 {
    let mut sha = Sha256::new();
    sha.update(a.min(b).0);
    sha.update(a.max(b).0);
    let digest = sha.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}

impl Topology {
    /// Everyone had links with everyone, and now is to have some: both ends keep the same ones.
    pub(super) fn thin_out(&mut self, advice: &mut Advice) {
        let mut links: Vec<NodeId> = self.links.keys().copied().collect();
        links.sort_by_key(|id| of_pair(&self.me, id));
        let keep = (self.policy.plan.wanted() + BEST).min(self.policy.plan.most());
        advice.trim = links.split_off(keep.min(links.len()));
        advice.surplus = advice.trim.len();
    }

    /// Links that we can do without, if there are too many.
    pub(super) fn find_surplus(&self, advice: &mut Advice) {
        let plan = self.policy.plan;
        let (_, crowd) = self.crowd();
        let over = self.links.len().saturating_sub(plan.most());
        // Only where others have taken their place: a company may have only the one network.
        let apart = self.links.len() - crowd.len();
        let crowd_over = if apart >= plan.wanted() { crowd.len() } else { 0 };
        advice.surplus = over.div_ceil(2).max(crowd_over).min(TRIM_MAX);
        if advice.surplus == 0 {
            return;
        }
        let old = self.by_age();
        let old = &old[..old.len().div_ceil(2)];
        let best: Vec<NodeId> = self.by_rtt().into_iter().take(BEST).map(|(_, id)| id).collect();
        let own = self.outgoing() <= plan.outgoing_min();
        let worth = |id: &NodeId, dir: Direction| match () {
            () if crowd.contains(id) => Worth::Crowd,
            () if self.is_needed(id, dir) => Worth::Needed,
            () if old.contains(id) || best.contains(id) => Worth::Good,
            () => Worth::Plain,
        };
        let mine: Vec<NodeId> = self.links.keys().copied().collect();
        let stays = |id: &NodeId, dir: Direction| {
            own && dir == Direction::Out || self.graph.is_bridge(id, &mine)
        };
        let free = self.links.iter().filter(|(id, link)| !stays(id, link.dir));
        let mut free: Vec<(Worth, Reverse<usize>, NodeId)> = free
            // Who has few links needs this one more.
            .map(|(id, link)| (worth(id, link.dir), Reverse(self.degree_of(id)), *id))
            .collect();
        free.sort_unstable();
        // What is worth keeping goes only where there is nothing else, and what others need only where we have
        // no room for links of our own.
        let cramped = self.outgoing() < plan.outgoing_min();
        let most = if cramped { Worth::Needed } else { Worth::Good };
        let least = free.first().map_or(most, |(worth, ..)| (*worth).max(Worth::Plain).min(most));
        free.retain(|(worth, ..)| *worth <= least);
        free.truncate(2 * TRIM_MAX);
        advice.trim = free.into_iter().map(|(_, _, id)| id).collect();
    }

    /// Whether the other end would have to dial somebody else if this link went: it dialled this one and has no
    /// other to spare, or has not enough of any kind.
    fn is_needed(&self, id: &NodeId, dir: Direction) -> bool {
        let Some(state) = self.graph.listed_by(id) else { return true };
        let plan = &self.policy.plan;
        let dialled = state.links.iter().filter(|l| l.dir == Direction::Out).count();
        dir == Direction::In && dialled <= plan.outgoing_min() || state.links.len() <= plan.wanted()
    }

    fn degree_of(&self, id: &NodeId) -> usize {
        self.graph.listed_by(id).map_or(0, |state| state.links.len())
    }
}
