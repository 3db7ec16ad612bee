//! What the pulse is told, what it asks for, and the settings it follows.

use std::time::Duration;

use crate::mesh::gossip::Beat;
use crate::mesh::record::Direction;
use crate::mesh::{NodeId, Time};

/// What the pulse is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A link is up, or has replaced the one before.
    LinkUp {
        /// The peer.
        peer: NodeId,
        /// Who dialled.
        dir: Direction,
        /// First measure of the round trip, microseconds; 0 if there is none.
        rtt_us: u32,
    },
    /// A link is gone.
    LinkDown {
        /// The peer.
        peer: NodeId,
    },
    /// A heartbeat came in.
    Heard {
        /// From whom.
        peer: NodeId,
        /// When the connection read it; the message may have waited since.
        at: Time,
        /// The round trip it tells of, microseconds.
        rtt_us: Option<u32>,
    },
    /// Something else came in that only a living peer sends: bytes of a file, behind which its heartbeats may
    /// wait for long.
    Alive {
        /// From whom.
        peer: NodeId,
        /// When the connection read it.
        at: Time,
    },
    /// A neighbour asks or answers.
    FromPeer {
        /// Who.
        peer: NodeId,
        /// [`Beat::Ask`] or [`Beat::Answer`].
        beat: Beat,
    },
    /// The answer to [`Effect::Witnesses`].
    Witnesses {
        /// The doubtful peer.
        of: NodeId,
        /// Those it has confirmed links with.
        neighbours: Vec<NodeId>,
    },
    /// Somebody has given up its link with this peer.
    Dropped {
        /// Who may be gone.
        peer: NodeId,
    },
    /// A person wants the round trip measured now.
    Probe {
        /// Of whom.
        peer: NodeId,
    },
    /// New settings.
    Configure(Policy),
}

/// What the pulse asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this to a peer. The connection fills in the clock of a ping.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        beat: Beat,
    },
    /// Who has links with this peer, and might have heard it?
    Witnesses {
        /// The doubtful peer.
        of: NodeId,
    },
    /// Smoothed round trip, microseconds.
    Measured {
        /// Of whom.
        peer: NodeId,
        /// How long.
        rtt_us: u32,
    },
    /// Nothing is heard of this peer any more: its link must go.
    Silent {
        /// Who.
        peer: NodeId,
        /// How long.
        silent: Duration,
        /// A neighbour hears it still: only our link is bad.
        vouched: bool,
    },
    /// The round trip a person asked for; none if there was no answer in time.
    Probed {
        /// Of whom.
        peer: NodeId,
        /// Microseconds.
        rtt_us: Option<u32>,
    },
    /// Something worth remembering of a peer.
    Evidence {
        /// Of whom.
        peer: NodeId,
        /// What.
        text: String,
    },
    /// Our own health has changed: 0 is well, 8 is worst.
    Health(u32),
}

/// The settings the pulse follows.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Time between heartbeats, unstretched.
    pub period: Duration,
    /// Silence after which a peer is given up.
    pub timeout: Duration,
}
