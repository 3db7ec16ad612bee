//! Whom to dial, and when: backoff, healing of splits.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::words::in_words;
use super::{Bye, Conn, Down, Effect, Ended, Member, Peers};
use crate::mesh::graph::NodeChange;
use crate::mesh::record::{Direction, Record};
use crate::mesh::shape::Mode;
use crate::mesh::view::State;
use crate::mesh::{ConnId, NodeId, Time, trust};

/// How many nodes of a component seek its lost members actively.
const HEALERS: usize = 3;
/// How often a healer dials a lost member.
const HEAL_EVERY: Duration = Duration::from_secs(2);
/// A dial without an answer for this long has lost its first packet (the kernel sends the next after 1 s,
/// 3 s and 7 s).
pub(super) const HANGING: Duration = Duration::from_secs(1);
/// Wait before a peer that reset our immediate re-dial is dialled once more.
const DYING: Duration = Duration::from_millis(20);
/// Shortest time between two wakings of everyone.
const WAKE_EVERY: Duration = Duration::from_secs(10);
/// A node this young dials everyone it learns of at once; older ones let the young come to them.
const YOUNG: Duration = Duration::from_secs(2);
/// In mode auto it has as many links as it would have in a large network, and waits with the others for this long:
/// by then it knows how large the network is.
const SEEN_SO_FAR: Duration = Duration::from_secs(1);
/// Lost, unpinned peers are in the end dialled this many times more rarely.
pub(super) const LONG_LOST: u32 = 10;

/// Whether somebody does not want the link: asking again soon changes nothing.
pub(super) fn is_on_purpose(how: &Ended) -> bool {
    use Bye::{Banned, Disconnected, LabelTaken, NotNamed};
    let unwanted = matches!(how, Ended::Said(Banned | NotNamed | LabelTaken | Disconnected, _));
    unwanted || *how == Ended::WrongNetwork
}

impl Peers {
    /// Fills the registry from the book: links of the last run are dialled first.
    pub(super) fn recall(&mut self) {
        let entries: Vec<_> = self.book.entries.iter().map(|(id, e)| (*id, e.clone())).collect();
        for (id, entry) in entries {
            let later = self.dice.between(Duration::from_secs(10), Duration::from_secs(40));
            let Some(member) = self.member(Time(0), id) else { continue };
            member.label = entry.label;
            member.addrs = entry.addrs;
            member.next_dial = Some(if entry.anchor { Time(0) } else { Time(0) + later });
        }
        for seed in &mut self.seeds {
            seed.id = self.book.addr_pins.get(&seed.addr).copied();
        }
    }

