//! Nodes that somebody on the local network says are there: dialled as configured addresses are, and after
//! them. Nothing of it is believed: TLS proves who answers, what is announced replaces no address that is
//! known, and whoever says a lot gets few dials and drives out nobody who is linked. All is said anew every few
//! minutes, so who is turned away now has another chance.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialing::{LONG_LOST, is_on_purpose};
use super::needs::is_dialable;
use super::{Ended, Peers};
use crate::mesh::budget::Budget;
use crate::mesh::record::ADDRS_MAX;
use crate::mesh::{ConnId, NodeId, Time, trust};

/// Most announcements that are kept, and most of one id: it may have changed its name a moment ago.
pub const NEAR_MAX: usize = 64;
const OF_ONE_MAX: usize = 4;
/// Of so many that are in our component anyway, some may make room.
const KNOWN_MAX: usize = NEAR_MAX / 2;
/// Most dials to them under way at once, of all that may be: addresses nobody answers at must not hold up the rest.
const AT_ONCE_MAX: usize = 4;
/// Dials to them begun at once, and in a second.
const DIALS: (u32, u32) = (16, 4);
/// Two nodes see each other in the same moment: each waits a little, and often one need not dial any more.
const JITTER: Duration = Duration::from_millis(100);

/// What is seen on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Somebody says that a node of this network can be dialled there. Said anew now and then.
    Here {
        /// What the announcement is called, at most 255 bytes; it takes the place of the one called so before.
        name: String,
        /// Who is said to be there.
        peer: NodeId,
        /// Where, best first; at most 8 are used.
        addrs: Vec<SocketAddr>,
    },
    /// This is announced no more, if it ever was.
    Away {
        /// What it was called.
        name: String,
    },
    /// Looking begins anew: nobody has been seen.
    Afresh,
}

/// Somebody who is said to be near.
#[derive(Debug)]
pub(super) struct Near {
    id: NodeId,
    /// Never empty.
    addrs: Vec<SocketAddr>,
    turn: usize,
    next_dial: Time,
    delay: Duration,
    fails: u32,
    /// Drawn when it was seen.
    lot: u64,
}

/// A budget for dials to those who are near.
pub(super) fn budget() -> Budget {
    Budget::new(DIALS.0, DIALS.1)
}

impl Peers {
    pub(super) fn sighted(&mut self, now: Time, sighting: Sighting) {
        let (name, id, mut addrs) = match sighting {
            Sighting::Here { name, peer, addrs } => (name, peer, addrs),
            Sighting::Away { name } => return drop(self.near.remove(&name)),
            Sighting::Afresh => return self.near.clear(),
        };
        addrs.retain(|addr| is_dialable(addr) && !addr.ip().to_canonical().is_loopback());
        addrs.truncate(ADDRS_MAX);
        if self.near.get(&name).is_some_and(|near| near.id == id && near.addrs == addrs) {
            return;
        }
        // Who says something else each time has not failed less often.
        let fails = self.near.remove(&name).map_or(0, |before| before.fails);
        let lot = self.dice.below(u64::MAX);
        if addrs.is_empty() || id == self.home.me || !self.near_makes_room(id, lot) {
            return;
        }
        let next_dial = now + self.dice.between(Duration::ZERO, JITTER);
        let delay = self.policy.delay.0 / 3;
        self.near.insert(name, Near { id, addrs, turn: 0, next_dial, delay, fails, lot });
        self.count("sighted");
    }

    /// Makes room for one more announcement of this id with this lot, if need be that of the one whose dials
    /// failed most often, and where none has failed, that of the highest lot: of a crowd, whatever it says
    /// and in which order, each has the same chance each time. Who is linked stays.
    fn near_makes_room(&mut self, id: NodeId, lot: u64) -> bool {
        let of_one = self.near.values().filter(|near| near.id == id).count() >= OF_ONE_MAX;
        if !of_one && self.near.len() < NEAR_MAX {
            return true;
        }
        let is_known = |near: &Near| {
            let member = self.members.get(&near.id);
            member.is_some_and(|m| m.alive || m.up.is_some() || m.limbo.is_some())
        };
        let others = self.near.iter().filter(|(_, near)| !of_one || near.id == id);
        let (known, rest): (Vec<_>, Vec<_>) = others.partition(|(_, near)| is_known(near));
        let among = if known.len() > KNOWN_MAX { known } else { rest };
        let worst = among.into_iter().max_by_key(|(_, near)| (near.fails, near.lot));
        let leaving = worst.filter(|(_, near)| (near.fails, near.lot) > (0, lot));
        let leaving = leaving.map(|(name, _)| name.clone());
        leaving.and_then(|name| self.near.remove(&name)).is_some()
    }

