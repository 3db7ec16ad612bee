//! Whom to link with, and who has room for others.

use std::collections::BTreeSet;

use super::{Advice, BEST, Prefixes};
use crate::mesh::NodeId;
use crate::mesh::record::Record;
use crate::mesh::topology::Topology;

/// Nodes proposed at once: more than are wanted, since some will have been asked before.
const SEEK_MIN: usize = 8;
const SEEK_MAX: usize = 16;
/// Most cards for those that are turned away: what a goodbye holds.
const ROOM_MAX: usize = 32;
/// Nodes drawn before we do without one that suits.
const DRAWS: usize = 64;

/// What a node to link with should be like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It offers room.
    Room,
    /// Of some that offer room the one with the fewest links.
    Needy,
    /// It would not refuse.
    Any,
}

impl Topology {
    /// Whom to link with: mostly anyone, sometimes one that is near, sometimes one that has few links.
    pub(super) fn seek(&mut self, advice: &mut Advice) {
        let (mut prefixes, crowd) = self.crowd();
        // Links of one prefix beyond the second are no reason to do without others.
        let apart = (self.policy.plan.wanted() + crowd.len()).saturating_sub(self.links.len());
        let want = advice.want.max(if crowd.is_empty() { 0 } else { apart });
        if want == 0 {
            return;
        }
        let live = self.graph.live_ids();
        let mut taken: BTreeSet<NodeId> = self.links.keys().copied().collect();
        taken.insert(self.me);
        let mut near = self.near(&taken);
        for _ in 0..(2 * want).clamp(SEEK_MIN, SEEK_MAX) {
            let found = match self.shape.dice.below(8) {
                0 | 1 => near.pop().filter(|id| !taken.contains(id)),
                2 => self.draw(&live, &taken, &prefixes, Wish::Needy),
                _ => None,
            };
            let found = found.or_else(|| self.draw(&live, &taken, &prefixes, Wish::Room));
            let Some(id) = found else { break };
            taken.insert(id);
            if let Some(card) = self.graph.card(&id) {
                prefixes.add(card.card().and_then(|c| c.addrs.first()));
                advice.seek.push(card.clone());
            }
        }
        if advice.seek.is_empty() && advice.want > 0 {
            // Nobody has room to offer, or nobody is of another network: a company may have only the one.
            let found = self
                .draw(&live, &taken, &prefixes, Wish::Any)
                .or_else(|| self.draw(&live, &taken, &Prefixes::default(), Wish::Any));
            advice.seek.extend(found.and_then(|id| self.graph.card(&id)).cloned());
        }
        advice.want = want;
    }

    /// One of the living that fits the wish and is of a network we are not linked with enough.
    fn draw(
        &mut self,
        live: &[NodeId],
        taken: &BTreeSet<NodeId>,
        prefixes: &Prefixes,
        wish: Wish,
    ) -> Option<NodeId> {
        let mut best: Option<(usize, NodeId)> = None;
        let all = live.len() <= DRAWS;
        let first = self.shape.dice.index(live.len());
        for n in 0..live.len().min(DRAWS) {
            // Of a few all are looked at, of many some.
            let at = if all { (first + n) % live.len() } else { self.shape.dice.index(live.len()) };
            let id = live[at];
            let Some(degree) = self.suits(&id, taken, prefixes, wish) else { continue };
            if wish != Wish::Needy {
                return Some(id);
            }
            if best.is_none_or(|(fewest, _)| degree < fewest) {
                best = Some((degree, id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// How many links a node has that we could link with; none if it does not suit.
    fn suits(
        &self,
        id: &NodeId,
        taken: &BTreeSet<NodeId>,
        prefixes: &Prefixes,
        wish: Wish,
    ) -> Option<usize> {
        let card = self.graph.card(id).and_then(Record::card)?;
        let state = self.graph.listed_by(id)?;
        let stays = card.leaving_ms.is_none() && !card.addrs.is_empty();
        // Beside what it offers it lets some in, up to its limit.
        let room = state.slots_free > 0
            || wish == Wish::Any && state.links.len() < usize::from(state.degree_max);
        let open = room && !prefixes.is_full(card.addrs.first());
        (stays && open && !taken.contains(id)).then_some(state.links.len())
    }

    /// Neighbours of our nearest neighbours, the nearest last: by the sum of both round trips, which is never
    /// less than theirs.
    fn near(&self, taken: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let mut near: Vec<(u32, NodeId)> = Vec::new();
        for (rtt_us, id) in self.by_rtt().into_iter().take(BEST) {
            let entries = self.graph.listed_by(&id).map_or(&[][..], |state| &state.links);
            let fresh = entries.iter().filter(|l| {
                l.rtt_us > 0
                    && self.suits(&l.peer, taken, &Prefixes::default(), Wish::Room).is_some()
            });
            near.extend(fresh.map(|l| (rtt_us.saturating_add(l.rtt_us), l.peer)));
        }
        near.sort_unstable_by(|a, b| b.cmp(a));
        near.into_iter().map(|(_, id)| id).collect()
    }

    /// Cards for those that find no room here.
    pub(super) fn with_room(&mut self) -> Vec<Record> {
        if self.links.len() < self.policy.plan.most() {
            return Vec::new();
        }
        let live = self.graph.live_ids();
        let mut taken = BTreeSet::from([self.me]);
        let mut room = Vec::new();
        while room.len() < ROOM_MAX {
            let Some(id) = self.draw(&live, &taken, &Prefixes::default(), Wish::Room) else {
                break;
            };
            taken.insert(id);
            room.extend(self.graph.card(&id).cloned());
        }
        room
    }
}
