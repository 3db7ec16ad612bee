//! What the topology is told, what it asks for, and what it is given at the start.

use std::net::SocketAddr;
use std::time::Duration;

use crate::mesh::NodeId;
use crate::mesh::gossip::Gossip;
use crate::mesh::graph::{Limits, NodeChange};
use crate::mesh::record::{CARD_KEYS_BYTES_MAX, CAST_BYTES_MAX, Direction, Record};
use crate::mesh::route::{Lost, Walk};
use crate::mesh::shape::{Advice, Plan};
use crate::wire::bounded::{Blob, Text};

/// What the topology is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A link is up (or has replaced another one to the same peer).
    LinkUp {
        /// The peer.
        peer: NodeId,
        /// Who dialled.
        dir: Direction,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
        /// The other end's address.
        addr: SocketAddr,
        /// The peer's card, as verified in the handshake.
        card: Record,
    },
    /// A link is gone.
    LinkDown {
        /// The peer.
        peer: NodeId,
        /// Neither end wanted that: others should look whether they still hear the peer.
        lost: bool,
    },
    /// The round trip of a link was measured.
    Measured {
        /// The peer.
        peer: NodeId,
        /// Smoothed, microseconds.
        rtt_us: u32,
    },
    /// A neighbour said something.
    FromPeer {
        /// Who.
        peer: NodeId,
        /// What.
        gossip: Gossip,
    },
    /// A neighbour's heartbeat carried another root digest than ours.
    RootDiffers {
        /// Who.
        peer: NodeId,
    },
    /// A card came by another way than gossip (with the goodbye of a full node).
    Learned {
        /// The verified card.
        record: Record,
    },
    /// Onion and mail keys for our card, opaque to the mesh.
    Keys(Blob<CARD_KEYS_BYTES_MAX>),
    /// Addresses at which we can be dialled, best first.
    Reachable {
        /// At most 8 are told.
        addrs: Vec<SocketAddr>,
    },
    /// This node is needed and cannot be dialled: have it dial us.
    CallBack {
        /// Who shall dial.
        target: NodeId,
    },
    /// A person wants to know whether and how a node is reached: send it a probe.
    Trace {
        /// Comes back with the outcome.
        ticket: u64,
        /// Whom.
        to: NodeId,
    },
    /// A person wants to say something to everyone.
    Shout {
        /// What, already bounded.
        text: Text<CAST_BYTES_MAX>,
    },
    /// The registry asks what is known of these nodes; [`Effect::Known`] answers.
    WhoIs {
        /// Whom it had nothing to do with before.
        ids: Vec<NodeId>,
    },
    /// Say goodbye: we are about to stop.
    Leave,
    /// New settings.
    Configure(Policy),
}

/// What the topology asks for.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this to a linked peer.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        gossip: Gossip,
    },
    /// The root digest is now this; heartbeats carry it.
    Root(u64),
    /// The graph has changed, if only a round trip. Whoever shows it asks for [`super::Topology::view`].
    Changed(Vec<NodeChange>),
    /// What the registry asked for, or is to know from now on; nothing has changed.
    Known(Vec<NodeChange>),
    /// This should become of our links.
    Shape(Box<Advice>),
    /// Somebody has given up its link with this node.
    Dropped {
        /// Who may be gone.
        peer: NodeId,
    },
    /// Somebody said something to everyone.
    Heard(Said),
    /// A node that cannot dial us asks to be dialled.
    Called {
        /// Its newest card.
        card: Record,
    },
    /// What became of a probe.
    Traced {
        /// As it was asked for.
        ticket: u64,
        /// The way it went, or why there is none.
        outcome: Result<Walk, Lost>,
    },
    /// Our epoch is now this; keep it, so that the next boot is newer.
    Epoch(u64),
    /// Something a person should know.
    Notice(String),
}

/// A ping or shout that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who said it.
    pub from: NodeId,
    /// Its label; hostile text until escaped.
    pub label: String,
    /// What it said; hostile text until escaped.
    pub text: String,
    /// A person's shout, not a periodic ping.
    pub shout: bool,
    /// Round trip to the one who said it over our own link, microseconds, if there is one.
    pub rtt_us: Option<u32>,
    /// Over how many links it came.
    pub hops: u8,
}

/// The settings the topology follows; they may change while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Time between pings; none means 5 s, stretched in large networks.
    pub period: Option<Duration>,
    /// Bounds of the graph.
    pub limits: Limits,
    /// Most records taken from one peer in a second, sustained.
    pub records_per_second: u32,
    /// Most links we take where everyone links with everyone.
    pub degree_max: u16,
    /// Who links with whom.
    pub plan: Plan,
}

/// Who we are, fixed for one run.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Network name.
    pub network: Text<64>,
    /// Our label.
    pub label: Text<64>,
    /// Whether we volunteer to pass packets on.
    pub relay: bool,
    /// Whether we volunteer to keep letters for nodes that are away.
    pub mailbox: bool,
    /// This boot's epoch.
    pub epoch: u64,
    /// Unix milliseconds at time 0.
    pub start_ms: u64,
}
