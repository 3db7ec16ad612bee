//! Whom we know, whom we hold a link with, and whom to dial when.
//!
//! At most one link per peer. Of two links dialled at once in both directions the one dialled by the
//! smaller id stays; both ends decide so, each for itself. The acceptor decides after the dialler has (the
//! dialler then says [`ready`](crate::wire)), so two links dialled in one direction cannot kill each other.

mod commands;
mod counts;
mod dialing;
mod events;
mod home;
mod near;
mod needs;
mod partial;
mod rows;
mod seeds;
mod settle;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::book::Book;
use super::budget::Budget;
use super::dice::Dice;
use super::record::{Card, Direction};
use super::shape::Mode;
use super::{ConnId, Core, NodeId, Time};

pub use counts::COUNTED;
use counts::Counts;
pub use events::{Bye, Command, Down, Effect, Ended, Event, Home, Policy};
use near::Near;
pub use near::{NEAR_MAX, Sighting};
use needs::Need;
pub use rows::{Evidence, Phase, Row};
pub use words::in_words;

/// How long a lost link may be dialled again before anyone is told that it is gone.
const LIMBO: Duration = Duration::from_millis(300);
/// A link that has been up this long counts as stable: the next wait is short again.
const STABLE: Duration = Duration::from_secs(60);
/// Pieces of evidence kept for each node.
const EVIDENCE_MAX: usize = 32;
/// Refused strangers kept for `node peers`.
const REFUSALS_MAX: usize = 64;

/// A connection that is not over yet.
#[derive(Debug)]
struct Conn {
    dir: Direction,
    addr: SocketAddr,
    since: Time,
    /// Who it leads to: known after the handshake, expected before it.
    peer: Option<NodeId>,
    greeted: bool,
    ticket: Option<u64>,
}

/// The link to a peer.
#[derive(Debug)]
struct Up {
    conn: ConnId,
    dir: Direction,
    addr: SocketAddr,
    rtt_us: u32,
    since: Time,
    /// Which boot of the peer.
    epoch: u64,
}

/// A node we know by id.
#[derive(Debug)]
struct Member {
    label: String,
    addrs: Vec<SocketAddr>,
    up: Option<Up>,
    /// The link broke and the services do not know yet.
    limbo: Option<Time>,
    dialing: Option<ConnId>,
    next_dial: Option<Time>,
    delay: Duration,
    fails: u32,
    turn: usize,
    alive: bool,
    left: bool,
    /// A person closed the link: keep it closed.
    held: bool,
    /// The last link or dial was closed on purpose, here or there: healing does not press it.
    rebuffed: bool,
    problem: Option<String>,
    evidence: VecDeque<Evidence>,
    since: Time,
    /// A service needs a link.
    need: Option<Need>,
    /// When a neighbour was asked to have it dial us.
    called_at: Option<Time>,
    /// When we last dialled because it had us asked to.
    heeded_at: Option<Time>,
    /// Until when a service is taken to use the link.
    used_until: Option<Time>,
    /// Until when it is not dialled only because more links are wanted.
    rests_until: Option<Time>,
}

/// An address to dial first and for ever.
#[derive(Debug)]
struct Seed {
    addr: SocketAddr,
    id: Option<NodeId>,
    myself: bool,
    dialing: Option<ConnId>,
    next_dial: Time,
    /// The last wait; a third of the shortest at first, so that the first retry comes after just that.
    delay: Duration,
    problem: Option<String>,
}

/// The registry core.
pub struct Peers {
    home: Home,
    policy: Policy,
    book: Book,
    dice: Dice,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: ConnId,
    members: BTreeMap<NodeId, Member>,
    seeds: Vec<Seed>,
    /// Who is said to be on the local network, by the name of what says so.
    near: BTreeMap<String, Near>,
    /// Dials to them under way: by which announcement, and to whom.
    near_dialing: BTreeMap<ConnId, (String, NodeId)>,
    dials: Budget,
    near_dials: Budget,
    local_addrs: Vec<SocketAddr>,
    /// Strangers we refused, for `node peers`.
    refusals: BTreeMap<NodeId, (Time, String)>,
    heal_at: Time,
    first_up: Option<Time>,
    woken_at: Option<Time>,
    leaving: bool,
    /// Not everyone links with everyone.
    partial: bool,
    /// When that was found out.
    turned_at: Option<Time>,
    /// Members of whom the graph is to tell what it knows.
    unheard_of: Vec<NodeId>,
    health: u32,
    counts: Counts,
}

impl Peers {
    /// A registry that remembers `book` and has no link yet.
    pub fn new(home: Home, policy: Policy, book: Book, seed: u64) -> Peers {
        let mut peers = Peers {
            dials: Budget::new(policy.dials_per_second, policy.dials_per_second),
            seeds: home.seeds.iter().map(|addr| Seed::new(*addr, policy.delay.0 / 3)).collect(),
            near: BTreeMap::new(),
            near_dialing: BTreeMap::new(),
            near_dials: near::budget(),
            dice: Dice::new(seed),
            conns: BTreeMap::new(),
            next_conn: 1,
            members: BTreeMap::new(),
            local_addrs: Vec::new(),
            refusals: BTreeMap::new(),
            heal_at: Time::from_ms(2000),
            first_up: None,
            woken_at: None,
            leaving: false,
            partial: policy.plan.mode == Mode::Partial,
            turned_at: None,
            unheard_of: Vec::new(),
            health: 0,
            counts: Counts::default(),
            home,
            policy,
            book,
        };
        peers.recall();
        peers
    }

