//! Who is served at once: four by fairness, one by chance.
//!
//! Serving everybody a little at a time would finish nobody's piece; so a few are served, and who waits too long
//! is told that we are busy and asks elsewhere. Who takes next to nothing does not count among the few: otherwise
//! four that only trickle would keep everybody else out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Exchange;
use super::serve::CHUNKS_MAX;
use crate::mesh::dice::Dice;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::Effect;
use crate::pieces::frame::Nope;

/// Peers served because they were given least.
const REGULAR: usize = 4;
/// The same with those who take next to nothing, and those who were let in while nobody else could be given more.
const REGULAR_MAX: usize = 16;
/// What a peer has to take in a second for its slot to count, and how long that is measured: some chunks long, and
/// longer than [`PATIENCE`].
const BRISK: u64 = 64 * 1024;
const PACE: Duration = Duration::from_secs(5);
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

    fn is_slow(&self, peer: &NodeId) -> bool {
        self.links.get(peer).is_some_and(|link| link.queue.slow)
    }

    /// Regular slots there are now: who takes next to nothing does not use one up.
    fn places_for_regulars(&self) -> usize {
        let slow = self.slots.regular.iter().filter(|peer| self.is_slow(peer)).count();
        (REGULAR + slow).min(REGULAR_MAX)
    }

    /// Who of those that wait is next: whoever was given least, and those who take next to nothing last.
    fn next_standing(&self) -> Option<NodeId> {
        self.standing().min_by_key(|peer| (self.is_slow(peer), self.given(peer), *peer))
    }

    /// Gives a slot; the pace is looked at from now on.
    fn settle_in(&mut self, now: Time, peer: NodeId) {
        self.slots.leaving.remove(&peer);
        if let Some(link) = self.links.get_mut(&peer) {
            link.queue.took = 0;
            link.queue.paced_at = now;
        }
    }

    fn seat_regular(&mut self, now: Time, peer: NodeId) {
        self.settle_in(now, peer);
        self.slots.regular.insert(peer);
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
        let full = self.slots.regular.len() >= self.places_for_regulars();
        if full && self.slots.optimistic.is_some() {
            return;
        }
        let links = &self.links;
        let done = |peer: &NodeId| links.get(peer).is_none_or(|l| l.queue.jobs.is_empty());
        self.slots.waiting.retain(|peer| !done(peer));
        while self.slots.regular.len() < self.places_for_regulars() {
            let Some(next) = self.next_standing() else { return };
            self.seat_regular(now, next);
        }
        if self.slots.optimistic.is_none() {
            let standing: Vec<NodeId> = self.standing().collect();
            self.slots.optimistic = choose(&mut self.dice, &standing);
            self.slots.optimistic.inspect(|peer| self.settle_in(now, *peer));
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
        self.watch_pace(now);
        self.seat(now);
        if now >= self.slots.weigh_at {
            self.slots.weigh_at = now + WEIGH;
            self.weigh(now);
        }
        if self.standing().next().is_some() {
            if now >= self.slots.rotate_at {
                self.slots.rotate_at = now + OPTIMISTIC;
                // It is unseated after the choice, so that it is somebody else's turn.
                let standing: Vec<NodeId> = self.standing().collect();
                let next = choose(&mut self.dice, &standing);
                self.slots.optimistic.inspect(|peer| self.unseat(*peer));
                next.inspect(|peer| self.settle_in(now, *peer));
                self.slots.optimistic = next;
            }
            if self.has_room_for_more(now)
                && let Some(next) = self.next_standing()
            {
                self.seat_regular(now, next);
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
    fn weigh(&mut self, now: Time) {
        for _ in 0..REGULAR_MAX {
            let least = self.next_standing().filter(|peer| !self.is_slow(peer));
            let regular = self.slots.regular.iter().copied();
            let (slow, brisk): (Vec<NodeId>, Vec<NodeId>) = regular.partition(|p| self.is_slow(p));
            let most = |of: &[NodeId]| of.iter().max_by_key(|peer| self.given(peer)).copied();
            let owed = |most: &NodeId| {
                let given = least.map(|least| self.given(&least).saturating_add(MUCH_LESS));
                given.is_some_and(|given| given <= self.given(most))
            };
            let leaves = match brisk.len() {
                // All the room there is went to those who take next to nothing.
                0..REGULAR => most(&slow).filter(|_| least.is_some()),
                REGULAR => most(&brisk).filter(owed),
                // They were let in while there was nothing to do: now there is.
                _ => most(&brisk).filter(|_| !self.is_idle(now)),
            };
            let Some(leaves) = leaves else { return };
            self.unseat(leaves);
            if let Some(least) = least.filter(|_| brisk.len() <= REGULAR) {
                self.seat_regular(now, least);
            }
        }
    }

    /// Looks at the pace of those who have had a slot for a while.
    fn watch_pace(&mut self, now: Time) {
        // A limit of ours is nobody's fault. All together share the one, so it is a small part of it that counts.
        let (each, all) =
            (self.policy.upload_bytes_per_second_per_peer, self.policy.upload_bytes_per_second);
        let shares = [(each, 2), (all, 2 * REGULAR_MAX as u64)].into_iter();
        let limits = shares.filter(|(limit, _)| *limit > 0).map(|(limit, of)| limit / of);
        let least = limits.min().unwrap_or(BRISK).min(BRISK).saturating_mul(PACE.as_secs());
        let seated: Vec<NodeId> =
            self.slots.regular.iter().chain(&self.slots.optimistic).copied().collect();
        for peer in seated {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            let queue = &mut link.queue;
            if now.since(queue.paced_at) >= PACE {
                queue.slow = queue.took < least;
                queue.took = 0;
                queue.paced_at = now;
            }
        }
    }

    /// Whether nobody who is served can be given more, though more could be given. A full lane is no sign of that:
    /// all are full when the line is; but the lane of one who takes next to nothing says nothing of the line.
    fn is_idle(&self, now: Time) -> bool {
        let quiet = |(peer, _): (NodeId, bool)| {
            self.links.get(&peer).is_none_or(|l| l.queue.slow || l.queue.chunks() < CHUNKS_MAX)
        };
        self.upload.ready(now) && self.next_reader(now).is_none() && self.slots.served().all(quiet)
    }

    fn has_room_for_more(&self, now: Time) -> bool {
        self.slots.regular.len() < REGULAR_MAX && self.is_idle(now)
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
