//! One machine: what survives a crash of its daemon, and the running daemon itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
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

use super::crypto::SimCrypto;
use super::pipe::{PipeId, ToProcess};

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
}

pub struct Process {
    pub boot: u32,
    pub started: Time,
    pub peers: Peers,
    pub topology: Topology,
    pub pulse: Pulse,
    pub root: u64,
    /// The conn that is the link to each peer, as the actors would keep it.
    pub links: BTreeMap<NodeId, ConnId>,
    pub conns: BTreeMap<ConnId, (PipeId, usize)>,
    pub armed: [Option<Time>; 3],
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
        }
    }

    /// Starts the daemon. The epoch is made as in the daemon: max(clock, stored epoch + 1).
    pub fn boot(&mut self, now: Time, label: &str, seed: u64) -> &mut Process {
        let start_ms = UNIX_MS + now.as_ms();
        let epoch = start_ms.max(self.book.epoch + 1);
        self.book.epoch = epoch;
        self.boots += 1;
        self.stopped = false;
        self.left = false;
        self.inbox.clear();
        let crypto = Arc::new(SimCrypto(self.key));
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
        let pulse =
            pulse::Policy { period: Duration::from_secs(1), timeout: Duration::from_secs(3) };
        self.process.insert(Process {
            boot: self.boots,
            started: now,
            peers: Peers::new(home, peers_policy(self.plan), self.book.clone(), seed),
            topology: Topology::new(identity, topology_policy(self.plan), crypto),
            pulse: Pulse::new(pulse, seed ^ 1),
            root: 0,
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            armed: [None; 3],
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
        Time(now.0 - self.started.0)
    }

    pub fn next_wakes(&self) -> [Option<Time>; 3] {
        [self.peers.next_wake(), self.topology.next_wake(), self.pulse.next_wake()]
    }
}
