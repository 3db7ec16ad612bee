//! A network, disks and actors made up: frames take time, bytes take bandwidth, disks take theirs. What a piece
//! contains is one bit: right or wrong.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::mesh::view::{NodeView, State, View};
use crate::mesh::{Core, Time};
use crate::pieces::event::{Effect, Event, Stored, TransferId, Trouble};
use crate::pieces::frame::{Nope, Part, PieceFrame};
use crate::pieces::rows::Phase;

/// Chunks a path holds, written and not yet taken in.
const PATH_CHUNKS: u32 = 4;
/// Bytes that come as one, and the rate below which it matters.
const BLOCK: u32 = 64 * 1024;
const BLOCK_RATE: u64 = 64 * 1024;

/// Bytes on their way.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    to: usize,
    request: u64,
    bytes: u32,
    good: bool,
    /// Bytes the core is told were sent when this is.
    tells: u32,
}

/// Something asked for.
#[derive(Clone, Copy, Debug)]
struct Reserved {
    bytes: u32,
    got: u32,
    good: bool,
    told: Time,
    whole: bool,
}

pub struct Node {
    pub core: Exchange,
    pub up: bool,
    pub liar: bool,
    /// Bytes a second, up and down.
    pub rate: (u64, u64),
    pub disk: Duration,
    /// The disk has room for so many more pieces.
    pub room: u64,
    /// What is on its disk.
    pub held: BTreeMap<FileId, Bitmap>,
    reserved: BTreeMap<(usize, u64), Reserved>,
    uplink: VecDeque<Chunk>,
    /// What is being written.
    sending: Option<Chunk>,
    /// Chunks between here and each peer: a path holds little.
    stuffed: BTreeMap<usize, u32>,
    down_free: Time,
    wake: Option<Time>,
    /// Bytes of content that came over its links, wanted or not.
    pub received: u64,
    pub notices: Vec<String>,
    pub closed: Vec<String>,
    pub done: BTreeMap<TransferId, Time>,
    /// When a piece was last stored.
    pub stored_at: Vec<Time>,
    boots: u64,
}

#[derive(Clone, Debug)]
enum Happening {
    Tell { to: usize, boot: u64, event: Event },
    Frame { from: usize, to: usize, epoch: u64, frame: PieceFrame },
    Read { from: usize, chunk: Chunk, epoch: u64 },
    Uplink { from: usize, boot: u64 },
    Arrived { from: usize, epoch: u64, chunk: Chunk },
    Wake { to: usize },
    Link { a: usize, b: usize },
}

pub struct World {
    pub now: Time,
    pub nodes: Vec<Node>,
    pub delay: Duration,
    /// All link to all; otherwise links are made when they are needed.
    pub meshed: bool,
    pub files: BTreeMap<FileId, KnownFile>,
    happenings: BTreeMap<(Time, u64), Happening>,
    seq: u64,
    /// Which link there is between two, by its number.
    links: BTreeMap<(usize, usize), u64>,
    by_id: BTreeMap<crate::mesh::NodeId, usize>,
    pub turns: u64,
    /// A digest of all that was done.
    pub trace: u64,
    /// Downloads that stop for good are not a mistake of the test.
    pub may_fail: bool,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub fn new(count: usize, seed: u64, policy: Policy) -> World {
        let node = |n| Node {
            core: exchange(n, policy, seed * 1000 + n as u64),
            up: true,
            liar: false,
            rate: (50 * MIB, 50 * MIB),
            disk: Duration::from_millis(1),
            room: u64::MAX,
            held: BTreeMap::new(),
            reserved: BTreeMap::new(),
            uplink: VecDeque::new(),
            sending: None,
            stuffed: BTreeMap::new(),
            down_free: Time(0),
            wake: None,
            received: 0,
            notices: Vec::new(),
            closed: Vec::new(),
            done: BTreeMap::new(),
            stored_at: Vec::new(),
            boots: 0,
        };
        World {
            now: Time(0),
            nodes: (0..count).map(node).collect(),
            delay: Duration::from_millis(5),
            meshed: true,
            files: BTreeMap::new(),
            happenings: BTreeMap::new(),
            seq: 0,
            links: BTreeMap::new(),
            by_id: (0..count).map(|n| (id(n), n)).collect(),
            turns: 0,
            trace: 0,
            may_fail: false,
        }
    }

