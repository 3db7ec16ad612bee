//! The simulated world: hosts, network and clock; runs whatever is due, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kith::mesh::dice::Dice;
use kith::mesh::route::{Lost, Walk};
use kith::mesh::view::State;
use kith::mesh::{ConnId, Core, NodeId, Time, peers, pulse, topology};

use super::crypto::Checked;
use super::host::{Host, Policies};
use super::laws::Laws;
use super::net::{Net, Weather};
use super::pipe::{Due, PipeId, Pipes, ToProcess};
use super::queue::Queue;
use super::shouts::Shouts;
use super::traffic::Traffic;
use super::truth::Pushes;

/// One step of a turn: an event for one core, or something to tell the connection of a peer.
pub enum Act {
    Peers(peers::Event),
    Topology(topology::Event),
    Pulse(pulse::Event),
}

/// The cores of a process, as its timers are numbered.
pub const CORES: usize = 3;
pub const PEERS: usize = 0;
pub const TOPOLOGY: usize = 1;
pub const PULSE: usize = 2;

/// What is counted over a run.
#[derive(Default, Debug, Clone, Copy)]
pub struct Counts {
    pub events: u64,
    /// What came over the tree to processes that are no more.
    pub ended: Pushes,
    pub dials: u64,
    pub announcements: u64,
    pub gossip: u64,
    /// Frames that ask somebody to dial back.
    pub calls: u64,
    pub beats: u64,
    pub wakes: u64,
    pub notices: u64,
    pub evidence: u64,
    pub silents: u64,
    pub casts: u64,
}

/// What a run ends with when a law is broken: which, and when.
pub struct Broken(pub String);

pub struct World {
    pub seed: u64,
    pub now: Time,
    pub dice: Dice,
    pub net: Net,
    pub hosts: Vec<Host>,
    pub by_addr: BTreeMap<SocketAddr, usize>,
    pub by_id: HashMap<NodeId, usize>,
    pub policies: Policies,
    pub checked: Arc<Mutex<Checked>>,
    pub pipes: Pipes,
    pub counts: Counts,
    pub traffic: Traffic,
    pub laws: Laws,
    pub notices: Vec<(usize, String)>,
    pub casts: BTreeMap<(usize, String), u32>,
    /// What became of probes, by their tickets.
    pub traced: BTreeMap<u64, Result<Walk, Lost>>,
    pub shouts: Shouts,
    /// Pairs whose TCP connects are refused by something between them, in both directions.
    pub never: BTreeSet<(usize, usize)>,
    /// Nobody is asked to pass on that somebody should dial back.
    pub mute_calls: bool,
    queue: Queue<Due>,
    log: VecDeque<String>,
    trace: bool,
    /// The command that runs this again.
    pub replay: String,
}

