//! What was found out about a node and its machine: plain values, from which the checks are made.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::api::shapes::{Peers, Status};

use super::super::trouble::Exit;

/// Everything the checks look at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Version of this program.
    pub program: String,
    /// The time of day, Unix milliseconds.
    pub now_ms: u64,
    /// What this command line's settings lead to, or all that is wrong with them.
    pub settings: Result<Read, Vec<String>>,
    /// What the daemon runs with; if none runs, what it would be started with.
    pub values: Values,
    /// The state directory; none if state is kept in memory only.
    pub state: Option<State>,
    /// The daemon.
    pub daemon: Daemon,
    /// What listens on this machine; none if the system does not tell.
    pub listeners: Option<Vec<Listener>>,
    /// Who has UDP port 5353.
    pub mdns: Vec<Option<Holder>>,
    /// The addresses to dial first, as far as they were tried.
    pub seeds: Vec<Seed>,
    /// How many more there are.
    pub seeds_untried: usize,
    /// The machine.
    pub machine: Machine,
}

/// Settings that are good.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// How many there are.
    pub count: usize,
    /// The files they came from.
    pub files: Vec<PathBuf>,
}

/// Settings that checks look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Where the mesh listens, or is to.
    pub listen: SocketAddr,
    /// Addresses told to others; empty: those found out.
    pub advertise: Vec<SocketAddr>,
    /// Anyone of the network may link.
    pub open: bool,
    /// There is a secret.
    pub secret: bool,
    /// How many ids alone may link; 0: any.
    pub allowed: usize,
    /// Nodes on the local network are looked for.
    pub mdns: bool,
    /// Most links accepted.
    pub links_max: u64,
    /// Most handshakes and dials under way.
    pub handshakes_max: u64,
    /// Most downloads at once.
    pub transfers_max: u64,
    /// Memory that downloads may take.
    pub buffer_bytes: u64,
    /// The key file, if one is named.
    pub key: Option<PathBuf>,
    /// Where downloads go, if that is named.
    pub downloads: Option<PathBuf>,
}

/// The state directory.
#[derive(Clone, Debug)]
pub struct State {
    /// Where it is.
    pub dir: PathBuf,
    /// What is there.
    pub there: There,
    /// Permission bits of the key; none if there is no such file.
    pub key: Option<(PathBuf, u32)>,
    /// The certificate is there.
    pub certificate: bool,
    /// Permission bits of the control token.
    pub token: Option<u32>,
    /// Where the control API of the last start listened.
    pub addr: Option<String>,
    /// Who has its lock.
    pub held_by: Option<u32>,
    /// Room on its disk.
    pub space: Option<Space>,
    /// Unix milliseconds of the newest file in it.
    pub newest_ms: Option<u64>,
}

/// What is where the state directory should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// It belongs to whoever runs this, or root runs this.
        ours: bool,
        /// It can be written to.
        writable: bool,
    },
    /// Nothing.
    Nothing {
        /// It can be made.
        can_be_made: bool,
    },
    /// Something else.
    Else,
    /// That cannot be seen; why.
    Unseen(String),
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What came of asking the daemon.
#[derive(Clone, Debug)]
pub enum Daemon {
    /// It answers.
    Answers(Box<Answers>),
    /// It does not.
    Silent {
        /// As a verb would have ended.
        exit: Exit,
        /// Why not.
        why: String,
        /// What to do.
        remedy: String,
    },
}

/// What a daemon answered.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Where its control API is.
    pub addr: SocketAddr,
    /// Its process, if the system tells.
    pub pid: Option<u32>,
    /// How it is.
    pub status: Status,
    /// Whom it knows.
    pub peers: Peers,
}

/// A socket that listens for TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub addr: SocketAddr,
    /// Whose it is; only its owner and root are told.
    pub holder: Option<Holder>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// An address to dial first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// As it is configured.
    pub target: String,
    /// What came of dialling it.
    pub end: Dialled,
}

/// What came of dialling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// Somebody listens there.
    Answered,
    /// It is this node itself.
    Myself,
    /// The name cannot be looked up; why.
    Unknown(String),
    /// Nobody is there; why.
    Failed(String),
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The clock is kept right by a time server; none if nobody tells.
    pub synchronised: Option<bool>,
    /// Open files allowed now, and at most; of the daemon if one answers, else of this program.
    pub files: Option<(u64, u64)>,
    /// Open files of the daemon.
    pub files_open: Option<u64>,
    /// Bytes of memory allowed, if there is a limit.
    pub memory_limit: Option<u64>,
    /// How often the system has ended something here for want of memory.
    pub memory_kills: Option<u64>,
    /// Bytes of memory in all.
    pub memory: Option<u64>,
    /// Where downloads go by default, and the room there.
    pub downloads: Option<(PathBuf, Space)>,
    /// The machine speaks IPv6, beyond the loopback.
    pub ipv6: Option<bool>,
    /// What starts the daemon.
    pub unit: Option<Unit>,
}

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// It belongs to a user's own systemd.
    pub of_user: bool,
    /// How often it was started again after a failure.
    pub restarts: Option<u64>,
}
