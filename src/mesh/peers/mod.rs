//! Whom we know, whom we hold a link with, and whom to dial when.
//!
//! At most one link per peer. Of two links dialled at once in both directions the one dialled by the
//! smaller id stays; both ends decide so, each for itself. The acceptor decides after the dialler has (the
//! dialler then says [`ready`](crate::wire)), so two links dialled in one direction cannot kill each other.

mod commands;
mod dialing;
mod rows;
mod settle;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::budget::Budget;
use super::dice::Dice;
use super::record::{Direction, Record};
use super::trust::Rules;
use super::view::View;
use super::{ConnId, Core, NodeId, Time};

pub use rows::{Evidence, Phase, Row};
pub use settle::in_words;

/// How long a lost link may be dialled again before anyone is told that it is gone.
const LIMBO: Duration = Duration::from_millis(300);
/// A link that has been up this long counts as stable: the next wait is short again.
const STABLE: Duration = Duration::from_secs(60);
/// Pieces of evidence kept for each node.
const EVIDENCE_MAX: usize = 32;
/// Refused strangers kept for `node peers`.
const REFUSALS_MAX: usize = 64;

/// Why a link is closed, as told to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bye {
    /// The node stops.
    Leaving,
    /// Another link to the same peer stays.
    Duplicate,
    /// A newer boot of the same identity is linked already.
    Superseded,
    /// No slot is free; cards of others come with it.
    Full,
    /// Banned, or on the deny list.
    Banned,
    /// Only named nodes may link.
    NotNamed,
    /// The label is pinned to another id.
    LabelTaken,
    /// Another network, or a wrong secret.
    WrongNetwork,
    /// A person closed it.
    Disconnected,
    /// Nothing was heard for too long.
    Silent,
    /// The node dialled itself.
    Myself,
    /// Something was said that must not be said.
    Protocol,
    /// The outgoing lanes stayed full for too long.
    Stalled,
}

/// How a connection ended, as its driver saw it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Nobody listens at the address.
    Refused,
    /// The dial or the handshake took too long.
    TimedOut,
    /// The stream ended or was reset without a word.
    Lost,
    /// The other end said why; perhaps with cards of other nodes.
    Said(Bye, Vec<Record>),
    /// Another identity answered than was expected.
    WrongIdentity {
        /// Who answered.
        found: NodeId,
    },
    /// The other end is of another network or does not know the secret.
    WrongNetwork,
    /// The handshake or a frame was not as it must be.
    Broken(String),
    /// The lanes stayed full for too long.
    Stalled,
    /// We closed it, as asked.
    Ours,
}

/// Why a link went down, as told to the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It said goodbye.
    Left,
    /// The link broke and nobody listens at its address any more.
    Gone,
    /// The link broke and could not be made again at once.
    Lost,
    /// Nothing was heard of it.
    Silent,
    /// We, or it, closed it on purpose.
    Closed,
}

/// What the registry is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// Begin: dial whom we know.
    Start,
    /// Somebody connected.
    Arrived {
        /// The new connection.
        conn: ConnId,
        /// From where.
        from: SocketAddr,
    },
    /// TLS, hello and (if it dialled us) the peer's own decision are through.
    Handshaken {
        /// Which connection.
        conn: ConnId,
        /// The peer's verified card; its author is who TLS says it is.
        card: Record,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
        /// Our own end's address.
        local: SocketAddr,
    },
    /// A connection is gone.
    Closed {
        /// Which.
        conn: ConnId,
        /// How.
        how: Ended,
    },
    /// The graph has changed.
    Graph(Arc<View>),
    /// The pulse hears nothing of a linked peer.
    Silent {
        /// Which peer.
        peer: NodeId,
        /// For how long.
        silent: Duration,
        /// Others hear it: only our link is bad.
        vouched: bool,
    },
    /// Something was seen of a node that `node why` should tell.
    Note {
        /// Of whom.
        peer: NodeId,
        /// What.
        text: String,
    },
    /// The smoothed round trip of a link.
    Measured {
        /// Of whom.
        peer: NodeId,
        /// Microseconds.
        rtt_us: u32,
    },
    /// The pulse's local health: 0 is well.
    Health(u32),
    /// A person asks.
    Command(Command),
    /// New settings.
    Configure(Policy),
    /// We are stopping: dial nobody any more.
    Leave {
        /// Forget the links of this run, so that the next start does not seek them.
        forget: bool,
    },
}

/// What a person asks of the registry.
#[derive(Clone, Debug)]
pub enum Command {
    /// Dial this address now; [`Effect::Connected`] answers.
    Connect {
        /// Where.
        addr: SocketAddr,
        /// Comes back in the answer.
        ticket: u64,
    },
    /// Close the link and keep it closed.
    Disconnect(NodeId),
    /// Trust by hand.
    Pin(NodeId),
    /// Forget every pin.
    Unpin(NodeId),
    /// Forget what is pinned behind a label.
    UnpinLabel(String),
    /// Close and refuse.
    Ban(NodeId),
    /// Let in again.
    Unban(NodeId),
}

