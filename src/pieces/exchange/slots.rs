//! Who is served at once: four by fairness, one by chance.
//!
//! Serving everybody a little at a time would finish nobody's piece; so a few are served, and who waits too long
//! is told that we are busy and asks elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Exchange;
use crate::mesh::dice::Dice;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::Effect;
use crate::pieces::frame::Nope;

/// Peers served because they were given least.
const REGULAR: usize = 4;
/// How long the one served by chance is.
const OPTIMISTIC: Duration = Duration::from_secs(10);
/// How often it is looked whether somebody who waits was given much less than somebody who is served.
const WEIGH: Duration = Duration::from_secs(2);
/// How much less that is, bytes.
const MUCH_LESS: u64 = 8 << 20;
/// How long an ask waits for a slot.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a peer may leave what was read for it in its lane. A path that takes so long for a chunk of
/// 256 KiB gives less than 9 KiB a second; keeping the slot would starve all others.
const STALLED: Duration = Duration::from_secs(30);

/// Who is served.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// All who have asked and did not get everything yet, served or not.
    pub(super) waiting: BTreeSet<NodeId>,
    regular: BTreeSet<NodeId>,
    optimistic: Option<NodeId>,
    /// They lost their slot and still get what was begun.
    leaving: BTreeSet<NodeId>,
    rotate_at: Time,
    weigh_at: Time,
}

impl Slots {
    /// Those who are served, and whether they are about to leave.
    pub(super) fn served(&self) -> impl Iterator<Item = (NodeId, bool)> + '_ {
        let staying = self.regular.iter().chain(&self.optimistic).map(|peer| (*peer, false));
        staying.chain(self.leaving.iter().map(|peer| (*peer, true)))
    }

    pub(super) fn has(&self, peer: &NodeId) -> bool {
        self.regular.contains(peer) || self.optimistic == Some(*peer)
    }

    pub(super) fn remove(&mut self, peer: &NodeId) {
        self.waiting.remove(peer);
        self.regular.remove(peer);
        self.leaving.remove(peer);
        self.optimistic = self.optimistic.filter(|p| p != peer);
    }

    fn is_full(&self) -> bool {
        self.regular.len() >= REGULAR && self.optimistic.is_some()
    }
}

impl Exchange {
    fn given(&self, peer: &NodeId) -> u64 {
        self.links.get(peer).map_or(0, |link| link.queue.given)
    }

    /// Whoever begins to ask stands beside the one who was given least: what it was not given while it asked
    /// for nothing, or before its link was up, is no debt that others must wait for.
    pub(super) fn join_in(&mut self, peer: NodeId) {
        let others = self.slots.waiting.iter().filter(|other| **other != peer);
        let least = others.map(|other| self.given(other)).min().unwrap_or(0);
        if let Some(link) = self.links.get_mut(&peer) {
            link.queue.given = link.queue.given.max(least);
        }
    }

    fn standing(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.slots.waiting.iter().copied().filter(|peer| !self.slots.has(peer))
    }

    /// Empties slots of those who want nothing more and gives free slots to those who wait.
    pub(super) fn seat(&mut self, now: Time) {
        let links = &self.links;
        let done = |peer: &NodeId| links.get(peer).is_none_or(|l| l.queue.jobs.is_empty());
        let seated: Vec<NodeId> =
            self.slots.served().map(|(peer, _)| peer).filter(|peer| done(peer)).collect();
        for peer in seated {
            self.slots.remove(&peer);
        }
        if self.slots.is_full() {
            return;
        }
        self.slots.waiting.retain(|peer| !done(peer));
        while self.slots.regular.len() < REGULAR {
            let Some(next) = self.standing().min_by_key(|peer| (self.given(peer), *peer)) else {
                return;
            };
            self.slots.leaving.remove(&next);
            self.slots.regular.insert(next);
        }
        if self.slots.optimistic.is_none() {
            let standing: Vec<NodeId> = self.standing().collect();
            self.slots.optimistic = choose(&mut self.dice, &standing);
            self.slots.optimistic.inspect(|peer| _ = self.slots.leaving.remove(peer));
            self.slots.rotate_at = now + OPTIMISTIC;
        }
    }

    /// Takes a slot away; what was begun is still given.
    fn unseat(&mut self, peer: NodeId) {
        self.slots.regular.remove(&peer);
        self.slots.optimistic = self.slots.optimistic.filter(|p| *p != peer);
        let begun =
            self.links.get(&peer).is_some_and(|l| l.queue.jobs.front().is_some_and(|j| j.begun()));
        if begun {
            self.slots.leaving.insert(peer);
        }
    }

    /// What only time brings: turns of those who wait, and the end of their patience.
    pub(super) fn watch_queues(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.slots.waiting.is_empty() {
            return;
        }
        self.drop_stalled(now, out);
        if self.standing().next().is_some() {
            if now >= self.slots.rotate_at {
                self.slots.rotate_at = now + OPTIMISTIC;
                // It is unseated after the choice, so that it is somebody else's turn.
                let standing: Vec<NodeId> = self.standing().collect();
                let next = choose(&mut self.dice, &standing);
                self.slots.optimistic.inspect(|peer| self.unseat(*peer));
                next.inspect(|peer| _ = self.slots.leaving.remove(peer));
                self.slots.optimistic = next;
            }
            if now >= self.slots.weigh_at {
                self.slots.weigh_at = now + WEIGH;
                self.weigh();
            }
        }
        self.seat(now);
        let standing: Vec<NodeId> = self.standing().collect();
        for peer in standing {
            let late = |at: Time| now.since(at) >= PATIENCE;
            self.dismiss(peer, Nope::Busy, out, |job| !job.begun() && late(job.at));
        }
    }

    /// Gives the slots of those who were given most to those who wait and were given much less.
    fn weigh(&mut self) {
        for _ in 0..REGULAR {
            let most = self.slots.regular.iter().max_by_key(|peer| self.given(peer)).copied();
            let least = self.standing().min_by_key(|peer| (self.given(peer), *peer));
            let Some((most, least)) = most.zip(least) else { return };
            if self.given(&least).saturating_add(MUCH_LESS) > self.given(&most) {
                return;
            }
            self.unseat(most);
            self.slots.leaving.remove(&least);
            self.slots.regular.insert(least);
        }
    }

    /// A peer that asks and then does not read must not keep a slot.
    fn drop_stalled(&mut self, now: Time, out: &mut Vec<Effect>) {
        let most = self.slots.waiting.iter().map(|peer| self.given(peer)).max().unwrap_or(0);
        let served: Vec<NodeId> = self.slots.served().map(|(peer, _)| peer).collect();
        for peer in served {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            if link.queue.chunks() > 0 && now.since(link.queue.moved_at) >= STALLED {
                link.queue.given = most;
                self.dismiss(peer, Nope::Busy, out, |_| true);
            }
        }
    }
}

fn choose(dice: &mut Dice, of: &[NodeId]) -> Option<NodeId> {
    let at = usize::try_from(dice.below(of.len() as u64)).unwrap_or(0);
    of.get(at).copied()
}
