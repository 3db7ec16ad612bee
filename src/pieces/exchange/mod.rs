//! The exchange core: who is asked for which piece, who is given what, and who keeps the index of what.
//!
//! [`Exchange`] routes each event to the part it concerns, then lets the two pumps run: `fill` asks for as many
//! pieces as windows, buffers and limits allow, `pump` reads as many chunks for others as slots and limits allow.
//! What takes time by the clock alone hangs on one tick of 100 ms, which beats only while something moves.

mod announce;
mod bucket;
mod counts;
mod ends;
mod fetch;
mod haves;
mod index;
mod link;
mod picker;
mod places;
mod seek;
mod serve;
mod shown;
mod slots;
mod stored;
mod swarm;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::FileId;
use super::event::{Effect, Event, Policy, TransferId};
use super::frame::{Held, PieceFrame};
use super::rows::TransferRow;
use crate::mesh::dice::Dice;
use crate::mesh::record::Crypto;
use crate::mesh::{Core, NodeId, Time};

use announce::Absent;
use bucket::Bucket;
use counts::Counts;
pub use counts::counted;
use fetch::{Claim, Fetch};
use index::Index;
use link::{Link, Meter};
use places::Places;
use serve::Local;
use slots::Slots;
use stored::Landed;

/// How often things that only take time are looked at while something moves.
const TICK: Duration = Duration::from_millis(100);
/// Transfers that ended and are still shown.
const ENDED_MAX: usize = 64;
/// Links kept track of.
const LINKS_MAX: usize = 8_192;

/// Who and when we are.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// This node.
    pub me: NodeId,
    /// Unix milliseconds when [`Time`] began; what [`Event::WallClock`] says counts more.
    pub start_ms: u64,
}

/// The exchange core.
pub struct Exchange {
    home: Home,
    policy: Policy,
    dice: Dice,
    crypto: Arc<dyn Crypto + Send + Sync>,
    /// The last time that was handed in.
    now: Time,
    links: BTreeMap<NodeId, Link>,
    /// Links that do not give what they were asked for.
    struck: BTreeSet<NodeId>,
    files: BTreeMap<FileId, Local>,
    fetches: BTreeMap<TransferId, Fetch>,
    /// Which transfer gets a file.
    by_file: BTreeMap<FileId, TransferId>,
    ended: VecDeque<TransferRow>,
    /// Names the next request; grows for as long as the daemon runs, so no two are ever mistaken.
    next_request: u64,
    /// Counts turns of asking, so that nobody is always first.
    turn: usize,
    /// Bytes asked for and not yet written or let go.
    buffered: u64,
    /// Most that ever were.
    buffered_peak: u64,
    /// What all peers together give.
    meter: Meter,
    download: Bucket,
    upload: Bucket,
    /// Received and waiting for the disk, oldest first.
    to_store: VecDeque<Landed>,
    /// With the disk.
    storing: BTreeMap<(TransferId, u32), Landed>,
    slots: Slots,
    /// Files with pieces that interested peers were not told of yet.
    fresh: BTreeSet<FileId>,
    places: Places,
    index: Index,
    /// When each file is to be announced (again).
    due: BTreeSet<(Time, FileId)>,
    /// Keepers of the index that are to be told something and are not linked.
    absent: Absent,
    /// When the wall clock was looked at last, and what it said, Unix milliseconds.
    wall: (Time, u64),
    tick_at: Option<Time>,
    counts: Counts,
    /// What people see has changed a little: said with the next tick.
    stirred: bool,
}

impl Exchange {
    /// Nothing is linked, known or wanted yet.
    pub fn new(
        home: Home,
        policy: Policy,
        seed: u64,
        crypto: Arc<dyn Crypto + Send + Sync>,
    ) -> Exchange {
        Exchange {
            home,
            policy,
            dice: Dice::new(seed),
            crypto,
            now: Time(0),
            links: BTreeMap::new(),
            struck: BTreeSet::new(),
            files: BTreeMap::new(),
            fetches: BTreeMap::new(),
            by_file: BTreeMap::new(),
            ended: VecDeque::new(),
            next_request: 1,
            turn: 0,
            buffered: 0,
            buffered_peak: 0,
            meter: Meter::default(),
            download: Bucket::new(policy.download_bytes_per_second),
            upload: Bucket::new(policy.upload_bytes_per_second),
            to_store: VecDeque::new(),
            storing: BTreeMap::new(),
            slots: Slots::default(),
            fresh: BTreeSet::new(),
            places: Places::new(home.me),
            index: Index::default(),
            due: BTreeSet::new(),
            absent: Absent::default(),
            wall: (Time(0), home.start_ms),
            tick_at: None,
            counts: Counts::default(),
            stirred: false,
        }
    }

