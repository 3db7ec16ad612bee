//! One machine: what survives a crash of its daemon, and the running daemon itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kith::mesh::book::Book;
use kith::mesh::graph::Limits;
use kith::mesh::peers::{self, Peers};
use kith::mesh::pulse::{self, Pulse};
use kith::mesh::record::{Crypto, Record};
use kith::mesh::shape::{Mode, Plan};
use kith::mesh::topology::{self, Topology};
use kith::mesh::trust::Rules;
use kith::mesh::{ConnId, Core, NodeId, Time};
use kith::wire::bounded::Text;

use super::crypto::{Checked, SimCrypto};
use super::pipe::{PipeId, ToProcess};
use super::world::{CORES, PEERS, TOPOLOGY};

/// Unix milliseconds at which every simulation begins.
pub const UNIX_MS: u64 = 1_750_000_000_000;

pub struct Host {
    pub id: NodeId,
    pub key: [u8; 32],
    pub addr: SocketAddr,
    pub seeds: Vec<SocketAddr>,
    pub book: Book,
    pub process: Option<Process>,
    pub boots: u32,
    pub stopped: bool,
    /// What came while the process was stopped, or timers that were due.
    pub inbox: Vec<ToProcess>,
    /// It said goodbye.
    pub left: bool,
    /// Who links with whom, from the next start on.
    pub plan: Plan,
    /// How its clock goes; looked at when the daemon starts.
    pub skew: Skew,
}

/// How wrong a clock is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// Milliseconds it is ahead of the others.
    pub ahead_ms: i64,
    /// Of a million microseconds it counts so many too many.
    pub fast_ppm: i32,
}

impl Skew {
    const MILLION: i128 = 1_000_000;

    /// What it counts in a span of true time.
    fn counted(self, span: u64) -> u64 {
        let counted = i128::from(span) * (Skew::MILLION + i128::from(self.fast_ppm));
        u64::try_from(counted / Skew::MILLION).unwrap_or(0)
    }

    /// After how much true time it has counted that much.
    fn lasts(self, counted: u64) -> u64 {
        if self.fast_ppm == 0 {
            return counted;
        }
        let rate = Skew::MILLION + i128::from(self.fast_ppm);
        u64::try_from((i128::from(counted) * Skew::MILLION + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}

/// What every daemon is set to.
#[derive(Clone, Debug)]
pub struct Policies {
    pub peers: peers::Policy,
    pub topology: topology::Policy,
    pub pulse: pulse::Policy,
}

impl Default for Policies {
    fn default() -> Policies {
        let timeout = Duration::from_secs(3);
        Policies {
            peers: peers_policy(FULL),
            topology: topology_policy(FULL),
            pulse: pulse::Policy { period: Duration::from_secs(1), timeout },
        }
    }
}

pub struct Process {
    pub boot: u32,
    pub started: Time,
    pub skew: Skew,
    pub peers: Peers,
    pub topology: Topology,
    pub pulse: Pulse,
    pub root: u64,
    /// The conn that is the link to each peer, as the actors would keep it.
    pub links: BTreeMap<NodeId, ConnId>,
    pub conns: BTreeMap<ConnId, (PipeId, usize)>,
    pub armed: [Option<Time>; CORES],
    /// Cards of nodes that have room for more links.
    pub room: Vec<Record>,
}

pub const NODES_MAX: usize = 4096;

/// Everyone links with everyone.
pub const FULL: Plan = Plan { mode: Mode::Full, degree: 8, conns_max: 16 };

pub fn peers_policy(plan: Plan) -> peers::Policy {
    peers::Policy {
        rules: Rules::default(),
        incoming_max: 128,
        pending_max: 64,
        per_address_max: 16,
        dialing_max: 16,
        dials_per_second: 64,
        attempts_max: 4,
        delay: (Duration::from_millis(250), Duration::from_secs(30)),
        book_max: 4096,
        banned_max: 1024,
        plan,
    }
}

fn topology_policy(plan: Plan) -> topology::Policy {
    topology::Policy {
        period: Some(Duration::from_secs(30)),
        limits: Limits { nodes_max: NODES_MAX, forget_after: Duration::from_secs(86_400) },
        records_per_second: 50,
        degree_max: 128,
        plan,
    }
}

impl Host {
    pub fn new(key: [u8; 32], addr: SocketAddr) -> Host {
        Host {
            id: NodeId::of_key(&key),
            key,
            addr,
            seeds: Vec::new(),
            book: Book::default(),
            process: None,
            boots: 0,
            stopped: false,
            inbox: Vec::new(),
            left: false,
            plan: FULL,
            skew: Skew::default(),
        }
    }

    /// Starts the daemon. The epoch is made as in the daemon: max(clock, stored epoch + 1).
    pub fn boot(
        &mut self,
        now: Time,
        label: &str,
        seed: u64,
        policies: &Policies,
        checked: Arc<Mutex<Checked>>,
    ) -> &mut Process {
        let start_ms = (UNIX_MS + now.as_ms()).saturating_add_signed(self.skew.ahead_ms);
        let epoch = start_ms.max(self.book.epoch + 1);
        self.book.epoch = epoch;
        self.boots += 1;
        self.stopped = false;
        self.left = false;
        self.inbox.clear();
        let crypto = Arc::new(SimCrypto::new(self.key, checked));
        assert_eq!(NodeId::of_key(&crypto.key()), self.id);
        let home = peers::Home {
            me: self.id,
            start_ms,
            listen: self.addr,
            advertise: Vec::new(),
            seeds: self.seeds.clone(),
        };
        let identity = topology::Identity {
            network: Text::new("sim").expect("short"),
            label: Text::new(label).expect("short"),
            relay: false,
            mailbox: false,
            epoch,
            start_ms,
        };
        let (mut peers, mut topology) = (policies.peers.clone(), policies.topology);
        (peers.plan, topology.plan) = (self.plan, self.plan);
        self.process.insert(Process {
            boot: self.boots,
            started: now,
            skew: self.skew,
            peers: Peers::new(home, peers, self.book.clone(), seed),
            topology: Topology::new(identity, topology, crypto),
            pulse: Pulse::new(policies.pulse, seed ^ 1),
            root: 0,
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            armed: [None; CORES],
            room: Vec::new(),
        })
    }

    pub fn alive(&self) -> bool {
        self.process.is_some()
    }
}

impl Process {
    /// The daemon's own clock.
    pub fn clock(&self, now: Time) -> Time {
        Time(self.skew.counted(now.0 - self.started.0))
    }

    /// When, in true time, its clock shows this.
    pub fn true_time(&self, clock: Time) -> Time {
        Time(self.started.0.saturating_add(self.skew.lasts(clock.0)))
    }

    /// When a core wants to be woken, by its own clock.
    pub fn next_wake(&self, core: usize) -> Option<Time> {
        match core {
            PEERS => self.peers.next_wake(),
            TOPOLOGY => self.topology.next_wake(),
            _ => self.pulse.next_wake(),
        }
    }
}