    pub fn start(&mut self) {
        self.graph();
        if self.meshed {
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.link(a, b);
                }
            }
        }
    }

    fn graph(&mut self) {
        let up = (0..self.nodes.len()).filter(|n| self.nodes[*n].up);
        let mut nodes: Vec<NodeView> = up
            .map(|n| NodeView {
                id: id(n),
                label: String::new(),
                state: State::Alive,
                addrs: Vec::new(),
                since_ms: 0,
                offers: Default::default(),
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        for n in 0..self.nodes.len() {
            let nodes = nodes.clone();
            let view = View { me: id(n), nodes, links: Vec::new(), changed_ms: 0 };
            self.tell(n, Duration::ZERO, Event::Graph(Arc::new(view)));
        }
    }

    fn at(&mut self, when: Time, what: Happening) {
        self.seq += 1;
        self.happenings.insert((when, self.seq), what);
    }

    pub fn tell(&mut self, to: usize, after: Duration, event: Event) {
        let boot = self.nodes[to].boots;
        self.at(self.now + after, Happening::Tell { to, boot, event });
    }

    pub fn link(&mut self, a: usize, b: usize) {
        if a == b || !self.nodes[a].up || !self.nodes[b].up {
            return;
        }
        self.seq += 1;
        let epoch = self.seq;
        if self.links.contains_key(&pair(a, b)) {
            return;
        }
        self.links.insert(pair(a, b), epoch);
        let rtt_us = u32::try_from(2 * self.delay.as_micros()).unwrap();
        self.tell(a, Duration::ZERO, Event::LinkUp { peer: id(b), rtt_us });
        self.tell(b, Duration::ZERO, Event::LinkUp { peer: id(a), rtt_us });
    }

    /// The node is gone; the others are told after a while (a silent death) or at once.
    pub fn kill(&mut self, n: usize, noticed_after: Duration) {
        let node = &mut self.nodes[n];
        node.up = false;
        node.boots += 1;
        node.reserved.clear();
        node.uplink.clear();
        node.sending = None;
        node.stuffed.clear();
        for other in 0..self.nodes.len() {
            if self.links.remove(&pair(n, other)).is_some() {
                self.tell(other, noticed_after, Event::LinkDown { peer: id(n) });
                // Their ends of it are gone then, too.
                self.nodes[other].uplink.retain(|chunk| chunk.to != n);
            }
        }
        if noticed_after.is_zero() {
            self.graph();
        }
    }

    /// The node starts again with what is on its disk.
    pub fn revive(&mut self, n: usize, policy: Policy) {
        let seed = self.nodes[n].boots * 7919 + n as u64;
        let node = &mut self.nodes[n];
        node.core = Exchange::new(
            Home { me: id(n), start_ms: START_MS },
            policy,
            seed,
            Arc::new(Plain(key(n))),
        );
        node.up = true;
        node.wake = None;
        self.graph();
        if self.meshed {
            for other in 0..self.nodes.len() {
                self.link(n, other);
            }
        }
    }

    /// A node shares a whole file, or what it holds of it.
    pub fn share(&mut self, n: usize, known: KnownFile) {
        self.files.insert(known.file, KnownFile { held: Bitmap::none(0), ..known.clone() });
        self.nodes[n].held.insert(known.file, known.held.clone());
        self.tell(n, Duration::ZERO, Event::Serve(known));
    }

    pub fn get(&mut self, n: usize, transfer: TransferId, file: FileId, hint: usize) {
        let hints = vec![(id(hint), std::net::SocketAddr::from(([10, 0, 0, 1], 1)))];
        self.tell(n, Duration::ZERO, Event::Get { transfer, file, hints });
    }

    /// Goes on with a download of an earlier run.
    pub fn resume(&mut self, n: usize, transfer: TransferId, file: FileId, hint: usize) {
        self.get(n, transfer, file, hint);
        let known = self.known(n, file);
        self.tell(n, Duration::from_millis(10), Event::Prepared { transfer, file: known });
    }

    fn known(&self, n: usize, file: FileId) -> KnownFile {
        let known = self.files[&file].clone();
        let pieces = u32::try_from(known.bytes.div_ceil(MIB)).unwrap();
        let held = self.nodes[n].held.get(&file).cloned();
        KnownFile { held: held.unwrap_or(Bitmap::none(pieces)), ..known }
    }

    /// Runs until all these downloads are done; the time it took.
    #[track_caller]
    pub fn run_until_done(&mut self, of: &[(usize, TransferId)], at_most: Duration) -> Duration {
        let begun = self.now;
        while !of.iter().all(|(n, t)| self.nodes[*n].done.contains_key(t)) {
            if self.now.since(begun) > at_most || !self.step() {
                for (n, t) in of {
                    let rows = self.nodes[*n].core.rows();
                    let row = rows.iter().find(|row| row.transfer == *t);
                    if row.is_none_or(|row| row.phase != Phase::Done) {
                        eprintln!(
                            "node {n}: {:?} of {:?}",
                            row.as_ref().map(|r| r.pieces_done),
                            row.as_ref().map(|r| r.phase)
                        );
                    }
                }
                panic!("not done after {at_most:?} (now {:?})", self.now);
            }
        }
        self.now.since(begun)
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.happenings.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// The next thing happens; false if there is none.
    fn step(&mut self) -> bool {
        let Some(((at, _), what)) = self.happenings.pop_first() else { return false };
        self.now = self.now.max(at);
        match what {
            Happening::Tell { to, boot, event } => {
                // News of a link that has been replaced since is no news.
                let stale = match &event {
                    Event::LinkDown { peer } => self.linked(to, self.by_id[peer]),
                    _ => false,
                };
                if self.nodes[to].up && self.nodes[to].boots == boot && !stale {
                    self.told(to, &event);
                    self.turn(to, Some(event));
                }
            }
            Happening::Frame { from, to, epoch, frame } => {
                if self.links.get(&pair(from, to)) == Some(&epoch) {
                    if let PieceFrame::Nope { request, .. } = frame {
                        // The buffer of a request ends with its nope, unless all of it is there.
                        let mine = (from, request);
                        self.nodes[to].reserved.retain(|key, r| *key != mine || r.whole);
                    }
                    self.turn(to, Some(Event::FromPeer { peer: id(from), frame }));
                }
            }
            Happening::Read { from, chunk, epoch } => {
                if self.links.get(&pair(from, chunk.to)) == Some(&epoch) {
                    for block in self.blocks(from, chunk) {
                        self.nodes[from].uplink.push_back(block);
                    }
                    self.send_next(from);
                }
            }
            Happening::Uplink { from, boot } => {
                if self.nodes[from].boots != boot {
                    return true;
                }
                if let Some(chunk) = self.nodes[from].sending.take()
                    && let Some(epoch) = self.links.get(&pair(from, chunk.to)).copied()
                {
                    let there = self.now + self.delay;
                    let takes = span(chunk.bytes, self.nodes[chunk.to].rate.1);
                    let node = &mut self.nodes[chunk.to];
                    node.down_free = node.down_free.max(there) + takes;
                    let when = node.down_free;
                    *self.nodes[from].stuffed.entry(chunk.to).or_default() += 1;
                    self.at(when, Happening::Arrived { from, epoch, chunk });
                    let Chunk { to, request, tells: bytes, .. } = chunk;
                    let sent = Event::Sent { peer: id(to), request, bytes };
                    if bytes > 0 {
                        self.tell(from, Duration::ZERO, sent);
                    }
                }
                self.send_next(from);
            }
            Happening::Arrived { from, epoch, chunk } => {
                if let Some(count) = self.nodes[from].stuffed.get_mut(&chunk.to) {
                    *count = count.saturating_sub(1);
                }
                self.send_next(from);
                if self.links.get(&pair(from, chunk.to)) == Some(&epoch) {
                    self.arrived(from, chunk);
                }
            }
            Happening::Wake { to } => {
                if self.nodes[to].up && self.nodes[to].wake == Some(self.now) {
                    self.nodes[to].wake = None;
                    self.turn(to, None);
                }
            }
            Happening::Link { a, b } => self.link(a, b),
        }
        true
    }

    /// What a slow line brings is told block by block.
    fn blocks(&self, from: usize, chunk: Chunk) -> Vec<Chunk> {
        let rate = self.nodes[from].rate.0.min(self.nodes[chunk.to].rate.1);
        let block = if rate < BLOCK_RATE { BLOCK } else { chunk.bytes };
        let begins = (0..chunk.bytes).step_by(block.max(1) as usize);
        let blocks = begins.map(|at| {
            let bytes = block.min(chunk.bytes - at);
            let last = at + bytes == chunk.bytes;
            Chunk { bytes, tells: if last { chunk.tells } else { 0 }, ..chunk }
        });
        blocks.collect()
    }

    fn send_next(&mut self, from: usize) {
        let node = &mut self.nodes[from];
        if node.sending.is_some() {
            return;
        }
        let next = node
            .uplink
            .iter()
            .position(|chunk| node.stuffed.get(&chunk.to).is_none_or(|n| *n < PATH_CHUNKS));
        if let Some(chunk) = next.and_then(|at| node.uplink.remove(at)) {
            node.sending = Some(chunk);
            let takes = span(chunk.bytes, node.rate.0);
            self.at(self.now + takes, Happening::Uplink { from, boot: self.nodes[from].boots });
        }
    }

    fn arrived(&mut self, from: usize, chunk: Chunk) {
        let (to, now) = (chunk.to, self.now);
        let node = &mut self.nodes[to];
        node.received += u64::from(chunk.bytes);
        let Some(reserved) = node.reserved.get_mut(&(from, chunk.request)) else { return };
        reserved.got += chunk.bytes;
        reserved.good &= chunk.good;
        assert!(reserved.got <= reserved.bytes, "more came than was asked for");
        let event = if reserved.got == reserved.bytes {
            reserved.whole = true;
            Event::Received { peer: id(from), request: chunk.request }
        } else if now.since(reserved.told) > Duration::from_millis(200) {
            reserved.told = now;
            Event::Progress { peer: id(from), request: chunk.request, bytes: reserved.got }
        } else {
            return;
        };
        self.turn(to, Some(event));
    }

    /// What the made-up actor does before the core is told.
    fn told(&mut self, n: usize, event: &Event) {
        if let Event::LinkDown { peer } | Event::LinkUp { peer, .. } = event {
            let peer = self.by_id[peer];
            self.nodes[n].reserved.retain(|(from, _), r| *from != peer || r.whole);
        }
    }

    fn turn(&mut self, n: usize, event: Option<Event>) {
        self.turns += 1;
        let mut out = Vec::new();
        let node = &mut self.nodes[n];
        match event {
            Some(event) => node.core.handle(self.now, event, &mut out),
            None => node.core.wake(self.now, &mut out),
        }
        if self.turns.is_multiple_of(64) {
            node.core.check();
        }
        for effect in out {
            self.perform(n, effect);
        }
        let node = &mut self.nodes[n];
        let reserved: u64 = node.reserved.values().map(|r| u64::from(r.bytes)).sum();
        assert!(reserved <= 32 * MIB, "buffers of {reserved} bytes");
        let wake = node.core.next_wake().map(|at| at.max(self.now + Duration::from_micros(10)));
        if let Some(at) = wake.filter(|at| node.wake.is_none_or(|w| *at < w)) {
            node.wake = Some(at);
            self.at(at, Happening::Wake { to: n });
        }
    }

    fn note(&mut self, n: usize, effect: &Effect) {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        (self.trace, self.now, n, format!("{effect:?}")).hash(&mut hasher);
        self.trace = hasher.finish();
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        if self.nodes.len() < 12 {
            self.note(n, &effect);
        }
        match effect {
            Effect::Send { peer, frame } => self.send(n, self.by_id[&peer], frame),
            Effect::Ask { peer, request, file, part, bytes } => {
                let from = self.by_id[&peer];
                self.law_of_asking(n, from, file, part);
                let reserved = Reserved { bytes, got: 0, good: true, told: self.now, whole: false };
                let before = self.nodes[n].reserved.insert((from, request), reserved);
                assert!(before.is_none(), "a request number was used again");
                self.send(n, from, PieceFrame::Ask { request, file, part, offset: 0, bytes });
            }
            Effect::Drop { peer, request } => {
                let dropped = self.nodes[n].reserved.remove(&(self.by_id[&peer], request));
                assert!(dropped.is_some() || !self.linked(n, self.by_id[&peer]), "dropped twice");
            }
            Effect::Prepare { transfer, peer, request } => {
                let whole = self.nodes[n].reserved.remove(&(self.by_id[&peer], request));
                let file = self.file_of(n, transfer);
                let event = match whole.expect("it was received").good {
                    true => Event::Prepared { transfer, file: self.known(n, file) },
                    false => Event::Forged { transfer },
                };
                self.tell(n, self.nodes[n].disk, event);
            }
            Effect::PrepareAgain { transfer } => {
                let file = self.file_of(n, transfer);
                let event = match self.nodes[n].room {
                    0 => Event::Refused { transfer, trouble: full() },
                    _ => Event::Prepared { transfer, file: self.known(n, file) },
                };
                self.tell(n, self.nodes[n].disk, event);
            }
            Effect::Store { transfer, piece, peer, request } => {
                let whole = self.nodes[n].reserved.remove(&(self.by_id[&peer], request));
                let whole = whole.expect("it was received");
                assert!(whole.whole);
                let file = self.file_of(n, transfer);
                let known = self.known(n, file);
                let node = &mut self.nodes[n];
                let outcome = if !whole.good {
                    Stored::Mismatch
                } else if node.room == 0 {
                    Stored::Failed { why: "no room".into(), full: true }
                } else {
                    node.room = node.room.saturating_sub(1);
                    node.stored_at.push(self.now);
                    let held = node.held.entry(file).or_insert(known.held);
                    assert!(held.insert(piece), "stored twice");
                    Stored::Good
                };
                self.tell(n, self.nodes[n].disk, Event::Stored { transfer, piece, outcome });
            }
            Effect::Commit { transfer } => {
                self.tell(n, self.nodes[n].disk * 5, Event::Committed { transfer })
            }
            Effect::Finish { transfer } => {
                let file = self.file_of(n, transfer);
                assert!(self.known(n, file).held.is_full());
                self.nodes[n].done.insert(transfer, self.now);
                self.tell(n, self.nodes[n].disk * 5, Event::Finished { transfer })
            }
            Effect::Read { peer, request, file, part, offset: _, bytes } => {
                let to = self.by_id[&peer];
                if let Part::Piece(piece) = part {
                    assert!(self.nodes[n].held[&file].contains(piece));
                }
                let good = !self.nodes[n].liar;
                // The link may be gone, and only we do not know yet.
                let Some(epoch) = self.links.get(&pair(n, to)).copied() else { return };
                let chunk = Chunk { to, request, bytes, good, tells: bytes };
                let when = self.now + self.nodes[n].disk;
                self.at(when, Happening::Read { from: n, chunk, epoch });
            }
            Effect::Unsend { peer, request } => {
                let to = self.by_id[&peer];
                let mine = |c: &Chunk| c.to == to && c.request == request;
                self.nodes[n].uplink.retain(|chunk| !mine(chunk));
                self.happenings.retain(
                    |_, h| !matches!(h, Happening::Read { from, chunk, .. } if *from == n && mine(chunk)),
                );
            }
            Effect::NeedLink { peer, .. } => {
                let (a, b) = (n, self.by_id[&peer]);
                self.at(self.now + 4 * self.delay, Happening::Link { a, b });
            }
            Effect::Close { why, .. } => self.nodes[n].closed.push(why),
            Effect::Notice(text) => self.nodes[n].notices.push(text),
            Effect::Rehash { .. } | Effect::Changed => {}
        }
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        self.links.contains_key(&pair(a, b))
    }

    fn file_of(&self, n: usize, transfer: TransferId) -> FileId {
        let rows = self.nodes[n].core.rows();
        rows.iter().find(|r| r.transfer == transfer).and_then(|r| r.file).expect("it is known")
    }

    fn send(&mut self, from: usize, to: usize, frame: PieceFrame) {
        if let Some(epoch) = self.links.get(&pair(from, to)).copied() {
            if let PieceFrame::Nope { why: Nope::Absent | Nope::OutOfRange, .. } = frame {
                assert!(self.may_fail, "an honest node was asked for what it does not hold");
            }
            self.at(self.now + self.delay, Happening::Frame { from, to, epoch, frame });
        }
    }

    /// Nobody is asked for what it does not hold; what is asked for is not here, and is asked of two at most.
    fn law_of_asking(&self, n: usize, from: usize, file: FileId, part: Part) {
        if let (Part::Piece(piece), true) = (part, self.linked(n, from)) {
            assert!(self.nodes[from].held[&file].contains(piece), "it does not hold {piece}");
            let here = self.nodes[n].held.get(&file).is_some_and(|held| held.contains(piece));
            assert!(!here, "piece {piece} is here");
        }
    }

    /// The longest time between two stored pieces.
    pub fn longest_stall(&self, n: usize) -> Duration {
        let at = &self.nodes[n].stored_at;
        at.windows(2).map(|two| two[1].since(two[0])).max().unwrap_or_default()
    }

    pub fn row(&self, n: usize, transfer: TransferId) -> crate::pieces::rows::TransferRow {
        let rows = self.nodes[n].core.rows();
        rows.into_iter().find(|row| row.transfer == transfer).expect("it is known")
    }

    /// One of the counters of a node.
    pub fn count(&self, n: usize, name: &str) -> u64 {
        let counters = self.nodes[n].core.counters();
        counters.into_iter().find(|(of, _)| *of == name).expect("it is counted").1
    }

    /// Bytes received by these nodes for each byte of the file.
    pub fn overhead(&self, of: impl Iterator<Item = usize>, bytes: u64) -> f64 {
        let ratios = of.map(|n| self.nodes[n].received as f64 / bytes as f64);
        ratios.fold(0.0, f64::max)
    }
}

fn span(bytes: u32, rate: u64) -> Duration {
    Duration::from_micros(u64::from(bytes) * 1_000_000 / rate)
}

fn full() -> Trouble {
    Trouble { why: "no room".into(), remedy: "free some".into(), full: true }
}
