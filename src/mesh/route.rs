//! Messages to nodes we hold no link with: each hop chooses the next one anew, by its own graph and links.
//!
//! A message carries the way it has come, so it visits nobody twice, whatever the graphs of those on the way
//! say, and it ends: each hop is one more, and there is room for [`WAY_MAX`]. An answer goes back over the
//! same nodes. Since each hop checks that its neighbour stands on the way, an answer reaches nobody but who
//! sent the question: a made-up origin only leads it to whoever made it up. One frame in is at most one out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::gossip::Gossip;
use super::record::SignedCard;
use super::topology::{Effect, Topology};
use super::{NodeId, Time, ways};
use crate::wire::bounded::List;

/// Most nodes on the way of a message, both ends included.
pub const WAY_MAX: usize = 32;
/// Most probes of ours under way.
const PROBES_MAX: usize = 64;
/// How long a probe may take in all, another try included.
const PROBE_TIME: Duration = Duration::from_secs(3);
/// Without an answer for this long, another way is tried.
const SILENT: Duration = Duration::from_secs(1);
/// After a message got stuck, what has changed there is soon known here.
const STUCK: Duration = Duration::from_millis(250);
/// Most tries of one probe.
const TRIES_MAX: usize = 4;
/// What passing a call on costs of a budget: a card to be checked, and a dial at its end. All else costs 1.
const CALL_COST: u32 = 4;

/// A node on the way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Which.
    pub node: NodeId,
    /// On the way out its own clock, when it passed the message on, microseconds; on the way back how long it
    /// then was until the answer came by. Nobody has to remember anything for that. 0 where the message began,
    /// where it was turned round, and where the answer did not come by.
    pub us: u64,
}

/// A way that was gone.
pub type Way = List<Hop, WAY_MAX>;

/// A message that other nodes pass on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routed {
    /// On its way.
    Out {
        /// To whom.
        to: NodeId,
        /// The way so far: who began it first, the sender of this frame last.
        way: Way,
        /// What is said.
        word: Word,
    },
    /// On its way back, over the nodes it came by.
    Back {
        /// As it stood in the probe.
        number: u64,
        /// The whole way out: who began it first, who turned it round last.
        way: Way,
        /// The last one on the way is the one it was for; else no way led on from there.
        arrived: bool,
    },
}

/// What a routed message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// "Are you there, and which way did this come?"
    Probe {
        /// Comes back in the answer.
        number: u64,
    },
    /// "Dial me", from a node that cannot dial who is asked. Not answered.
    CallMe(SignedCard),
}

/// How a probe found its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The nodes it passed, ourselves left out and whom it was for last, each with how long it took over the
    /// link to it and back, microseconds; 0 if nobody knows.
    pub hops: Vec<(NodeId, u32)>,
    /// From its start to its return, microseconds.
    pub rtt_us: u64,
}

/// Why a probe did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No chain of links leads there, as far as is known here.
    NoWay,
    /// The shortest way has more than [`WAY_MAX`] nodes.
    TooFar,
    /// Nobody answered in time.
    Silent,
    /// It came as far as here, and no way led on.
    Stuck(NodeId),
    /// Too many are under way or were lately.
    TooMany,
}

/// What is routed over one link.
#[derive(Clone, Debug)]
pub(super) struct OnLink {
    /// What the neighbour begins itself.
    own: Budget,
    /// What it brings of others; it may be the neighbour of many.
    carried: Budget,
    /// Answers to what went out over it: no more can be due than the two others let out at its end.
    back: Budget,
    /// What we begin ourselves: the same as the neighbour takes.
    ours: Budget,
}

impl Default for OnLink {
    fn default() -> OnLink {
        OnLink {
            own: Budget::new(16, 4),
            carried: Budget::new(64, 16),
            back: Budget::new(80, 20),
            ours: Budget::new(16, 4),
        }
    }
}

impl OnLink {
    /// Whether so much more is taken from the neighbour.
    fn takes(&mut self, now: Time, routed: &Routed) -> bool {
        match routed {
            Routed::Out { way, word, .. } => {
                let budget = if way.len() > 1 { &mut self.carried } else { &mut self.own };
                budget.take(now, word.cost())
            }
            Routed::Back { .. } => self.back.take(now, 1),
        }
    }
}

impl Word {
    fn cost(&self) -> u32 {
        match self {
            Word::Probe { .. } => 1,
            Word::CallMe(_) => CALL_COST,
        }
    }
}

/// Our own probes.
#[derive(Debug)]
pub(super) struct Probes {
    /// Of the last try of any.
    number: u64,
    open: Vec<Probe>,
}

#[derive(Debug)]
struct Probe {
    ticket: u64,
    to: NodeId,
    tries: Vec<Try>,
    until: Time,
    /// When to try again, or to give up.
    due: Time,
    /// Where the last try got stuck.
    stuck: Option<NodeId>,
}

#[derive(Debug)]
struct Try {
    number: u64,
    at: Time,
    first: NodeId,
}

