//! What the registry is told, what it asks for, and what it is given at the start.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::near::Sighting;
use crate::mesh::graph::NodeChange;
use crate::mesh::record::{Direction, Record};
use crate::mesh::shape::{Advice, Plan};
use crate::mesh::trust::Rules;
use crate::mesh::{ConnId, NodeId};

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
    /// There are links enough without this one; cards of others come with it.
    Surplus,
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

/// Why a link went down, as told to the services and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// It said goodbye.
    #[error("it said goodbye")]
    Left,
    /// The link broke and nobody listens at its address any more.
    #[error("it broke, and nobody listens there any more")]
    Gone,
    /// The link broke and could not be made again at once.
    #[error("it broke, and could not be made again at once")]
    Lost,
    /// Nothing was heard of it.
    #[error("nothing was heard of it")]
    Silent,
    /// We, or it, closed it on purpose.
    #[error("closed on purpose")]
    Closed,
}

impl Down {
    /// Nobody wanted it: the peer may be in trouble.
    pub fn is_loss(self) -> bool {
        match self {
            Down::Gone | Down::Lost | Down::Silent => true,
            Down::Left | Down::Closed => false,
        }
    }
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
    /// These nodes' states or cards have changed in the graph.
    Graph(Vec<NodeChange>),
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
    /// A service needs a link to this node: dial it now.
    NeedLink {
        /// To whom.
        peer: NodeId,
        /// Where it may be dialled, if nothing better is known; at most 8 are used.
        addrs: Vec<SocketAddr>,
    },
    /// A node that could not dial us has us asked, through other nodes, to dial it.
    Called {
        /// Its newest verified card.
        card: Record,
    },
    /// Somebody is seen on the local network, or is no more.
    Sighted(Sighting),
    /// What should become of our links.
    Shape(Box<Advice>),
    /// New settings.
    Configure(Policy),
    /// We are stopping: dial nobody any more.
    Leave {
        /// Forget whom we met (pins and bans stay), so that the next start seeks nobody but the seeds.
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
        /// The other end's address.
        addr: SocketAddr,
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
    /// This node is needed and cannot be dialled: have a neighbour ask it to dial us.
    CallBack(NodeId),
    /// What does the graph know of these? [`Event::Graph`] answers.
    WhoIs(Vec<NodeId>),
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
    /// Who links with whom.
    pub plan: Plan,
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