    /// Most bytes that were ever asked for and not yet written at once.
    pub fn buffered_peak(&self) -> u64 {
        self.buffered_peak
    }

    /// Unix milliseconds at `now`.
    fn unix_ms(&self, now: Time) -> u64 {
        let (at, unix_ms) = self.wall;
        unix_ms.saturating_add(now.as_ms().saturating_sub(at.as_ms()))
    }

    /// When it will be so many Unix milliseconds, as far as can be told now.
    fn time_of(&self, unix_ms: u64) -> Time {
        let (at, then_ms) = self.wall;
        at + Duration::from_millis(unix_ms.saturating_sub(then_ms))
    }

    fn route(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::LinkUp { peer, rtt_us } => self.link_up(now, peer, rtt_us, out),
            Event::LinkDown { peer } => self.link_down(now, peer),
            Event::Measured { peer, rtt_us } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.rtt_us = rtt_us;
                }
            }
            Event::Graph(view) => self.members_are(&view),
            Event::FromPeer { peer, frame } => self.heard(now, peer, frame, out),
            Event::Received { peer, request } => self.received(now, peer, request, out),
            Event::Progress { peer, request, bytes } => self.progressed(now, peer, request, bytes),
            Event::Sent { peer, request, bytes } => self.sent(now, peer, request, bytes),
            Event::ReadFailed { peer, request, why } => {
                self.read_failed(now, peer, request, why, out)
            }
            Event::Serve(file) => self.serve(now, file, out),
            Event::Withdraw { file } => self.withdraw(now, &file, out),
            Event::Get { transfer, file, hints } => self.get(now, transfer, file, hints, out),
            Event::Resume { transfer, file } => self.resume(now, transfer, file, out),
            Event::Stop { transfer } => self.stop(now, transfer, out),
            Event::Prepared { transfer, file } => self.prepared(now, transfer, file, out),
            Event::Forged { transfer } => self.forged(transfer, out),
            Event::Refused { transfer, trouble } => self.refused(now, transfer, trouble, out),
            Event::Stored { transfer, piece, outcome } => {
                self.stored(now, transfer, piece, outcome, out)
            }
            Event::Committed { transfer } => self.committed(transfer, out),
            Event::Finished { transfer } => self.finished(now, transfer, out),
            Event::Forget { file } => self.forget(now, &file, out),
            Event::WallClock(unix_ms) => self.wall_clock(now, unix_ms),
            Event::Configure(policy) => {
                self.policy = policy;
                self.download.configure(now, policy.download_bytes_per_second);
                self.upload.configure(now, policy.upload_bytes_per_second);
                for link in self.links.values_mut() {
                    link.queue.bucket.configure(now, policy.upload_bytes_per_second_per_peer);
                }
                self.start_waiting(now, out);
            }
        }
    }

    fn heard(&mut self, now: Time, peer: NodeId, frame: PieceFrame, out: &mut Vec<Effect>) {
        let cost = self.cost(&peer, &frame);
        let Some(link) = self.links.get_mut(&peer) else { return };
        match frame {
            // The connection hands over one word at a time and waits until we have taken it: that paces these.
            PieceFrame::Ask { request, file, part, offset, bytes } => {
                self.asked(now, peer, request, (file, part), (offset, bytes), out)
            }
            PieceFrame::Nope { request, why } => self.noped(now, peer, request, why),
            PieceFrame::Cancel { request } => self.cancelled(now, peer, request, out),
            // Others cost an answer, a search or moves in the picker, and those have a budget; over it nothing is
            // lost but time.
            _ if !link.words.take(now, cost) => {}
            PieceFrame::Have { file, manifest_bytes, held, wants } => {
                self.have(now, peer, file, (manifest_bytes, held, wants), out)
            }
            PieceFrame::More { file, pieces } => self.more(peer, &file, &pieces),
            PieceFrame::Announce(holdings) => self.announced(now, peer, holdings.into_vec()),
            PieceFrame::Seek { file } => self.sought(now, peer, file, out),
            PieceFrame::Peer { file, holdings } => {
                self.told_of(now, peer, file, holdings.into_vec())
            }
        }
    }

    fn link_up(&mut self, now: Time, peer: NodeId, rtt_us: u32, out: &mut Vec<Effect>) {
        if peer == self.home.me {
            return;
        }
        self.link_down(now, peer);
        if self.links.len() < LINKS_MAX {
            let limit = self.policy.upload_bytes_per_second_per_peer;
            self.links.insert(peer, Link::new(rtt_us, limit));
            self.greet(now, peer, out);
            self.keeper_linked(now, &peer);
        }
    }

    fn link_down(&mut self, now: Time, peer: NodeId) {
        let Some(link) = self.links.remove(&peer) else { return };
        self.slots.remove(&peer);
        self.struck.remove(&peer);
        for (request, asked) in link.asks {
            self.buffered -= u64::from(asked.bytes);
            self.unanswered(peer, request, &asked);
        }
        let fetching: Vec<TransferId> = self.fetches.keys().copied().collect();
        for transfer in fetching {
            self.source_gone(transfer, &peer);
        }
        self.seat(now);
        self.stirred = true;
    }

    /// What listening to a frame costs beside others: sets of pieces are counted in and out, answers are put
    /// together.
    fn cost(&self, peer: &NodeId, frame: &PieceFrame) -> u32 {
        let moves = |bytes: usize| bytes / 64;
        let len = match frame {
            PieceFrame::Have { file, held, .. } => {
                let fetch = self.by_file.get(file).and_then(|t| self.fetches.get(t));
                let replaced = match fetch.and_then(|f| f.sources.get(peer)).map(|s| &s.claim) {
                    Some(Claim::Some(set)) => set.as_bytes().len(),
                    _ => 0,
                };
                let said = if let Held::Some(bits) = held { bits.len() } else { 0 };
                moves(said) + moves(replaced)
            }
            PieceFrame::More { pieces, .. } => pieces.len() / 256,
            PieceFrame::Seek { .. } => 4,
            _ => 0,
        };
        1 + u32::try_from(len).expect("frames are short")
    }

    /// The two pumps, after whatever happened.
    fn settle(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.fill(now, out);
        self.pump(now, out);
        if self.moves() {
            self.tick_at.get_or_insert(now + TICK);
        } else {
            self.tick_at = None;
            if std::mem::take(&mut self.stirred) {
                out.push(Effect::Changed);
            }
        }
    }

    /// Whether there is something only time changes.
    fn moves(&self) -> bool {
        self.buffered > 0
            || !self.slots.waiting.is_empty()
            || !self.fresh.is_empty()
            || self.fetches.values().any(|fetch| fetch.moves() || fetch.may_go_on())
    }

    fn tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.tick_at = Some(now + TICK);
        self.watch_asks(now, out);
        self.watch_hunger(now);
        self.tell_fresh(out);
        self.watch_queues(now, out);
        if std::mem::take(&mut self.stirred) {
            out.push(Effect::Changed);
        }
    }
}

impl Core for Exchange {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        self.route(now, event, out);
        self.settle(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        let fetches = self.fetches.values().filter_map(Fetch::next_wake);
        let due = self.due.first().map(|(at, _)| *at);
        let limit = self.fill_wake();
        let pump = self.pump_wake();
        let index = self.index_wake();
        let keepers = self.absent.next_wake();
        fetches
            .chain(self.tick_at)
            .chain(due)
            .chain(keepers)
            .chain(limit)
            .chain(pump)
            .chain(index)
            .min()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick(now, out);
        }
        self.watch_fetches(now, out);
        self.index_work(now, out);
        self.announce_due(now, out);
        self.need_keepers(now, out);
        self.settle(now, out);
    }
}