impl Probes {
    /// Numbers of an earlier boot, `epoch` milliseconds or more ago, do not come again.
    pub(super) fn new(epoch: u64) -> Probes {
        Probes { number: epoch, open: Vec::new() }
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.open.iter().map(|probe| probe.due).min()
    }
}

impl Topology {
    /// Sends a probe to a node and has the driver told what became of it.
    pub(super) fn trace(&mut self, now: Time, ticket: u64, to: NodeId, out: &mut Vec<Effect>) {
        if to == self.me {
            let walk = Walk { hops: Vec::new(), rtt_us: 0 };
            return out.push(Effect::Traced { ticket, outcome: Ok(walk) });
        }
        let until = now + PROBE_TIME;
        let mut probe = Probe { ticket, to, tries: Vec::new(), until, due: until, stuck: None };
        let full = self.probes.open.len() >= PROBES_MAX;
        let begun = if full { Err(Lost::TooMany) } else { self.send_probe(now, &mut probe, out) };
        match begun {
            Ok(()) => self.probes.open.push(probe),
            Err(lost) => out.push(Effect::Traced { ticket, outcome: Err(lost) }),
        }
    }

    fn send_probe(
        &mut self,
        now: Time,
        probe: &mut Probe,
        out: &mut Vec<Effect>,
    ) -> Result<(), Lost> {
        let last = probe.tries.last().map(|tried| tried.first);
        let number = self.probes.number + 1;
        let first = self.begin(now, probe.to, last, Word::Probe { number }, out)?;
        self.probes.number = number;
        probe.tries.push(Try { number, at: now, first });
        probe.due = (now + SILENT).min(probe.until);
        probe.stuck = None;
        Ok(())
    }

    /// Begins a message, over another neighbour than `last` if a way begins there. Answers over which one.
    pub(super) fn begin(
        &mut self,
        now: Time,
        to: NodeId,
        last: Option<NodeId>,
        word: Word,
        out: &mut Vec<Effect>,
    ) -> Result<NodeId, Lost> {
        let other = last.and_then(|last| self.way_to(to, |first| first == last));
        let way = other.or_else(|| self.way_to(to, |_| false)).ok_or(Lost::NoWay)?;
        if way.len() >= WAY_MAX {
            return Err(Lost::TooFar);
        }
        let (first, _) = *way.first().ok_or(Lost::NoWay)?;
        let link = self.links.get_mut(&first).ok_or(Lost::NoWay)?;
        if !link.routes.ours.take(now, word.cost()) {
            return Err(Lost::TooMany);
        }
        let way = List::first_of([Hop { node: self.me, us: 0 }]);
        let routed = Routed::Out { to, way, word };
        out.push(Effect::Send { peer: first, gossip: Gossip::Route(routed) });
        Ok(first)
    }

    /// The cheapest way to a node that leaves those to `avoid` out, by our own links and by what others say of
    /// theirs.
    fn way_to(&self, to: NodeId, avoid: impl Fn(NodeId) -> bool) -> Option<Vec<(NodeId, u32)>> {
        let links = |id: NodeId| {
            let mut links: Vec<(NodeId, u32)> = if id == self.me {
                // Ours are known better here than what was told of them.
                self.links.keys().map(|peer| (*peer, self.told_rtt(peer))).collect()
            } else {
                let told = self.graph.links_of(&id).filter(|(peer, _)| *peer != self.me);
                told.chain(self.links.contains_key(&id).then(|| (self.me, self.told_rtt(&id))))
                    .collect()
            };
            links.retain(|(peer, _)| !avoid(*peer));
            links
        };
        ways::cheapest(self.me, to, links)
    }

    /// The round trip of one of our links, as the others reckon with it.
    fn told_rtt(&self, peer: &NodeId) -> u32 {
        let told = self.graph.rtt_us(&self.me, peer);
        told.or_else(|| self.rtt_to(peer)).unwrap_or(0)
    }

    /// Takes a message from a neighbour: passes it on, or heeds it.
    pub(super) fn hear_routed(
        &mut self,
        now: Time,
        peer: NodeId,
        routed: Routed,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let taken = link.routes.takes(now, &routed)
            && match routed {
                Routed::Out { to, way, word } => self.carry(now, peer, to, &way, word, out),
                Routed::Back { number, way, arrived } => {
                    self.bring_back(now, peer, number, way, arrived, out)
                }
            };
        if !taken {
            self.dropped_records += 1;
        }
    }

