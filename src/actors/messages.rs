//! Every message between actors, grouped by receiver, each with what losing it costs.

mod asked;
mod calls;
mod letters;
mod mail;
mod pieces;
mod shelf;

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use crate::mesh::book::Book;
use crate::mesh::gossip::{Beat, Gossip};
use crate::mesh::graph::NodeChange;
use crate::mesh::peers::{Down, Ended};
pub use crate::mesh::peers::{Evidence, Phase as LinkPhase, Row as PeerRow, Sighting};
use crate::mesh::record::{Direction, Record};
use crate::mesh::shape::Advice;
use crate::mesh::view::View;
use crate::mesh::{ConnId, NodeId, Time};
use crate::net::lanes::Link;
use crate::net::session::Origin;
use crate::wire::ByeFrame;
pub use asked::*;
pub use calls::*;
pub use letters::*;
pub use mail::*;
pub use pieces::*;
pub use shelf::*;

// ---- life and death of actors: never lost ----

/// Supervisor: a child has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Exited {
    /// Which.
    pub child: Child,
    /// Of which generation of actors.
    pub generation: u64,
    /// It did not end by itself: it panicked.
    pub crashed: bool,
}

/// Names a child of the Supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// The PeerRegistry.
    Registry,
    /// The Heartbeat.
    Heartbeat,
    /// The Topology.
    Topology,
    /// The Disk.
    Disk,
    /// The Exchange.
    Exchange,
    /// The Courier.
    Courier,
    /// One thread of the Letterbox.
    Letterbox,
    /// One thread of the Sealers.
    Sealers,
    /// One thread of the Shelf.
    Shelf,
    /// The Listener.
    Listener,
    /// The Control.
    Control,
    /// The Discovery.
    Discovery,
    /// One Connection.
    Connection(ConnId),
}

/// Supervisor: the control API listens, whoever asks is answered.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Answers;

/// Any actor: end now.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Any core's actor: these settings are in force from now on.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Configure(pub Arc<crate::settings::Settings>);

// ---- connections ----

/// PeerRegistry: somebody connected. Lost when the registry is overloaded: the socket closes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Arrived {
    /// Its socket, not blocking.
    pub socket: TcpStream,
    /// From where.
    pub from: SocketAddr,
}

/// Supervisor: start a Connection. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Open {
    /// Its name.
    pub conn: ConnId,
    /// Dialled or accepted.
    pub origin: Origin,
    /// Our own card as it is now.
    pub card: Record,
}

/// Supervisor: end a Connection, saying why. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close {
    /// Which.
    pub conn: ConnId,
    /// Its last words.
    pub bye: ByeFrame,
}

/// Connection: say this and end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hangup {
    /// Its last words.
    pub bye: ByeFrame,
}

/// PeerRegistry: a connection knows its peer. Answers whether it is kept as the link.
#[derive(Message)]
#[rtype(result = "Verdict")]
pub struct Handshaken {
    /// The peer's verified card.
    pub card: Record,
    /// How to write to it.
    pub link: Link,
    /// First measure of the round trip, microseconds; 0 if there is none.
    pub rtt_us: u32,
    /// Our own end's address.
    pub local: SocketAddr,
}

/// PeerRegistry: the other end of a link we dialled speaks, so it has kept the link, too. Losing it delays
/// the answer to whoever asked for the dial until the link ends.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Confirmed {
    /// Which.
    pub conn: ConnId,
}

/// Whether a handshaken connection becomes a link.
#[derive(Debug)]
pub enum Verdict {
    /// It is the link now.
    Keep,
    /// It must say this and end.
    Decline(ByeFrame),
}

/// PeerRegistry: a connection is over. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Closed {
    /// Which.
    pub conn: ConnId,
    /// How.
    pub how: Ended,
}

/// Heartbeat, Topology, Exchange, Courier: a link is up or down. Never lost.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct LinkChanged {
    /// The peer.
    pub peer: NodeId,
    /// What became of its link.
    pub change: LinkChange,
}

/// What became of a link.
#[derive(Clone, Debug)]
pub enum LinkChange {
    /// It is up, or has replaced the one before.
    Up {
        /// How to write to it.
        link: Link,
        /// Who dialled.
        dir: Direction,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
        /// The other end's address.
        addr: SocketAddr,
        /// The peer's card.
        card: Record,
    },
    /// It is gone.
    Down(Down),
}

// ---- what is heard on links ----

/// Heartbeat: a ping or pong came in, or bytes of a block did. Losing one makes the next one count.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heard {
    /// From whom.
    pub peer: NodeId,
    /// When it was read.
    pub at: Time,
    /// The round trip it tells of, microseconds.
    pub rtt_us: Option<u32>,
    /// It was a ping or a pong.
    pub beat: bool,
}

/// Heartbeat: a question or an answer about somebody's silence. Losing one delays a verdict.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BeatFrom {
    /// Who.
    pub peer: NodeId,
    /// What.
    pub beat: Beat,
}

/// Topology: gossip came in. Waits for room: the link is not read meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GossipFrom {
    /// Who.
    pub peer: NodeId,
    /// What.
    pub gossip: Gossip,
}

/// Topology: a heartbeat carried another root than ours. Losing one costs a heartbeat's time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RootDiffers {
    /// Whose.
    pub peer: NodeId,
}

// ---- between the cores ----

/// PeerRegistry: somebody is seen on the local network, or is no more. Losing one delays a link until it is
/// said anew, or leaves an address to be dialled in vain.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Sighted(pub Sighting);

/// Heartbeat, Exchange, Courier: the graph as it is now. Latest wins.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct GraphChanged(pub Arc<View>);

/// PeerRegistry: these nodes' states or cards have changed. Each change is told once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodesChanged(pub Vec<NodeChange>);

/// PeerRegistry: what should become of our links. What is lost is said anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Advised(pub Box<Advice>);

/// Topology: what is known of these nodes, with which the registry had nothing to do before? Bounded by the links
/// and dials that bring them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WhoIs(pub Vec<NodeId>);

/// PeerRegistry: our own card is now this; hellos carry it. Latest wins.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CardChanged(pub Record);

/// PeerRegistry: our epoch is now this. Losing it costs a warning at the next boot.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EpochChanged(pub u64);

/// Topology: we can be dialled at these addresses. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reachable(pub Vec<SocketAddr>);

/// Topology: a card came by another way than gossip. Losing it costs nothing lasting.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Learned(pub Record);

/// Heartbeat: somebody has given up its link with this node. Losing it delays a verdict.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Dropped(pub NodeId);

/// PeerRegistry, Topology, Exchange: the smoothed round trip of a link. Latest wins.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Measured {
    /// Of whom.
    pub peer: NodeId,
    /// Microseconds.
    pub rtt_us: u32,
}

/// PeerRegistry: nothing is heard of a linked peer. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Silent {
    /// Whom.
    pub peer: NodeId,
    /// For how long.
    pub silent: Duration,
    /// Others hear it: only our link is bad.
    pub vouched: bool,
}

/// PeerRegistry: something was seen of a node. Losing it costs a line of `node why`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Note {
    /// Of whom.
    pub peer: NodeId,
    /// What.
    pub text: String,
}

/// PeerRegistry: how well this machine runs us; 0 is well, 8 worst. Latest wins.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Health(pub u32);

/// Topology, PeerRegistry: say goodbye; the links will be closed. Never lost.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Goodbye {
    /// Forget whom we were linked with.
    pub forget: bool,
}

// ---- disk ----

/// Disk: keep this over a restart. Answers, once it is on disk or has failed, whether it is.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct SaveBook(pub Book);
