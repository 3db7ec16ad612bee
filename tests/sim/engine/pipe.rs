//! One TCP connection with the daemon's protocol on it: segments in order, retransmission while the
//! path is cut, resets.

use std::collections::VecDeque;
use std::time::Duration;

use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::peers::Bye;
use kith::mesh::record::Record;
use kith::mesh::{ConnId, NodeId, Time};

pub type PipeId = u64;

/// What crosses a pipe.
#[derive(Clone, Debug)]
pub enum Item {
    Syn,
    SynAck,
    ClientHello,
    ServerHello(NodeId),
    DiallerHello(Box<Record>),
    AcceptorHello(Box<Record>),
    Ready,
    Gossip(Box<Gossip>),
    Beat(Beat),
    Bye(Bye),
    Fin,
    Rst,
}

/// How far one end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The dialler waits for the other kernel.
    Syn,
    /// Handshake under way.
    Greeting,
    /// The registry has kept it.
    Kept,
    Closed,
}

pub struct End {
    pub host: usize,
    pub boot: u32,
    pub conn: ConnId,
    pub stage: Stage,
    /// Of the other end.
    pub card: Option<Record>,
    pub hello_at: Time,
}

#[derive(Default)]
pub struct Lane {
    /// Written while the path was cut, or behind something that was.
    pub waiting: VecDeque<Item>,
    pub blocked: bool,
    pub rto: Duration,
    /// When the last segment sent arrives: the next one does not overtake it.
    pub last: Time,
}

/// Side 0 dialled, side 1 accepted; lane 0 goes from side 0 to side 1.
pub struct Pipe {
    pub expect: Option<NodeId>,
    pub ends: [End; 2],
    pub lanes: [Lane; 2],
}

/// What the kernel or the clock has for a process; kept back while it is stopped.
#[derive(Clone, Debug)]
pub enum ToProcess {
    Net { pipe: PipeId, side: usize, item: Item },
    Timeout { pipe: PipeId, side: usize },
    Wake { core: usize },
}

/// What is due at some time.
#[derive(Clone, Debug)]
pub enum Due {
    Arrive { pipe: PipeId, side: usize, item: Item },
    Retransmit { pipe: PipeId, side: usize },
    Timeout { pipe: PipeId, side: usize },
    Wake { host: usize, boot: u32, core: usize, at: Time },
}
