//! Packets on their way to neighbours: what has no room in a lane, or no link yet, waits here for a moment.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Courier;
use crate::mail::event::Effect;
use crate::mesh::{NodeId, Time};

/// Packets that may wait for one neighbour.
pub(super) const WAITING_MAX: usize = 1024;
/// Packets that may wait in all.
const WAITING_MAX_ALL: usize = 4096;
/// Packets put into a lane at once, and how soon the next are.
const FLUSHED_AT_ONCE: usize = 32;
const FLUSH_AGAIN: Duration = Duration::from_millis(1);
/// A full lane is tried again after this.
const LANE_AGAIN: Duration = Duration::from_millis(3);
/// A packet that waited so long is thrown away: its sender has sent it another way by now.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Nodes without a link that packets may wait for.
const DIALLED_MAX: usize = 8;
/// A link that is needed is asked for this often.
const NEED_AGAIN: Duration = Duration::from_secs(2);

/// One packet that waits.
#[derive(Debug)]
struct Waiting {
    number: u32,
    packet: Vec<u8>,
    since: Time,
}

/// A neighbour, or a node that shall become one.
#[derive(Debug, Default)]
struct Hop {
    linked: bool,
    /// Own packets, and those of others: taken in turns, so that neither crowds the other out.
    own: VecDeque<Waiting>,
    relayed: VecDeque<Waiting>,
    /// Whose turn it is.
    relayed_next: bool,
    /// The lane was full: not before this.
    blocked_until: Option<Time>,
    needed_at: Option<Time>,
    /// Numbers its next packet.
    number: u32,
}

impl Hop {
    fn len(&self) -> usize {
        self.own.len() + self.relayed.len()
    }