/// What the registry asks for.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a connection.
    Dial {
        /// Its name from now on.
        conn: ConnId,
        /// Where.
        addr: SocketAddr,
        /// Who must answer; anyone if none.
        expect: Option<NodeId>,
    },
    /// Go on with the handshake of a connection that arrived.
    Admit(ConnId),
    /// Keep a handshaken connection as the link to its peer.
    Keep(ConnId),
    /// Close a connection, saying why.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        bye: Bye,
    },
    /// The link to a peer is up; it replaces any other one there was.
    Up {
        /// The peer.
        peer: NodeId,
        /// The connection that is the link now.
        conn: ConnId,
        /// Who dialled.
        dir: Direction,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
        /// The peer's card.
        card: Record,
    },
    /// The link to a peer is gone.
    Down {
        /// The peer.
        peer: NodeId,
        /// Why.
        why: Down,
    },
    /// We can be dialled at these addresses.
    Reachable(Vec<SocketAddr>),
    /// A card came by another way than gossip.
    Learned(Record),
    /// The book has changed; `urgent` changes must survive a crash right after.
    Remember {
        /// A pin or ban, not only who was seen when.
        urgent: bool,
    },
    /// The answer to [`Command::Connect`].
    Connected {
        /// As it was asked.
        ticket: u64,
        /// Who answered, or why nobody did.
        result: Result<NodeId, String>,
    },
    /// Something a person should know.
    Notice(String),
}

/// The settings the registry follows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may link.
    pub rules: Rules,
    /// Most links accepted from others.
    pub incoming_max: usize,
    /// Most handshakes of others under way.
    pub pending_max: usize,
    /// Most connections from one address that is not loopback.
    pub per_address_max: usize,
    /// Most dials under way.
    pub dialing_max: usize,
    /// Most dials begun in a second.
    pub dials_per_second: u32,
    /// Failed dials in a row after which a lost, unpinned peer is dialled ever more rarely.
    pub attempts_max: u32,
    /// Shortest and longest wait before a peer is dialled again.
    pub delay: (Duration, Duration),
    /// Most nodes remembered.
    pub book_max: usize,
    /// Most banned ids.
    pub banned_max: usize,
}

/// Where we are and whom to dial first, fixed for one run.
#[derive(Clone, Debug)]
pub struct Home {
    /// Who we are.
    pub me: NodeId,
    /// Unix milliseconds at time 0.
    pub start_ms: u64,
    /// Where we listen.
    pub listen: SocketAddr,
    /// Addresses told to others; empty means: those found out.
    pub advertise: Vec<SocketAddr>,
    /// Addresses to dial first, for ever.
    pub seeds: Vec<SocketAddr>,
}

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
    dials: Budget,
    local_addrs: Vec<SocketAddr>,
    /// Strangers we refused, for `node peers`.
    refusals: BTreeMap<NodeId, (Time, String)>,
    heal_at: Time,
    first_up: Option<Time>,
    woken_at: Option<Time>,
    leaving: bool,
    health: u32,
    counters: BTreeMap<&'static str, u64>,
}

impl Peers {
    /// A registry that remembers `book` and has no link yet.
    pub fn new(home: Home, policy: Policy, book: Book, seed: u64) -> Peers {
        let mut peers = Peers {
            dials: Budget::new(policy.dials_per_second, policy.dials_per_second),
            seeds: home.seeds.iter().map(|addr| Seed::new(*addr, policy.delay.0 / 3)).collect(),
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
            health: 0,
            counters: BTreeMap::new(),
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

    fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_default() += 1;
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
                let idle = |m: &Member| m.up.is_none() && m.dialing.is_none() && !m.alive;
                let longest = self.members.iter().filter(|(_, m)| idle(m));
                let longest = longest.min_by_key(|(_, m)| m.since).map(|(id, _)| *id)?;
                self.members.remove(&longest);
            }
            let delay = self.policy.delay.0;
            self.members.insert(id, Member::new(now, delay));
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
        }
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
            Event::Graph(view) => self.graph(now, &view, out),
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
            Event::Configure(policy) => {
                self.dials = Budget::new(policy.dials_per_second, policy.dials_per_second);
                self.policy = policy;
                self.enforce_rules(now, out);
            }
            Event::Leave { forget } => {
                self.leaving = true;
                for (id, entry) in &mut self.book.entries {
                    let up = self.members.get(id).is_some_and(|m| m.up.is_some());
                    entry.anchor = up && !forget;
                }
                out.push(Effect::Remember { urgent: true });
            }
        }
        self.dial_due(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        self.next_due()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.end_limbo(now, out);
        self.heal(now);
        self.dial_due(now, out);
    }
}
