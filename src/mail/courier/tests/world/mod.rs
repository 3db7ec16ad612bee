//! Couriers in virtual time: a network, disks and sealers made up, driven by the seed alone.

pub mod disk;
mod effects;
mod faults;
mod laws;
pub mod toy;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::disk::Disk;
pub use self::laws::Laws;
use super::kith;
use kith::mail::LetterId;
use kith::mail::courier::Courier;
pub use kith::mail::event::Policy;
use kith::mail::event::{AskId, Draft, Event, Fallback, PushError};
use kith::mail::frame::MailFrame;
use kith::mail::rows::{Change, OutLetter, State};
use kith::mail::work::Sealer;
use kith::mesh::dice::Dice;
use kith::mesh::view::View;
use kith::mesh::{Core, NodeId, Time};

/// The time of day when a world begins.
pub const START_MS: u64 = 1_700_000_000_000;

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn key(n: usize) -> [u8; 32] {
    let mut key = [9; 32];
    key[..8].copy_from_slice(&(n as u64).to_be_bytes());
    key
}

pub fn id(n: usize) -> NodeId {
    static IDS: OnceLock<Vec<NodeId>> = OnceLock::new();
    let ids = IDS.get_or_init(|| (0..100).map(|n| NodeId::of_key(&key(n))).collect());
    ids[n]
}

pub fn policy() -> Policy {
    Policy {
        volunteer: true,
        mailbox: false,
        packets_per_second: 2000,
        packets_per_second_per_link: 200,
        hops: 3,
        fallback: Fallback::Always,
        ttl: Duration::from_secs(7 * 24 * 3600),
        body_bytes_max: 64 * 1024,
        outbox_max: 100_000,
        mailboxes: 3,
        read_receipts: true,
        requests_per_day: 1000,
    }
}

/// What a run is like. Ranges are lowest and highest.
#[derive(Clone, Copy)]
pub struct Weather {
    /// One way, each packet anew: packets overtake one another, frames do not.
    pub delay: (Duration, Duration),
    /// Of 1,000 packets so many are lost.
    pub loss_permille: u64,
    /// Of 1,000 packets so many find the lane full.
    pub full_permille: u64,
    /// A commit, or a reading.
    pub disk: (Duration, Duration),
    /// A job of the sealers.
    pub work: (Duration, Duration),
    /// Until a change of the network is known to a node.
    pub news: (Duration, Duration),
}

impl Default for Weather {
    fn default() -> Weather {
        Weather {
            delay: (ms(1), ms(5)),
            loss_permille: 0,
            full_permille: 0,
            disk: (ms(2), ms(5)),
            work: (Duration::from_micros(100), Duration::from_micros(500)),
            news: (ms(5), ms(50)),
        }
    }
}

pub struct Node {
    pub core: Option<Courier>,
    pub policy: Policy,
    pub disk: Disk,
    pub boot: u32,
    /// How far its clock is off.
    pub skew_ms: i64,
    pub addr: SocketAddr,
    /// What is on its card.
    pub published: Vec<u8>,
    /// What it was last told of the network.
    pub view: Arc<View>,
    started: Time,
    /// Changes that are with the disk: the batch under way, and those that came since.
    committing: Vec<(u64, Change)>,
    queued: Vec<(u64, Change)>,
    armed: Option<Time>,
    news_until: Time,
    sealer: Option<Box<dyn Sealer>>,
    pub pushed: BTreeMap<AskId, Result<OutLetter, PushError>>,
    pub turned: BTreeMap<LetterId, State>,
    pub notices: Vec<String>,
    /// Frames sent, for tests that look at them.
    pub frames: Vec<(NodeId, MailFrame)>,
    /// Routes of packets that were wrapped here, ourselves and the last hop included, newest last.
    pub routes: Vec<(NodeId, Vec<NodeId>)>,
    pub wakes: u64,
}

enum Due {
    Tell {
        to: usize,
        boot: u32,
        event: Event,
    },
    /// Over a link, if it is still the same one.
    Over {
        from: usize,
        to: usize,
        epoch: u64,
        event: Event,
    },
    Commit {
        node: usize,
        boot: u32,
    },
    Load {
        node: usize,
        boot: u32,
        what: Load,
    },
    Wake {
        node: usize,
        boot: u32,
        at: Time,
    },
    /// Whoever may be linked and wants to be, is.
    Link {
        a: usize,
        b: usize,
    },
    /// A link is gone, unless there is a new one already.
    Down {
        to: usize,
        boot: u32,
        peer: usize,
    },
    News,
}