    /// Takes in who is alive now.
    pub(super) fn graph(&mut self, now: Time, nodes: &[NodeChange], out: &mut Vec<Effect>) {
        let hangs = |c: &Conn| !c.greeted && now.since(c.since) >= HANGING;
        let hanging: BTreeSet<ConnId> =
            self.conns.iter().filter(|(_, c)| hangs(c)).map(|(conn, _)| *conn).collect();
        let mut given_up: Vec<ConnId> = Vec::new();
        let young = self.first_up.is_none_or(|at| now.since(at) < YOUNG);
        let me = self.home.me;
        let mut begun = self.counts().0 + self.dials_begun(now);
        for node in nodes.iter().filter(|n| n.id != me) {
            let alive = matches!(node.state, State::Alive | State::Suspect);
            let wait = match young {
                true if self.policy.plan.mode == Mode::Auto && begun >= self.policy.plan.most() => {
                    self.dice.between(SEEN_SO_FAR, 2 * SEEN_SO_FAR)
                }
                true => Duration::ZERO,
                false => self.dice.between(Duration::from_millis(50), Duration::from_millis(300)),
            };
            if alive && let Some(card) = node.card.as_ref().and_then(Record::card) {
                self.seed_said(now, card);
            }
            let (base, partial) = (self.policy.delay.0, self.partial);
            let seek = self.persists(now, &node.id);
            let member = match self.partial {
                // Of thousands only those are remembered here that we have to do with.
                true => self.members.get_mut(&node.id),
                false => self.member(now, node.id),
            };
            let Some(member) = member else { continue };
            // A node may be heard of before its card is.
            let moved = node.card.as_ref().and_then(Record::card).is_some_and(|c| member.learn(c));
            if alive && !member.alive && partial {
                // What was planned while it was lost.
                member.next_dial = None;
            }
            if alive && (moved || !member.alive) {
                member.left = false;
                member.rebuffed = false;
                member.delay = base;
                member.fails = 0;
                if seek && member.up.is_none() && member.limbo.is_none() && !member.held {
                    member.next_dial = Some(now + wait);
                    begun += 1;
                }
                // A dial begun in a split waits for the kernel to try again, for seconds: begin anew.
                if member.dialing.is_some_and(|conn| hanging.contains(&conn)) {
                    given_up.extend(member.dialing.take());
                }
            }
            if node.state == State::Left {
                member.left = true;
                member.next_dial = None;
            }
            if member.alive != alive {
                member.alive = alive;
                self.note(now, node.id, format!("now {} in the graph", node.state.as_str()));
            }
        }
        for conn in given_up {
            self.conns.remove(&conn);
            out.push(Effect::Close { conn, bye: Bye::Duplicate });
        }
        self.expel_impostors(now, out);
    }

    /// A peer that was let in under one label may sign a card with another later: whose that is counts as
    /// much as it did at the door.
    fn expel_impostors(&mut self, now: Time, out: &mut Vec<Effect>) {
        let pins = &self.book.label_pins;
        let taken = |id: &NodeId, m: &Member| pins.get(&m.label).is_some_and(|first| first != id);
        let linked = self.members.iter().filter(|(_, m)| m.up.is_some());
        let impostors: Vec<(NodeId, String)> =
            linked.filter(|(id, m)| taken(id, m)).map(|(id, m)| (*id, m.label.clone())).collect();
        for (id, label) in impostors {
            self.close_link(now, id, Bye::LabelTaken, out);
            self.tell_label_taken(now, id, &label, out);
        }
    }

    /// Dials this member now; false if no address of it is known.
    pub(super) fn dial_member(&mut self, now: Time, id: NodeId, out: &mut Vec<Effect>) -> bool {
        let conn = self.next_conn;
        let Some(member) = self.members.get_mut(&id) else { return false };
        let addrs: Vec<SocketAddr> = member.dialable().collect();
        if addrs.is_empty() {
            return false;
        }
        let addr = addrs[member.turn % addrs.len()];
        member.turn = member.turn.wrapping_add(1);
        member.dialing = Some(conn);
        member.next_dial = None;
        self.open(now, addr, Some(id), None, out);
        true
    }

    /// Opens a connection to an address.
    pub(super) fn open(
        &mut self,
        now: Time,
        addr: SocketAddr,
        expect: Option<NodeId>,
        ticket: Option<u64>,
        out: &mut Vec<Effect>,
    ) -> ConnId {
        let conn = self.name_conn();
        self.count("dials_begun");
        let dir = Direction::Out;
        self.conns
            .insert(conn, Conn { dir, addr, since: now, peer: expect, greeted: false, ticket });
        out.push(Effect::Dial { conn, addr, expect });
        conn
    }

