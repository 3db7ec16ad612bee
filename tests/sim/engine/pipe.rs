//! One TCP connection with the daemon's protocol on it: segments in order, retransmission while the
//! path is cut, resets.

use std::collections::VecDeque;
use std::ops::Index;
use std::time::Duration;

use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::peers::Bye;
use kith::mesh::record::Record;
use kith::mesh::{ConnId, NodeId, Time};

/// Where a pipe lies, and the how manieth it is that lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeId {
    place: u32,
    turn: u32,
}

/// What crosses a pipe.
#[derive(Clone, Debug)]
pub enum Item {
    Syn,
    SynAck,
    ClientHello,
    /// Its identity is that of the host it comes from.
    ServerHello,
    DiallerHello(Box<Record>),
    AcceptorHello(Box<Record>),
    Ready,
    Gossip(Box<Gossip>),
    Beat(Box<Beat>),
    /// Why, and cards of others for one that finds no room.
    Bye(Bye, Vec<Record>),
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
    /// The dialler's handshake timeout is still to come; the pipe is kept until then.
    pub young: bool,
}

impl Pipe {
    /// Neither end uses it any more.
    pub fn is_over(&self) -> bool {
        !self.young && self.ends.iter().all(|end| end.stage == Stage::Closed)
    }
}

/// All pipes. A number that was given back is not mistaken for its new pipe.
#[derive(Default)]
pub struct Pipes {
    places: Vec<(u32, Option<Pipe>)>,
    free: Vec<u32>,
}

impl Pipes {
    pub fn insert(&mut self, pipe: Pipe) -> PipeId {
        if let Some(place) = self.free.pop() {
            let (turn, old) = &mut self.places[place as usize];
            *turn = turn.wrapping_add(1);
            *old = Some(pipe);
            return PipeId { place, turn: *turn };
        }
        let place = u32::try_from(self.places.len()).expect("memory ends before the numbers do");
        self.places.push((0, Some(pipe)));
        PipeId { place, turn: 0 }
    }

    pub fn get(&self, id: &PipeId) -> Option<&Pipe> {
        let (turn, pipe) = self.places.get(id.place as usize)?;
        pipe.as_ref().filter(|_| *turn == id.turn)
    }

    pub fn get_mut(&mut self, id: &PipeId) -> Option<&mut Pipe> {
        let (turn, pipe) = self.places.get_mut(id.place as usize)?;
        pipe.as_mut().filter(|_| *turn == id.turn)
    }

    pub fn remove(&mut self, id: &PipeId) {
        if self.get(id).is_some() {
            self.places[id.place as usize].1 = None;
            self.free.push(id.place);
        }
    }
}

impl Index<&PipeId> for Pipes {
    type Output = Pipe;
    fn index(&self, id: &PipeId) -> &Pipe {
        self.get(id).expect("whoever names a pipe this way has just seen it")
    }
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