    fn pop(&mut self) -> Option<(Waiting, bool)> {
        let relayed = if self.own.is_empty() || self.relayed.is_empty() {
            self.own.is_empty()
        } else {
            self.relayed_next
        };
        self.relayed_next = !relayed;
        let queue = if relayed { &mut self.relayed } else { &mut self.own };
        queue.pop_front().map(|waiting| (waiting, relayed))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Hops {
    all: BTreeMap<NodeId, Hop>,
    waiting: usize,
}

impl Hops {
    pub(super) fn is_linked(&self, peer: &NodeId) -> bool {
        self.all.get(peer).is_some_and(|hop| hop.linked)
    }

    /// How many packets wait, and how many may.
    pub(super) fn room(&self) -> (usize, usize) {
        (self.waiting, WAITING_MAX_ALL)
    }

    /// When something that waits here should be looked at.
    pub(super) fn next_wake(&self) -> Option<Time> {
        let waiting = self.all.values().filter(|hop| hop.len() > 0);
        let wakes = waiting.flat_map(|hop| {
            let oldest = hop.own.front().into_iter().chain(hop.relayed.front());
            let given_up = oldest.map(|w| w.since + WAIT_MAX).min();
            [hop.blocked_until.filter(|_| hop.linked), given_up]
        });
        wakes.flatten().min()
    }
}

impl Courier {
    /// Hands a packet on, or has it wait. The number it has; none if there is no room.
    pub(super) fn hand_on(
        &mut self,
        now: Time,
        peer: NodeId,
        packet: Vec<u8>,
        relayed: bool,
        out: &mut Vec<Effect>,
    ) -> Option<u32> {
        let known = self.hops.all.contains_key(&peer);
        let dialled = self.hops.all.values().filter(|hop| !hop.linked).count();
        if !known && dialled >= DIALLED_MAX || self.hops.waiting >= WAITING_MAX_ALL {
            self.counters.dropped_no_room += 1;
            return None;
        }
        let hop = self.hops.all.entry(peer).or_default();
        if hop.len() >= WAITING_MAX {
            self.counters.dropped_no_room += 1;
            return None;
        }
        hop.number = hop.number.wrapping_add(1);
        let waiting = Waiting { number: hop.number, packet, since: now };
        let number = waiting.number;
        let queue = if relayed { &mut hop.relayed } else { &mut hop.own };
        queue.push_back(waiting);
        self.hops.waiting += 1;
        self.flush(now, peer, out);
        Some(number)
    }

    /// Sends what waits, as far as the lane takes it.
    fn flush(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(hop) = self.hops.all.get_mut(&peer) else { return };
        if !hop.linked {
            if hop.needed_at.is_none_or(|at| now.since(at) >= NEED_AGAIN) {
                hop.needed_at = Some(now);
                out.push(Effect::NeedLink(peer));
            }
            return;
        }
        if hop.blocked_until.is_some_and(|until| now < until) {
            return;
        }
        hop.blocked_until = None;
        for _ in 0..FLUSHED_AT_ONCE {
            let Some((waiting, relayed)) = hop.pop() else { return };
            self.hops.waiting -= 1;
            if relayed {
                self.counters.forwarded += 1;
            } else {
                self.counters.sent += 1;
            }
            let Waiting { number, packet, .. } = waiting;
            out.push(Effect::SendPacket { peer, number, packet, relayed });
        }
        if hop.len() > 0 {
            hop.blocked_until = Some(now + FLUSH_AGAIN);
        }
    }

    /// The lane had no room: the packet goes in its turn the next time.
    pub(super) fn lane_full(
        &mut self,
        now: Time,
        peer: NodeId,
        number: u32,
        packet: Vec<u8>,
        relayed: bool,
    ) {
        let count = if relayed { &mut self.counters.forwarded } else { &mut self.counters.sent };
        *count = count.saturating_sub(1);
        let room = self.hops.waiting < WAITING_MAX_ALL;
        let Some(hop) = self.hops.all.get_mut(&peer).filter(|hop| room && hop.len() < WAITING_MAX)
        else {
            self.counters.dropped_no_room += 1;
            return;
        };
        hop.blocked_until = Some(now + LANE_AGAIN);
        let waiting = Waiting { number, packet, since: now };
        let queue = if relayed { &mut hop.relayed } else { &mut hop.own };
        // Several may come back at once, the first one first.
        let later = |w: &Waiting| w.number.wrapping_sub(number) < u32::MAX / 2;
        let at = queue.iter().position(later).unwrap_or(queue.len());
        queue.insert(at, waiting);
        self.hops.waiting += 1;
    }

    pub(super) fn hop_up(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let hop = self.hops.all.entry(peer).or_default();
        hop.linked = true;
        hop.blocked_until = None;
        hop.needed_at = None;
        self.flush(now, peer, out);
    }

    pub(super) fn hop_down(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(hop) = self.hops.all.get_mut(&peer) else { return };
        hop.linked = false;
        if hop.len() == 0 {
            self.hops.all.remove(&peer);
        } else {
            // What waits wants the link back.
            self.flush(now, peer, out);
        }
    }

    /// Tries full lanes again, and throws away what has waited too long.
    pub(super) fn wake_hops(&mut self, now: Time, out: &mut Vec<Effect>) {
        let peers: Vec<NodeId> =
            self.hops.all.iter().filter(|(_, hop)| hop.len() > 0).map(|(id, _)| *id).collect();
        for peer in peers {
            let Some(hop) = self.hops.all.get_mut(&peer) else { continue };
            let before = hop.len();
            let fresh = |w: &Waiting| now.since(w.since) < WAIT_MAX;
            hop.own.retain(fresh);
            hop.relayed.retain(fresh);
            let gone = before - hop.len();
            if gone > 0 {
                // It cannot be reached, or takes nothing.
                self.ways.blame(now, &[peer]);
                self.memo.guards.retain(|(guard, _)| *guard != peer);
            }
            self.hops.waiting -= gone;
            self.counters.dropped_late += gone as u64;
            if hop.len() == 0 && !hop.linked {
                self.hops.all.remove(&peer);
            } else {
                self.flush(now, peer, out);
            }
        }
    }
}