    /// A dial to a known member ended without a link.
    pub(super) fn dial_failed(&mut self, now: Time, id: NodeId, how: Ended, out: &mut Vec<Effect>) {
        let base = self.policy.delay.0;
        let Some(member) = self.members.get_mut(&id) else { return };
        member.fails = member.fails.saturating_add(1);
        if let Some(need) = &mut member.need {
            need.failed = true;
        }
        let addr = member.addrs.first().copied().unwrap_or(self.home.listen);
        let text = in_words(&how, addr);
        let gone = matches!(how, Ended::Refused | Ended::WrongIdentity { .. });
        let on_purpose = is_on_purpose(&how);
        if matches!(how, Ended::Said(Bye::Full | Bye::Surplus, _)) {
            self.rest(now, id);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        member.rebuffed = on_purpose;
        member.problem = match how {
            Ended::Said(Bye::Duplicate | Bye::Leaving, _) => None,
            _ => Some(text.clone()),
        };
        if member.limbo.is_some() && gone {
            member.limbo = None;
            self.note(now, id, format!("dialled again at once: {text}"));
            self.down(id, Down::Gone, out);
        } else if member.limbo.is_some() && how == Ended::Lost {
            // A process that dies closes its links before its listening socket: ask again in a moment.
            member.next_dial = Some(now + DYING);
            return;
        } else if member.fails == 1 {
            self.note(now, id, format!("dial failed: {text}"));
        }
        self.retry_later(now, id, if on_purpose { base * 100 } else { base });
    }

    /// Plans the next dial with decorrelated jitter: a random wait between the shortest and three times
    /// the last one (Brooker, "Exponential Backoff And Jitter", 2015).
    pub(super) fn retry_later(&mut self, now: Time, id: NodeId, at_least: Duration) {
        let (base, longest) = self.policy.delay;
        let (pinned, persists) = (self.is_pinned(&id), self.persists(now, &id));
        let attempts_max = self.policy.attempts_max;
        let Some(member) = self.members.get_mut(&id) else { return };
        let long_lost = !pinned && member.fails > attempts_max;
        let cap = if long_lost { longest * LONG_LOST } else { longest };
        member.delay = self.dice.between(base, member.delay * 3).min(cap);
        let wait = member.delay.max(at_least.min(cap));
        let dial = persists && !member.held && !member.left && !self.leaving;
        member.next_dial = dial.then_some(now + wait);
        member.rests_until = member.rests_until.max(Some(now + wait));
    }

    /// After being all alone, the first link is a sign that the others can be reached, too. Not more
    /// often than [`WAKE_EVERY`]: a peer that lets us in and closes at once would keep us dialling.
    pub(super) fn wake_everyone(&mut self, now: Time) {
        if self.woken_at.is_some_and(|at| now.since(at) < WAKE_EVERY) {
            return;
        }
        self.woken_at = Some(now);
        for member in self.members.values_mut() {
            if member.next_dial.is_some() && !member.rebuffed {
                member.next_dial = Some(now);
            }
        }
        for seed in &mut self.seeds {
            seed.next_dial = now;
        }
    }

    /// The rules have changed: whoever was not worth a dial may be now.
    pub(super) fn reconsider(&mut self, now: Time) {
        if self.partial {
            return;
        }
        for member in self.members.values_mut() {
            let idle = member.up.is_none() && member.dialing.is_none();
            if idle && !member.held && !member.left && !member.addrs.is_empty() {
                member.next_dial.get_or_insert(now);
            }
        }
    }

    /// Links that could not be made again in time are told as lost.
    pub(super) fn end_limbo(&mut self, now: Time, out: &mut Vec<Effect>) {
        let over = |m: &Member| m.limbo.is_some_and(|until| now >= until);
        let over: Vec<NodeId> =
            self.members.iter().filter(|(_, m)| over(m)).map(|(id, _)| *id).collect();
        for id in over {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.limbo = None;
            let dialing = member.dialing.is_some();
            if !dialing {
                self.retry_later(now, id, self.policy.delay.0);
            }
            self.down(id, Down::Lost, out);
        }
    }

    /// Healers (three of each component, others every minute) dial a random lost member.
    pub(super) fn heal(&mut self, now: Time) {
        if now < self.heal_at || self.leaving {
            return;
        }
        self.heal_at = now + HEAL_EVERY;
        if self.partial {
            // Whom to try is said by who knows the graph.
            return;
        }
        let minute = (self.home.start_ms + now.as_ms()) / 60_000;
        let rank = |id: &NodeId| {
            let mut sha = Sha256::new();
            sha.update(id.0);
            sha.update(minute.to_le_bytes());
            <[u8; 32]>::from(sha.finalize())
        };
        let mine = rank(&self.home.me);
        let alive = self.members.iter().filter(|(_, m)| m.alive);
        if alive.filter(|(id, _)| rank(id) < mine).take(HEALERS).count() >= HEALERS {
            return;
        }
        let lost = |m: &Member| {
            !m.alive && !m.rebuffed && m.may_be_sought() && m.dialable().next().is_some()
        };
        let (rules, book) = (&self.policy.rules, &self.book);
        let may = |(id, m): &(&NodeId, &mut Member)| {
            lost(m) && trust::admit(rules, book, id, &m.label).is_ok()
        };
        let mut lost: Vec<_> = self.members.iter_mut().filter(may).collect();
        let pick = self.dice.index(lost.len());
        if let Some((_, member)) = lost.get_mut(pick) {
            member.next_dial = Some(now);
        }
    }

    pub(super) fn dials_under_way(&self) -> usize {
        self.conns.values().filter(|c| c.dir == Direction::Out && !c.greeted).count()
    }

    /// Begins the dials that are due, as far as the limits allow: who failed least goes first, in random
    /// order, and some room is kept from those that have failed before. A few addresses that swallow
    /// every dial would otherwise keep us from all others.
    pub(super) fn dial_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.leaving {
            return;
        }
        self.dial_seeds(now, out);
        let due = |m: &Member| {
            m.next_dial.is_some_and(|at| now >= at) && m.up.is_none() && m.dialing.is_none()
        };
        let mut ids: Vec<NodeId> =
            self.members.iter().filter(|(_, m)| due(m)).map(|(id, _)| *id).collect();
        self.dice.shuffle(&mut ids);
        ids.sort_by_key(|id| self.members.get(id).map_or(0, |m| m.fails));
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            if trust::admit(&self.policy.rules, &self.book, &id, &member.label).is_err() {
                // We would only refuse it when it answers.
                member.next_dial = None;
                continue;
            }
            let again = member.fails > 0;
            if again && self.dials_under_way() >= self.room_for_repeats() || !self.may_dial(now) {
                break;
            }
            if !self.dial_member(now, id, out)
                && let Some(member) = self.members.get_mut(&id)
            {
                member.next_dial = None;
            }
        }
        self.dial_near(now, out);
    }

    /// How many dials may be under way when the next is to one that has failed before.
    pub(super) fn room_for_repeats(&self) -> usize {
        (self.policy.dialing_max * 3 / 4).max(1)
    }

    /// As many dials are under way as may be, or as could become links.
    fn dials_are_full(&self) -> bool {
        let under_way = self.dials_under_way();
        let room = !self.partial || self.counts().0 + under_way < self.conns_max();
        !room || under_way >= self.policy.dialing_max
    }

    pub(super) fn may_dial(&mut self, now: Time) -> bool {
        !self.dials_are_full() && self.dials.take(now, 1)
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        let limbo = self.members.values().filter_map(|m| m.limbo).min();
        let dial = if self.dials_are_full() || self.leaving {
            // The end of a dial under way comes as an event.
            None
        } else {
            let under_way = self.dials_under_way();
            let room = |m: &Member| m.fails == 0 || under_way < self.room_for_repeats();
            let idle = |m: &&Member| m.up.is_none() && m.dialing.is_none() && room(m);
            let members = self.members.values().filter(idle).filter_map(|m| m.next_dial);
            members
                .chain(self.next_seed())
                .chain(self.next_near())
                .min()
                .map(|at| at.max(self.dials.next_at(1)))
        };
        let heal = (!self.leaving).then_some(self.heal_at);
        [limbo, dial, heal, self.next_call()].into_iter().flatten().min()
    }
}