    /// Passes a message on, or heeds it if it is for us. Answers whether it was in order.
    fn carry(
        &mut self,
        now: Time,
        peer: NodeId,
        to: NodeId,
        way: &Way,
        word: Word,
        out: &mut Vec<Effect>,
    ) -> bool {
        let been = |id: NodeId| way.iter().any(|hop| hop.node == id);
        let (Some(first), Some(last)) = (way.first(), way.last()) else { return false };
        if last.node != peer || been(self.me) || been(to) || way.len() >= WAY_MAX {
            return false;
        }
        let arrived = to == self.me;
        let us = if arrived { 0 } else { now.0 };
        let gone: Way = List::first_of(way.iter().copied().chain([Hop { node: self.me, us }]));
        if let Word::CallMe(card) = &word {
            let Some(record) = self.open_call(first.node, card) else { return false };
            if arrived {
                return self.heed_call(now, peer, record, out);
            }
        }
        let next = match arrived || gone.len() >= WAY_MAX {
            true => None,
            false => self.way_to(to, been),
        };
        let next = next.and_then(|way| way.first().map(|(next, _)| *next));
        let (peer, routed) = match (next, word) {
            (Some(next), word) => (next, Routed::Out { to, way: gone, word }),
            (None, Word::Probe { number }) => (peer, Routed::Back { number, way: gone, arrived }),
            // Who needs the link calls again.
            (None, Word::CallMe(_)) => return true,
        };
        out.push(Effect::Send { peer, gossip: Gossip::Route(routed) });
        true
    }

    /// Hands an answer to the node before us on its way. Answers whether it was in order.
    fn bring_back(
        &mut self,
        now: Time,
        peer: NodeId,
        number: u64,
        way: Way,
        arrived: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let place = |id: NodeId| way.iter().position(|hop| hop.node == id);
        let (Some(ours), Some(theirs)) = (place(self.me), place(peer)) else { return false };
        // Only where a link of the way is gone since may somebody further away speak up.
        let next = way.get(ours + 1).is_some_and(|hop| self.links.contains_key(&hop.node));
        if theirs <= ours || next && theirs != ours + 1 {
            return false;
        }
        if ours == 0 {
            return self.end_probe(now, number, &way, arrived, out);
        }
        // The same the other way round. If nobody is linked with us, the question is asked again.
        let before = way[..ours].iter().rposition(|hop| self.links.contains_key(&hop.node));
        if let Some(before) = before {
            let peer = way[before].node;
            let mut way = way.into_vec();
            way[ours].us = now.0.saturating_sub(way[ours].us).max(1);
            way[before + 1..ours].iter_mut().for_each(|hop| hop.us = 0);
            let routed = Routed::Back { number, way: List::first_of(way), arrived };
            out.push(Effect::Send { peer, gossip: Gossip::Route(routed) });
        }
        true
    }

    /// Takes the answer to a probe of ours. Answers whether there is such a probe.
    fn end_probe(
        &mut self,
        now: Time,
        number: u64,
        way: &[Hop],
        arrived: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let (Some(first), Some(last)) = (way.get(1), way.last()) else { return false };
        let begun = |t: &Try| t.number == number && t.first == first.node;
        let found = self.probes.open.iter().position(|p| p.tries.iter().any(begun));
        let Some(at) = found else { return false };
        let probe = &mut self.probes.open[at];
        if !arrived {
            if probe.tries.last().is_some_and(begun) {
                probe.stuck = Some(last.node);
                probe.due = (now + STUCK).min(probe.until);
            }
            return true;
        }
        if last.node != probe.to {
            return false;
        }
        let probe = self.probes.open.remove(at);
        let sent = probe.tries.iter().find(|t| begun(t)).map_or(now, |t| t.at);
        let rtt_us = u64::try_from(now.since(sent).as_micros()).unwrap_or(u64::MAX);
        let walk = Walk { hops: each_link(way, rtt_us), rtt_us };
        out.push(Effect::Traced { ticket: probe.ticket, outcome: Ok(walk) });
        true
    }

    /// Tries again what was not answered, and gives up what was tried for long enough.
    pub(super) fn probes_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        for mut probe in std::mem::take(&mut self.probes.open) {
            let lost = match probe.stuck.map_or(Lost::Silent, Lost::Stuck) {
                _ if now < probe.due => None,
                lost if now >= probe.until || probe.tries.len() >= TRIES_MAX => Some(lost),
                lost => match self.send_probe(now, &mut probe, out) {
                    Ok(()) => None,
                    Err(Lost::NoWay) => Some(Lost::NoWay),
                    Err(_) => Some(lost),
                },
            };
            match lost {
                None => self.probes.open.push(probe),
                Some(lost) => {
                    out.push(Effect::Traced { ticket: probe.ticket, outcome: Err(lost) });
                }
            }
        }
    }
}

/// What a message took over each link of its way and back, by how long it was away from each node.
fn each_link(way: &[Hop], rtt_us: u64) -> Vec<(NodeId, u32)> {
    let away = |i: usize| match i {
        0 => Some(rtt_us),
        i if i + 1 == way.len() => Some(0),
        i => Some(way[i].us).filter(|us| *us != 0),
    };
    let link = |i: usize| {
        let took = away(i - 1)?.saturating_sub(away(i)?).max(1);
        Some(u32::try_from(took).unwrap_or(u32::MAX))
    };
    (1..way.len()).map(|i| (way[i].node, link(i).unwrap_or(0))).collect()
}
