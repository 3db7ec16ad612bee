//! Links that a service needs: dialled at once, and where that does not lead to one, the node is asked
//! through a neighbour to dial us. And what we do when somebody has us asked so.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialing::HANGING;
use super::{Effect, Member, Peers};
use crate::mesh::record::{ADDRS_MAX, Record};
use crate::mesh::{NodeId, Time, trust};

/// How long a service's word that it needs a link counts.
const NEEDED_FOR: Duration = Duration::from_secs(10);
/// How long a link that a service asked for is not given up because there are links enough.
const USED_FOR: Duration = Duration::from_secs(10 * 60);
/// Shortest time between two calls to one node, however often it is needed.
const CALL_EVERY: Duration = Duration::from_secs(3);
/// Shortest time between two dials that one node has us asked for.
const HEED_EVERY: Duration = Duration::from_secs(2);

/// A service needs a link to a node.
#[derive(Debug)]
pub(super) struct Need {
    since: Time,
    /// A dial has failed since.
    pub(super) failed: bool,
    /// A neighbour has been asked: once for each need.
    called: bool,
}

/// Whether an address can be dialled at all.
pub(super) fn is_dialable(addr: &SocketAddr) -> bool {
    addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast()
}

impl Member {
    /// Its addresses that can be dialled at all.
    pub(super) fn dialable(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addrs.iter().copied().filter(is_dialable)
    }

    /// A service needs a link to it, by what it said not long ago.
    pub(super) fn is_needed(&self, now: Time) -> bool {
        self.need.as_ref().is_some_and(|need| now.since(need.since) < NEEDED_FOR)
    }

    /// Nothing leads to it, nothing is under way, and nothing speaks against a dial.
    pub(super) fn may_be_sought(&self) -> bool {
        let idle = self.up.is_none() && self.limbo.is_none() && self.dialing.is_none();
        idle && !self.held && !self.left
    }
}

impl Peers {
    /// A service needs a link: no waiting, unless a person closed it, the node said goodbye, or one of both
    /// refused the other.
    pub(super) fn need_link(&mut self, now: Time, id: NodeId, mut addrs: Vec<SocketAddr>) {
        if id == self.home.me {
            return;
        }
        addrs.retain(is_dialable);
        if addrs.is_empty() && !self.members.contains_key(&id) {
            // Whoever lives is in the graph, and so known here. Of an id that anybody may have made up nothing
            // is kept: it would take the place of somebody remembered.
            return;
        }
        let Some(member) = self.member(now, id) else { return };
        if member.addrs.is_empty() {
            addrs.truncate(ADDRS_MAX);
            member.addrs = addrs;
        }
        member.used_until = Some(now + USED_FOR);
        if member.up.is_none() {
            // What is asked for again and again has failed before: no need to see the next dial hang first.
            let before = member.need.take().filter(|need| now.since(need.since) < NEEDED_FOR);
            let failed = before.is_some_and(|need| need.failed || need.called);
            member.need = Some(Need { since: now, failed, called: false });
        }
        if member.may_be_sought() && !member.rebuffed {
            member.next_dial = Some(now);
        }
    }

    /// Somebody who cannot dial us has us asked to dial it.
    pub(super) fn called(&mut self, now: Time, card: &Record) {
        let (id, Some(said)) = (card.id(), card.card()) else { return };
        if id == self.home.me || self.leaving {
            return;
        }
        let banned = trust::admit(&self.policy.rules, &self.book, &id, &said.label).is_err();
        let Some(member) = self.members.get_mut(&id).filter(|_| !banned) else { return };
        let lately = member.heeded_at.is_some_and(|at| now.since(at) < HEED_EVERY);
        if lately || !member.may_be_sought() {
            return;
        }
        if !said.addrs.is_empty() {
            member.addrs = said.addrs.to_vec();
        }
        member.heeded_at = Some(now);
        member.next_dial = Some(now);
        self.note(now, id, "it cannot dial us and asked, through a neighbour, to be dialled");
    }

    /// When this member is to be asked to dial us, as things are.
    fn call_at(&self, member: &Member) -> Option<Time> {
        let need = member.need.as_ref().filter(|need| !need.called)?;
        let unwanted = member.held || member.left || member.rebuffed;
        if unwanted || member.up.is_some() || member.limbo.is_some() {
            return None;
        }
        let hopeless = need.failed || member.dialable().next().is_none();
        let at = match member.dialing {
            _ if hopeless => need.since,
            Some(conn) => self.conns.get(&conn)?.since + HANGING,
            None => return None,
        };
        let again = member.called_at.map_or(Time(0), |at| at + CALL_EVERY);
        Some(at.max(again)).filter(|at| *at < need.since + NEEDED_FOR)
    }

    pub(super) fn next_call(&self) -> Option<Time> {
        let calls = self.members.values().filter_map(|m| self.call_at(m));
        calls.min().filter(|_| !self.leaving)
    }

    /// Has those asked to dial us that are needed and that we cannot dial.
    pub(super) fn call_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.leaving {
            return;
        }
        let due = |m: &Member| self.call_at(m).is_some_and(|at| now >= at);
        let due: Vec<NodeId> =
            self.members.iter().filter(|(_, m)| due(m)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(member) = self.members.get_mut(&id) else { continue };
            if trust::admit(&self.policy.rules, &self.book, &id, &member.label).is_err() {
                // We would only refuse it when it comes.
                member.need = None;
                continue;
            }
            if let Some(need) = &mut member.need {
                need.called = true;
            }
            member.called_at = Some(now);
            self.note(now, id, "cannot be dialled; a neighbour is asked to have it dial us");
            out.push(Effect::CallBack(id));
        }
    }
}