    /// Whether it still has to be dialled: for as long as it is not in our component, or what is known of its
    /// addresses leads nowhere.
    fn near_wanted(&self, near: &Near) -> bool {
        let member = self.members.get(&near.id);
        let label = member.map_or("", |m| &m.label);
        if self.near_dialing.values().any(|(_, id)| *id == near.id)
            || trust::admit(&self.policy.rules, &self.book, &near.id, label).is_err()
        {
            return false;
        }
        member.is_none_or(|m| {
            let idle = m.up.is_none() && m.limbo.is_none() && m.dialing.is_none();
            idle && !m.held && !m.rebuffed && (!m.alive || m.fails > 0)
        })
    }

    /// Begins the dials to them that are due, as far as their own limits and those of all dials allow.
    pub(super) fn dial_near(&mut self, now: Time, out: &mut Vec<super::Effect>) {
        let due = |near: &Near| now >= near.next_dial && self.near_wanted(near);
        let mut names: Vec<String> =
            self.near.iter().filter(|(_, near)| due(near)).map(|(name, _)| name.clone()).collect();
        self.dice.shuffle(&mut names);
        names.sort_by_key(|name| self.near.get(name).map_or(0, |near| near.fails));
        for name in names {
            let Some(near) = self.near.get(&name).filter(|near| self.near_wanted(near)) else {
                continue;
            };
            let room = near.fails == 0 || self.dials_under_way() < self.room_for_repeats();
            let (addr, id) = (near.addrs[near.turn % near.addrs.len()], near.id);
            if !room || !self.near_may_be_dialled(now) || !self.may_dial(now) {
                break;
            }
            self.near_dials.take(now, 1);
            if let Some(near) = self.near.get_mut(&name) {
                near.turn = near.turn.wrapping_add(1);
            }
            let conn = self.open(now, addr, Some(id), None, out);
            self.near_dialing.insert(conn, (name, id));
        }
    }

    fn near_may_be_dialled(&self, now: Time) -> bool {
        self.near_dialing.len() < AT_ONCE_MAX && now >= self.near_dials.next_at(1)
    }

    /// When the next dial to one of them may begin; none while a dial under way has to end first.
    pub(super) fn next_near(&self) -> Option<Time> {
        if self.near_dialing.len() >= AT_ONCE_MAX {
            return None;
        }
        let repeats = self.dials_under_way() < self.room_for_repeats();
        let wanted = |near: &&Near| (near.fails == 0 || repeats) && self.near_wanted(near);
        let next = self.near.values().filter(wanted).map(|near| near.next_dial).min()?;
        Some(next.max(self.near_dials.next_at(1)))
    }

    /// The dial reached somebody. Whether that becomes a link or not, the next one waits.
    pub(super) fn near_answered(&mut self, now: Time, conn: ConnId) {
        self.near_settled(now, conn, |near| near.fails = 0, false);
    }

    /// The dial ended without anybody having answered.
    pub(super) fn near_closed(&mut self, now: Time, conn: ConnId, how: &Ended) {
        let failed = |near: &mut Near| near.fails = near.fails.saturating_add(1);
        self.near_settled(now, conn, failed, is_on_purpose(how));
    }

    /// A dial is over: plans the next one to the same node, unless somebody else is called so by now.
    fn near_settled(
        &mut self,
        now: Time,
        conn: ConnId,
        count: impl FnOnce(&mut Near),
        patient: bool,
    ) {
        let (base, longest) = self.policy.delay;
        let attempts_max = self.policy.attempts_max;
        let Some((name, id)) = self.near_dialing.remove(&conn) else { return };
        let Some(near) = self.near.get_mut(&name).filter(|near| near.id == id) else { return };
        count(near);
        let cap = if near.fails > attempts_max { longest * LONG_LOST } else { longest };
        near.delay = self.dice.between(base, near.delay * 3).min(cap);
        let at_least = if patient { base * 100 } else { base };
        near.next_dial = now + near.delay.max(at_least.min(cap));
    }
}
