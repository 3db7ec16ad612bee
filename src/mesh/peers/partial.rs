//! Where not everyone links with everyone: whom to dial when told to, which links to close, and the limits.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialing::HANGING;
use super::{Bye, Effect, Member, Peers};
use crate::mesh::record::{Direction, Record};
use crate::mesh::shape::{Advice, SAME_PREFIX, prefix};
use crate::mesh::{NodeId, Time};

/// How long a node is not asked again that had no room, or that gave up the link as one too many.
pub(super) const REST: Duration = Duration::from_secs(60);
/// How long it takes a network to turn from full to partial.
const TURNING: Duration = Duration::from_secs(5);

impl Peers {
    /// Most links there may be, whoever dials.
    pub(super) fn conns_max(&self) -> usize {
        let plan = &self.policy.plan;
        let full = || plan.full_max().map_or(usize::MAX, usize::from);
        if self.partial { usize::from(plan.conns_max) } else { full() }
    }

    /// Whether one more link finds room. Who comes in leaves room for those we dial ourselves, and where there
    /// are links enough not too many of one network are let in.
    pub(super) fn has_room(&self, id: &NodeId, dir: Direction, addr: &SocketAddr) -> bool {
        let (mut links, mut outgoing, mut same) = (0, 0, 0);
        let network = prefix(addr);
        for up in self.members.values().filter_map(|m| m.up.as_ref()) {
            links += 1;
            outgoing += usize::from(up.dir == Direction::Out);
            same += usize::from(network.is_some() && prefix(&up.addr) == network);
        }
        let incoming = links - outgoing;
        // One that broke a moment ago and is dialled again is a link still.
        let broken = self.members.iter().filter(|(other, m)| *other != id && m.limbo.is_some());
        links += broken.count();
        let plan = &self.policy.plan;
        if dir == Direction::Out {
            return links < self.conns_max();
        }
        let kept = if self.partial { plan.outgoing_min().saturating_sub(outgoing) } else { 0 };
        let crowded = self.partial && links >= plan.most() && same >= SAME_PREFIX;
        incoming < self.policy.incoming_max && links + kept < self.conns_max() && !crowded
    }

    /// Whether we dial this node again and again, whatever the shape of the network.
    pub(super) fn persists(&self, now: Time, id: &NodeId) -> bool {
        // A seed is sought by its address while it is lost; among the living it is one of many.
        let needed = self.members.get(id).is_some_and(|m| m.is_needed(now));
        !self.partial || needed || self.book.trusted.contains(id)
    }

    /// Pinned by hand, or at a configured address.
    pub(super) fn is_pinned(&self, id: &NodeId) -> bool {
        self.book.trusted.contains(id) || self.is_seed(id)
    }

    fn is_seed(&self, id: &NodeId) -> bool {
        self.seeds.iter().any(|s| s.id == Some(*id))
    }

    /// What the graph says should become of our links.
    pub(super) fn advised(&mut self, now: Time, advice: &Advice, out: &mut Vec<Effect>) {
        if advice.partial && !self.partial {
            self.partial = true;
            self.turned_at = Some(now);
            let ids: Vec<NodeId> =
                self.members.keys().filter(|id| !self.persists(now, id)).copied().collect();
            for id in ids {
                if let Some(member) = self.members.get_mut(&id) {
                    member.next_dial = None;
                }
            }
        }
        if self.partial && !advice.partial {
            self.partial = false;
            // Everyone links with everyone again; those not known here come with the graph.
            self.reconsider(now);
        }
        self.give_up(now, &advice.trim, advice.surplus, out);
        if let Some(card) = &advice.heal {
            self.seek(now, card);
        }
        let mut room = self.dials_wanted(now, advice.want);
        for card in &advice.seek {
            if room == 0 {
                return;
            }
            room -= usize::from(self.seek(now, card));
        }
    }

    /// How many more dials may begin when so many links are wanted: others dial us meanwhile, and links beyond those
    /// wanted are only given up again.
    fn dials_wanted(&self, now: Time, links: usize) -> usize {
        links.div_ceil(2).saturating_sub(self.dials_begun(now))
    }

    /// Members whose dial may still become a link, and those that would be dialled if the limits allowed.
    pub(super) fn dials_begun(&self, now: Time) -> usize {
        let fresh = |conn| self.conns.get(&conn).is_some_and(|c| now.since(c.since) < HANGING);
        let due = |m: &Member| m.next_dial.is_some_and(|at| at <= now) && m.up.is_none();
        let begun = |m: &&Member| m.dialing.is_some_and(fresh) || due(m);
        self.members.values().filter(begun).count()
    }

    /// Closes links that there are too many of. A person's pins and what a service needs stay.
    fn give_up(&mut self, now: Time, ids: &[NodeId], most: usize, out: &mut Vec<Effect>) {
        let mut closed = 0;
        for id in ids {
            let used = |m: &Member| m.used_until.is_some_and(|until| now < until);
            let free = self.members.get(id).is_some_and(|m| m.up.is_some() && !used(m));
            if closed < most && free && !self.book.trusted.contains(id) {
                closed += 1;
                self.count("links_surplus");
                self.note(now, *id, "link given up: there are links enough");
                self.close_link(now, *id, Bye::Surplus, out);
            }
        }
    }

    /// Dials the author of a card soon, unless something speaks against it.
    fn seek(&mut self, now: Time, card: &Record) -> bool {
        let (id, Some(said)) = (card.id(), card.card()) else { return false };
        if id == self.home.me {
            return false;
        }
        let Some(member) = self.member(now, id) else { return false };
        member.learn(said);
        let rests = member.rests_until.is_some_and(|until| now < until);
        if rests || member.rebuffed || !member.may_be_sought() {
            return false;
        }
        member.next_dial = Some(now);
        true
    }

    /// Leaves a node alone for a while. While a network turns from full to partial nearly everyone gives up nearly
    /// everyone: that says nothing about who has room then.
    pub(super) fn rest(&mut self, now: Time, id: NodeId) {
        let turning = self.turned_at.is_some_and(|at| now.since(at) < TURNING);
        if !self.partial || turning {
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.rests_until = Some(now + REST);
        }
    }

    /// A node that has no room for us names others that have.
    pub(super) fn offered(&mut self, now: Time, cards: &[Record]) {
        let links = self.counts().0;
        if links < self.policy.plan.outgoing_min() {
            let mut cards: Vec<&Record> = cards.iter().collect();
            self.dice.shuffle(&mut cards);
            let mut room = self.dials_wanted(now, self.policy.plan.wanted() - links);
            for card in cards {
                if room == 0 {
                    return;
                }
                room -= usize::from(self.seek(now, card));
            }
        }
    }
}