enum Load {
    Body(LetterId),
    Kept { reader: NodeId, but: BTreeSet<[u8; 16]>, bytes: usize },
}

struct Entry(Time, u64, Due);

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

pub struct World {
    pub now: Time,
    pub dice: Dice,
    pub weather: Weather,
    pub nodes: Vec<Node>,
    pub by_id: BTreeMap<NodeId, usize>,
    /// Pairs that cannot be linked, the smaller one first.
    pub never: BTreeSet<(usize, usize)>,
    /// A node that starts links to so many others; more links are made when they are needed.
    pub first_links: usize,
    pub laws: Laws,
    pub replay: String,
    pub links: BTreeMap<(usize, usize), u64>,
    /// When the last frame of a link comes, from the one to the other.
    frames_until: BTreeMap<(usize, usize), Time>,
    seed: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    planned: u64,
    asks: AskId,
    news_planned: bool,
    log: VecDeque<String>,
    trace: bool,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// Nodes that are down; see [`World::start_all`].
    pub fn new(count: usize, seed: u64, policy: Policy) -> World {
        let nobody = |n| View { me: id(n), nodes: Vec::new(), links: Vec::new(), changed_ms: 0 };
        let node = |n| Node {
            core: None,
            policy,
            disk: Disk::default(),
            boot: 0,
            skew_ms: 0,
            addr: SocketAddr::from(([127, 0, 0, 1], 8100)),
            published: Vec::new(),
            view: Arc::new(nobody(n)),
            started: Time(0),
            committing: Vec::new(),
            queued: Vec::new(),
            armed: None,
            news_until: Time(0),
            sealer: Some(Box::new(toy::Toy { me: id(n), key: key(n) })),
            pushed: BTreeMap::new(),
            turned: BTreeMap::new(),
            notices: Vec::new(),
            frames: Vec::new(),
            routes: Vec::new(),
            wakes: 0,
        };
        World {
            now: Time(1_000_000),
            dice: Dice::new(seed),
            weather: Weather::default(),
            nodes: (0..count).map(node).collect(),
            by_id: (0..count).map(|n| (id(n), n)).collect(),
            never: BTreeSet::new(),
            first_links: usize::MAX,
            laws: Laws::default(),
            replay: String::new(),
            links: BTreeMap::new(),
            frames_until: BTreeMap::new(),
            seed,
            queue: BinaryHeap::new(),
            planned: 0,
            asks: 0,
            news_planned: false,
            log: VecDeque::new(),
            trace: std::env::var_os("KITH_SIM_TRACE").is_some(),
        }
    }

    pub fn sealer(&mut self, n: usize, sealer: Box<dyn Sealer>) {
        self.nodes[n].sealer = Some(sealer);
    }