    /// What should be kept over a restart.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A name for a connection that has just arrived.
    pub fn name_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        self.next_conn - 1
    }

    /// Links up, and connections that are not links (yet).
    pub fn counts(&self) -> (usize, usize) {
        let links = self.members.values().filter(|m| m.up.is_some()).count();
        (links, self.conns.len().saturating_sub(links))
    }

    fn note(&mut self, now: Time, peer: NodeId, text: impl Into<String>) {
        let at_ms = self.home.start_ms + now.as_ms();
        if let Some(member) = self.members.get_mut(&peer) {
            member.evidence.push_back(Evidence { at_ms, text: text.into() });
            if member.evidence.len() > EVIDENCE_MAX {
                member.evidence.pop_front();
            }
        }
    }

    /// The member with this id, made if there is room.
    fn member(&mut self, now: Time, id: NodeId) -> Option<&mut Member> {
        if !self.members.contains_key(&id) {
            if self.members.len() >= self.policy.book_max {
                // Of one in limbo the services still have to be told that its link is gone.
                let idle = |m: &Member| {
                    m.up.is_none() && m.limbo.is_none() && m.dialing.is_none() && !m.alive
                };
                let longest = self.members.iter().filter(|(_, m)| idle(m));
                let longest = longest.min_by_key(|(_, m)| m.since).map(|(id, _)| *id)?;
                self.members.remove(&longest);
            }
            let delay = self.policy.delay.0;
            self.members.insert(id, Member::new(now, delay));
            if self.partial {
                // Of whom we had nothing to do with the graph told us nothing.
                self.unheard_of.push(id);
            }
        }
        self.members.get_mut(&id)
    }
}

impl Member {
    fn new(now: Time, delay: Duration) -> Member {
        Member {
            label: String::new(),
            addrs: Vec::new(),
            up: None,
            limbo: None,
            dialing: None,
            next_dial: None,
            delay,
            fails: 0,
            turn: 0,
            alive: false,
            left: false,
            held: false,
            rebuffed: false,
            problem: None,
            evidence: VecDeque::new(),
            since: now,
            need: None,
            called_at: None,
            heeded_at: None,
            used_until: None,
            rests_until: None,
        }
    }

    /// Takes over what its card says; whether it can be dialled somewhere else now.
    fn learn(&mut self, card: &Card) -> bool {
        let moved = !card.addrs.is_empty() && self.addrs != *card.addrs;
        if moved {
            self.addrs = card.addrs.to_vec();
        }
        if !card.label.is_empty() {
            self.label = card.label.to_string();
        }
        moved
    }
}

impl Seed {
    fn new(addr: SocketAddr, delay: Duration) -> Seed {
        let next_dial = Time(0);
        Seed { addr, id: None, myself: false, dialing: None, next_dial, delay, problem: None }
    }
}

impl Core for Peers {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Start => self.found_addrs(None, out),
            Event::Arrived { conn, from } => self.arrived(now, conn, from, out),
            Event::Handshaken { conn, card, rtt_us, local } => {
                self.handshaken(now, conn, card, rtt_us, local, out);
            }
            Event::Closed { conn, how } => self.closed(now, conn, how, out),
            Event::Graph(nodes) => self.graph(now, &nodes, out),
            Event::Silent { peer, silent, vouched } => {
                self.silent(now, peer, silent, vouched, out);
            }
            Event::Note { peer, text } => self.note(now, peer, text),
            Event::Measured { peer, rtt_us } => {
                if let Some(up) = self.members.get_mut(&peer).and_then(|m| m.up.as_mut()) {
                    up.rtt_us = rtt_us;
                }
            }
            Event::Health(health) => self.health = health,
            Event::Command(command) => self.command(now, command, out),
            Event::NeedLink { peer, addrs } => self.need_link(now, peer, addrs),
            Event::Called { card } => self.called(now, &card),
            Event::Sighted(sighting) => self.sighted(now, sighting),
            Event::Shape(advice) => self.advised(now, &advice, out),
            Event::Configure(policy) => {
                self.dials = Budget::new(policy.dials_per_second, policy.dials_per_second);
                self.policy = policy;
                self.enforce_rules(now, out);
                self.reconsider(now);
            }
            Event::Leave { forget } => {
                self.leaving = true;
                if forget {
                    self.book.entries.clear();
                }
                for (id, entry) in &mut self.book.entries {
                    entry.anchor = self.members.get(id).is_some_and(|m| m.up.is_some());
                }
                out.push(Effect::Remember { urgent: true });
            }
        }
        self.dial_due(now, out);
        self.call_due(now, out);
        if !self.unheard_of.is_empty() {
            out.push(Effect::WhoIs(std::mem::take(&mut self.unheard_of)));
        }
    }

    fn next_wake(&self) -> Option<Time> {
        self.next_due()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.end_limbo(now, out);
        self.heal(now);
        self.dial_due(now, out);
        self.call_due(now, out);
    }
}
