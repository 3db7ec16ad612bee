//! The cheapest way between two nodes of any graph: Dijkstra from both ends at once.
//!
//! In a mesh of bounded degree both searches together touch in the order of √N nodes, so that a message can
//! have its way worked out anew at each hop, and nothing has to be kept for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::NodeId;

/// What a link that nobody has measured yet counts as, microseconds: dear enough that measured ways go
/// first, cheap enough that one such link beats a long detour.
const UNMEASURED_US: u64 = 200_000;
/// What passing a node costs beside the round trip, microseconds: ways that differ by less than a
/// measurement does should not hide the direct link, and of two that are as good the shorter one is taken.
const HOP_US: u64 = 500;

/// Most links looked at for one way; then the best one found so far is taken. In a mesh of 10,000 nodes of
/// degree 8 it takes a tenth of that.
const LOOKED_MAX: usize = 16 * 1024;

/// What a link of this round-trip time (microseconds, 0 if nobody has measured it) adds to a way's cost.
pub fn cost_us(rtt_us: u32) -> u64 {
    HOP_US + if rtt_us == 0 { UNMEASURED_US } else { u64::from(rtt_us) }
}

/// The search from one end.
struct Side {
    /// What each node costs from this end, whom it is reached from, and over a link of what round trip.
    best: BTreeMap<NodeId, (u64, NodeId, u32)>,
    front: BinaryHeap<Reverse<(u64, NodeId)>>,
}

impl Side {
    fn new(end: NodeId) -> Side {
        Side { best: BTreeMap::from([(end, (0, end, 0))]), front: [Reverse((0, end))].into() }
    }

    fn cost(&self, id: &NodeId) -> Option<u64> {
        self.best.get(id).map(|(cost, ..)| *cost)
    }

    /// What the next node to be looked at costs; none if this end has seen all there is.
    fn next_cost(&mut self) -> Option<u64> {
        while let Some(Reverse((cost, id))) = self.front.peek() {
            if self.cost(id) == Some(*cost) {
                return Some(*cost);
            }
            // A cheaper way to it was found since.
            self.front.pop();
        }
        None
    }

    /// Looks at the links of the cheapest node that is left. `meet` becomes the cheapest place where both
    /// searches meet, and what the whole way costs there. Answers how many links that were.
    fn step<L: IntoIterator<Item = (NodeId, u32)>>(
        &mut self,
        other: &Side,
        links: impl Fn(NodeId) -> L,
        meet: &mut Option<(u64, NodeId)>,
    ) -> usize {
        let mut looked = 0;
        let Some(Reverse((so_far, at))) = self.front.pop() else { return looked };
        for (next, rtt_us) in links(at) {
            looked += 1;
            let cost = so_far + cost_us(rtt_us);
            if self.cost(&next).is_some_and(|known| known <= cost) {
                continue;
            }
            self.best.insert(next, (cost, at, rtt_us));
            self.front.push(Reverse((cost, next)));
            if let Some(rest) = other.cost(&next)
                && meet.is_none_or(|(total, _)| cost + rest < total)
            {
                *meet = Some((cost + rest, next));
            }
        }
        looked
    }

    /// From `at` back to this end: whom it was reached from, one after the other, each with the round trip
    /// of the link in between.
    fn back(&self, mut at: NodeId, end: NodeId) -> Vec<(NodeId, u32)> {
        let mut steps = Vec::new();
        while at != end
            && let Some((_, from, rtt_us)) = self.best.get(&at)
        {
            steps.push((*from, *rtt_us));
            at = *from;
        }
        steps
    }
}

/// The cheapest way: the nodes behind `from`, `to` last, each with the round trip of the link that leads to
/// it (0 if nobody has measured it). None if no way leads there. `links` tells a node's links, and must tell
/// each one at both of its ends alike.
pub fn cheapest<L>(
    from: NodeId,
    to: NodeId,
    links: impl Fn(NodeId) -> L,
) -> Option<Vec<(NodeId, u32)>>
where
    L: IntoIterator<Item = (NodeId, u32)>,
{
    let (mut here, mut there) = (Side::new(from), Side::new(to));
    let mut looked = 0;
    let mut meet = (from == to).then_some((0, from));
    while let (Some(near), Some(far)) = (here.next_cost(), there.next_cost()) {
        if looked >= LOOKED_MAX || meet.is_some_and(|(total, _)| near + far >= total) {
            break;
        }
        looked += if here.front.len() <= there.front.len() {
            here.step(&there, &links, &mut meet)
        } else {
            there.step(&here, &links, &mut meet)
        };
    }
    let (_, middle) = meet?;
    // On this side each node was noted with the link towards `from`; on the other one towards `to`.
    let mut way: Vec<(NodeId, u32)> = Vec::new();
    let mut at = middle;
    for (before, rtt_us) in here.back(middle, from) {
        way.push((at, rtt_us));
        at = before;
    }
    way.reverse();
    way.extend(there.back(middle, to));
    Some(way)
}