    /// Remembers a line for the report of a failure.
    pub fn log(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>12.6} {}", self.now.0 as f64 / 1e6, line());
        if self.trace {
            println!("{line}");
        }
        self.log.push_back(line);
        if self.log.len() > 50 {
            self.log.pop_front();
        }
    }

    pub fn broken(&self, law: String) -> ! {
        panic!("law broken at {:.6} s: {law}", self.now.0 as f64 / 1e6);
    }

    pub fn name(&self, id: &NodeId) -> String {
        self.by_id.get(id).map_or_else(|| id.short(), |i| format!("n{i}"))
    }

    fn plan(&mut self, at: Time, due: Due) {
        self.planned += 1;
        self.queue.push(Reverse(Entry(at.max(self.now), self.planned, due)));
    }

    fn between(&mut self, range: (Duration, Duration)) -> Duration {
        self.dice.between(range.0, range.1)
    }

    /// Tells a node something after a while.
    pub fn tell(&mut self, to: usize, after: Duration, event: Event) {
        let boot = self.nodes[to].boot;
        self.plan(self.now + after, Due::Tell { to, boot, event });
    }

    /// The time of day by a node's clock.
    pub fn clock(&self, n: usize) -> u64 {
        (START_MS + self.now.as_ms()).saturating_add_signed(self.nodes[n].skew_ms)
    }

    /// The time as the core of a node counts it.
    pub fn local(&self, n: usize) -> Time {
        Time(self.now.0 - self.nodes[n].started.0)
    }

    pub fn core(&self, n: usize) -> &Courier {
        self.nodes[n].core.as_ref().expect("it is up")
    }

    pub fn is_up(&self, n: usize) -> bool {
        self.nodes[n].core.is_some()
    }

    /// Hands an event to a node at once.
    pub fn give(&mut self, n: usize, event: Event) {
        let now = self.local(n);
        let mut out = Vec::new();
        let Some(core) = &mut self.nodes[n].core else { return };
        core.handle(now, event, &mut out);
        self.perform(n, out);
    }

    /// A letter for somebody; the question it is.
    pub fn push(&mut self, from: usize, draft: Draft) -> AskId {
        self.asks += 1;
        let ask = self.asks;
        self.laws.asked.insert(ask, from);
        self.give(from, Event::Push { ask, draft });
        ask
    }

    pub fn letter(&mut self, from: usize, to: usize, body: &[u8]) -> AskId {
        self.push(from, draft(to, body))
    }

    /// Runs for this long.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        while self.queue.peek().is_some_and(|Reverse(e)| e.0 <= until) {
            let Some(Reverse(Entry(at, _, due))) = self.queue.pop() else { break };
            self.now = at;
            self.happen(due);
        }
        self.now = until;
    }

    /// Runs until `done`, or breaks the law that it is within `limit`; how long it took.
    #[track_caller]
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&World) -> Result<(), String>,
    ) -> Duration {
        let (start, step) = (self.now, (limit / 1000).max(ms(5)));
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
            Due::Tell { to, boot, event } if self.nodes[to].boot == boot => {
                if let Event::Graph(view) = &event {
                    self.nodes[to].view = view.clone();
                }
                self.give(to, event);
            }
            Due::Over { from, to, epoch, event }
                if self.links.get(&pair(from, to)) == Some(&epoch) =>
            {
                self.give(to, event);
            }
            Due::Commit { node, boot } if self.nodes[node].boot == boot => self.committed(node),
            Due::Load { node, boot, what } if self.nodes[node].boot == boot => {
                self.loaded(node, what);
            }
            Due::Wake { node, boot, at } => {
                let n = &mut self.nodes[node];
                if n.boot == boot && n.armed == Some(at) {
                    n.armed = None;
                    self.wake(node);
                }
            }
            Due::Link { a, b } => self.link(a, b),
            Due::Down { to, boot, peer }
                if self.nodes[to].boot == boot && !self.links.contains_key(&pair(to, peer)) =>
            {
                self.give(to, Event::LinkDown { peer: id(peer) });
            }
            Due::News => self.spread_news(),
            Due::Down { .. }
            | Due::Tell { .. }
            | Due::Over { .. }
            | Due::Commit { .. }
            | Due::Load { .. } => {}
        }
    }

    fn wake(&mut self, n: usize) {
        let now = self.local(n);
        let mut out = Vec::new();
        let Some(core) = &mut self.nodes[n].core else { return };
        if core.next_wake().is_some_and(|at| at <= now) {
            core.wake(now, &mut out);
            let next = core.next_wake();
            self.nodes[n].wakes += 1;
            if next.is_some_and(|at| at <= now) {
                self.broken(format!("n{n} wakes at {now:?} and wants to at {next:?}: it spins"));
            }
        }
        self.perform(n, out);
    }

    /// Arms the timer of a node. It fires up to a millisecond late, as timers do.
    fn arm(&mut self, n: usize) {
        let node = &self.nodes[n];
        let Some(wanted) = node.core.as_ref().and_then(Core::next_wake) else { return };
        let (boot, at) = (node.boot, Time(node.started.0.saturating_add(wanted.0)).max(self.now));
        if node.armed.is_some_and(|armed| armed <= at + ms(1)) {
            return;
        }
        let at = at + Duration::from_micros(50 + self.dice.below(950));
        self.nodes[n].armed = Some(at);
        self.plan(at, Due::Wake { node: n, boot, at });
    }
}

pub fn draft(to: usize, body: &[u8]) -> Draft {
    Draft { to: id(to), body: body.into(), key: None, hops: None, shards: None, ttl_s: None }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the last {} events of seed {}:", self.log.len(), self.seed);
            for line in &self.log {
                eprintln!("{line}");
            }
            if !self.replay.is_empty() {
                eprintln!("--- replay: KITH_SIM_SEED={} {}", self.seed, self.replay);
                eprintln!("--- (every event: KITH_SIM_TRACE=1 before it)");
            }
        }
    }
}