impl World {
    pub fn new(test: &str, seed: u64, hosts: usize, weather: Weather) -> World {
        let mut dice = Dice::new(seed);
        let net = Net::new(hosts, weather, &mut dice);
        let mut world = World {
            seed,
            now: Time(1_000_000),
            dice,
            net,
            hosts: Vec::new(),
            by_addr: BTreeMap::new(),
            by_id: HashMap::new(),
            policies: Policies::default(),
            checked: Arc::default(),
            pipes: Pipes::default(),
            counts: Counts::default(),
            traffic: Traffic::default(),
            laws: Laws::new(hosts),
            notices: Vec::new(),
            casts: BTreeMap::new(),
            traced: BTreeMap::new(),
            shouts: Shouts::default(),
            never: BTreeSet::new(),
            mute_calls: false,
            queue: Queue::new(),
            log: VecDeque::new(),
            trace: std::env::var_os("KITH_SIM_TRACE").is_some(),
            replay: format!(
                "KITH_SIM_SEED={seed} cargo test --test sim {test} -- --nocapture\n\
                 --- (every event: KITH_SIM_TRACE=1 before it)"
            ),
        };
        for i in 0..hosts {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(seed.wrapping_mul(1000) + i as u64).to_le_bytes());
            let addr = SocketAddr::from(([10, 0, (i / 250) as u8, (i % 250) as u8 + 1], 8100));
            world.hosts.push(Host::new(key, addr));
            world.by_addr.insert(addr, i);
            world.by_id.insert(world.hosts[i].id, i);
        }
        world
    }

    /// Remembers a line for the report of a failure.
    pub fn log(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>10.6} {}", self.now.0 as f64 / 1e6, line());
        if self.trace {
            println!("{line}");
        }
        self.log.push_back(line);
        if self.log.len() > 50 {
            self.log.pop_front();
        }
    }

    /// A law is broken: the drop of the world prints what led to it.
    pub fn broken(&self, law: String) -> ! {
        let law = format!("law broken at {:.6} s: {law}", self.now.0 as f64 / 1e6);
        eprintln!("{law}");
        std::panic::resume_unwind(Box::new(Broken(law)))
    }

    pub fn plan(&mut self, at: Time, due: Due) {
        self.queue.push(at.max(self.now), due);
    }

    /// Runs for this long.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some((at, due)) = self.queue.pop(until) {
            self.now = at;
            self.counts.events += 1;
            self.happen(due);
        }
        self.now = until;
        self.checked.lock().expect("nobody panics while holding it").sweep(until);
    }

    /// Runs until `done` or for at most `limit`; how long it took.
    pub fn run_until(
        &mut self,
        limit: Duration,
        step: Duration,
        mut done: impl FnMut(&World) -> Result<(), String>,
    ) -> Duration {
        let start = self.now;
        loop {
            let why = match done(self) {
                Ok(()) => return self.now.since(start),
                Err(why) => why,
            };
            if self.now.since(start) >= limit {
                self.broken(format!("not within {limit:?}: {why}"));
            }
            self.run_for(step);
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrive { pipe, side, item } => self.arrive(pipe, side, item),
            Due::Retransmit { pipe, side } => self.retransmit(pipe, side),
            Due::Timeout { pipe, side } => {
                let Some(p) = self.pipes.get(&pipe) else { return };
                let (host, boot) = (p.ends[side].host, p.ends[side].boot);
                self.give(host, boot, ToProcess::Timeout { pipe, side });
                self.grown(pipe, side);
            }
            Due::Wake { host, boot, core, at } => {
                let Some(process) = &mut self.hosts[host].process else { return };
                if process.boot == boot && process.armed[core] == Some(at) {
                    process.armed[core] = None;
                    self.give(host, boot, ToProcess::Wake { core });
                }
            }
        }
    }

    /// Hands something to a process, or keeps it while the process is stopped.
    pub fn give(&mut self, host: usize, boot: u32, what: ToProcess) {
        let h = &mut self.hosts[host];
        if h.process.as_ref().is_none_or(|p| p.boot != boot) {
            return;
        }
        if h.stopped {
            h.inbox.push(what);
        } else {
            self.process(host, what);
        }
    }

    fn process(&mut self, host: usize, what: ToProcess) {
        match what {
            ToProcess::Net { pipe, side, item } => self.receive(pipe, side, item),
            ToProcess::Timeout { pipe, side } => self.handshake_timeout(pipe, side),
            ToProcess::Wake { core } => self.wake(host, core),
        }
    }

    fn wake(&mut self, host: usize, core: usize) {
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        let clock = process.clock(now);
        self.counts.wakes += 1;
        if process.next_wake(core).is_none_or(|at| at > clock) {
            return self.arm(host, core);
        }
        let mut todo = VecDeque::new();
        match core {
            PEERS => {
                let mut out = Vec::new();
                process.peers.wake(clock, &mut out);
                self.peers_effects(host, out, &mut todo);
            }
            TOPOLOGY => {
                let mut out = Vec::new();
                process.topology.wake(clock, &mut out);
                self.topology_effects(host, out, &mut todo);
            }
            _ => {
                let mut out = Vec::new();
                process.pulse.wake(clock, &mut out);
                self.pulse_effects(host, out, &mut todo);
            }
        }
        self.turn(host, todo);
        self.arm(host, core);
    }

    /// Runs events of one host until nothing more follows from them.
    pub fn turn(&mut self, host: usize, mut todo: VecDeque<Act>) {
        let mut moved = [false; CORES];
        while let Some(act) = todo.pop_front() {
            let now = self.now;
            let Some(process) = &mut self.hosts[host].process else { return };
            let clock = process.clock(now);
            match act {
                Act::Peers(event) => {
                    moved[PEERS] = true;
                    let mut out = Vec::new();
                    process.peers.handle(clock, event, &mut out);
                    self.peers_effects(host, out, &mut todo);
                }
                Act::Topology(event) => {
                    moved[TOPOLOGY] = true;
                    let mut out = Vec::new();
                    process.topology.handle(clock, event, &mut out);
                    self.topology_effects(host, out, &mut todo);
                }
                Act::Pulse(event) => {
                    moved[PULSE] = true;
                    let mut out = Vec::new();
                    process.pulse.handle(clock, event, &mut out);
                    self.pulse_effects(host, out, &mut todo);
                }
            }
        }
        for core in (0..CORES).filter(|core| moved[*core]) {
            self.arm(host, core);
        }
    }

    pub fn act(&mut self, host: usize, act: Act) {
        self.turn(host, VecDeque::from([act]));
    }

    /// Re-arms the timer of a core. A timer fires up to a millisecond late, as they do.
    fn arm(&mut self, host: usize, core: usize) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(wanted) = process.next_wake(core) else { return };
        let at = process.true_time(wanted).max(self.now);
        if process.armed[core].is_some_and(|armed| armed <= at + Duration::from_millis(1)) {
            return;
        }
        let at = at + Duration::from_micros(50 + self.dice.below(950));
        process.armed[core] = Some(at);
        let boot = process.boot;
        self.plan(at, Due::Wake { host, boot, core, at });
    }

    pub fn name(&self, id: &NodeId) -> String {
        self.by_id.get(id).map_or_else(|| id.short(), |i| format!("n{i}"))
    }

    /// The link of a host to a peer: the pipe and the side the host is on.
    pub fn link(&self, host: usize, peer: &NodeId) -> Option<(PipeId, usize)> {
        let process = self.hosts[host].process.as_ref()?;
        let conn: &ConnId = process.links.get(peer)?;
        process.conns.get(conn).copied()
    }

    /// How `host` sees `of`.
    pub fn sees(&self, host: usize, of: usize) -> Option<State> {
        let process = self.hosts[host].process.as_ref()?;
        process.topology.state_of(&self.hosts[of].id)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the last {} events of seed {}:", self.log.len(), self.seed);
            for line in &self.log {
                eprintln!("{line}");
            }
            eprintln!("--- replay: {}", self.replay);
        }
    }
}
