//! The Exchange: drives [`crate::pieces::exchange`]; hands what was received to the Shelf, and what was read to
//! the links.

mod asks;
mod disk;
mod reading;
mod shown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Recipient};
use tokio::sync::watch;

pub use self::disk::Shelves;
use self::reading::Reading;
use super::lifeline::Lifeline;
use super::messages::{
    ChunkSent, Configure, GraphChanged, LinkChange, LinkChanged, Measured, NeedLink, Note,
    PieceFrom, PiecesView, Progress, Stop, WholeFrom,
};
use super::notices::Notices;
use super::policy;
use super::post::post;
use super::turn::{Driver, Turn, arm};
use crate::mesh::peers::Bye;
use crate::mesh::view::View;
use crate::mesh::{ConnId, NodeId};
use crate::net::buffers::{Buffer, Buffers};
use crate::net::lanes::{Link, SendError};
use crate::pieces::FileId;
use crate::pieces::event::{Effect, Event, TransferId};
use crate::pieces::exchange::Exchange as ExchangeCore;
use crate::pieces::frame::{Nope, PieceFrame};
use crate::store::pieces::{Download, PieceStore, Target};
use crate::store::unix_ms;
use crate::wire::Frame;

/// Messages that wait; behind them the links are not read.
const MAILBOX: usize = 256;
/// What people see is published no more often than this.
const SHOW_EVERY: Duration = Duration::from_millis(100);
/// How often the core is told the time of day.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(60);
/// How often the progress of open requests is looked at, and of shares that are hashed.
const TICK: Duration = Duration::from_millis(250);

/// Whom the Exchange tells.
pub struct Ports {
    /// The Shelf.
    pub shelves: Shelves,
    /// PeerRegistry.
    pub need_link: Recipient<NeedLink>,
    /// PeerRegistry.
    pub note: Recipient<Note>,
    /// Everyone who shows files.
    pub view: watch::Sender<Arc<PiecesView>>,
}

/// Where files are; what looks at the disk for it goes through the Shelf.
pub struct Place {
    /// What is shared and fetched.
    pub store: PieceStore,
    /// Where downloads go when nobody says where to.
    pub dir: Option<PathBuf>,
    /// Unix milliseconds at time 0.
    pub start_ms: u64,
    /// Own id.
    pub me: NodeId,
}

/// A `get` that was asked for.
struct Get {
    file: FileId,
    target: Target,
    /// Final name, once it is known.
    path: PathBuf,
    since_ms: u64,
    /// What an earlier run left of it is being checked: its manifest is here already.
    resuming: bool,
    /// Once the manifest is here.
    download: Option<Arc<Download>>,
    /// Kept until the target is ready: while there is no room on the disk it is tried again.
    manifest: Vec<u8>,
    /// How far the checking is; told to stop once nobody wants the file any more.
    progress: Arc<Progress>,
}

/// A `share` that was asked for.
struct Share {
    path: PathBuf,
    since_ms: u64,
    progress: Arc<Progress>,
    /// How it ended.
    outcome: Option<Result<crate::pieces::event::KnownFile, String>>,
    left_out: Vec<String>,
    ended_ms: u64,
}

/// The actor.
pub struct Exchange {
    turn: Turn<ExchangeCore>,
    ports: Ports,
    place: Place,
    links: BTreeMap<NodeId, Link>,
    buffers: Arc<Buffers>,
    /// What came in whole and is not with the disk yet. Bounded by what the core asks for.
    arrived: BTreeMap<(NodeId, u64), Buffer>,
    /// Chunks being read for requests that are still open.
    reading: Reading,
    gets: BTreeMap<TransferId, Get>,
    shares: BTreeMap<TransferId, Share>,
    next_transfer: TransferId,
    graph: Option<Arc<View>>,
    showing: shown::Showing,
    /// The known files as they were shown last.
    files: shown::Files,
    ticking: bool,
    /// Closing what is read no more is planned.
    closing: bool,
    notices: Notices,
    lifeline: Lifeline,
}

impl Exchange {
    /// An exchange without links.
    pub fn new(
        turn: Turn<ExchangeCore>,
        ports: Ports,
        place: Place,
        lifeline: Lifeline,
    ) -> Exchange {
        Exchange {
            turn,
            ports,
            place,
            links: BTreeMap::new(),
            buffers: Arc::default(),
            arrived: BTreeMap::new(),
            reading: Reading::default(),
            gets: BTreeMap::new(),
            shares: BTreeMap::new(),
            next_transfer: 1,
            graph: None,
            showing: shown::Showing::default(),
            files: shown::Files::default(),
            ticking: false,
            closing: false,
            notices: Notices::default(),
            lifeline,
        }
    }

    fn name_transfer(&mut self) -> TransferId {
        self.next_transfer += 1;
        self.next_transfer - 1
    }

    fn now_ms(&self) -> u64 {
        self.place.start_ms + self.turn.now().as_ms()
    }

    fn send(&mut self, peer: NodeId, frame: PieceFrame) {
        let Some(link) = self.links.get(&peer) else { return };
        let owed = frame.is_owed();
        let Err(error) = link.try_send(&Frame::Pieces(frame)) else { return };
        if owed && error == SendError::Full {
            return self.close(peer, "it asks and does not read our answers".into());
        }
        log::debug!(peer:%; "a message about files to {} not sent: {error}", peer.short());
    }

    fn close(&mut self, peer: NodeId, why: String) {
        log::warn!(peer:%; "closing the link to {}: {why}", peer.short());
        if let Some(link) = self.links.get(&peer) {
            link.close(Bye::Protocol);
        }
        post(&self.ports.note, Note { peer, text: why });
    }

    /// Keeps a buffer ready and asks.
    fn request(
        &mut self,
        peer: NodeId,
        request: u64,
        bytes: u32,
        ask: PieceFrame,
        ctx: &mut Context<Self>,
    ) {
        let Some(link) = self.links.get(&peer) else { return };
        let buffer = self.buffers.take(usize::try_from(bytes).expect("32 bits fit"));
        if let Err(too_many) = link.wanted.expect(request, buffer) {
            return self.close(peer, too_many.to_string());
        }
        if link.try_send(&Frame::Pieces(ask)).is_err() {
            // Never said, so never answered: as if the peer had been busy.
            link.wanted.end(request);
            let frame = PieceFrame::Nope { request, why: Nope::Busy };
            self.later("an ask without room", Event::FromPeer { peer, frame }, ctx);
        }
        self.tick(ctx);
    }

    /// Hears of a chunk that was written, or a message, only of the link that is up now.
    fn is_current(&self, peer: &NodeId, conn: ConnId) -> bool {
        self.links.get(peer).is_some_and(|link| link.conn == conn)
    }

    /// Tells the core what time it is: the clock that only goes on stands still while the machine sleeps.
    fn tell_time(&mut self, ctx: &mut Context<Self>) {
        self.handle_event("WallClock", Event::WallClock(unix_ms()), ctx);
        ctx.run_later(WALL_CLOCK_EVERY, Exchange::tell_time);
    }

    /// Looks at what is under way again and again, until nothing is.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.ticking, true) {
            return;
        }
        self.close_idle(ctx);
        ctx.run_later(TICK, |exchange, ctx| {
            exchange.ticking = false;
            let mut open = false;
            for (peer, link) in exchange.links.clone() {
                for (request, bytes) in link.wanted.progress() {
                    open = true;
                    exchange.handle_event(
                        "Progress",
                        Event::Progress { peer, request, bytes },
                        ctx,
                    );
                }
            }
            let hashing = exchange.shares.values().any(|share| share.outcome.is_none())
                || exchange.gets.values().any(|get| get.resuming);
            if open || hashing || !exchange.reading.is_empty() {
                exchange.show(ctx);
                exchange.tick(ctx);
            } else {
                exchange.buffers.trim();
            }
        });
    }
}

impl Actor for Exchange {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.recall(ctx);
        self.tell_time(ctx);
        arm(self, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Driver for Exchange {
    type Core = ExchangeCore;

    fn turn(&mut self) -> &mut Turn<ExchangeCore> {
        &mut self.turn
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send { peer, frame } => self.send(peer, frame),
            Effect::Ask { peer, request, file, part, bytes } => {
                let ask = PieceFrame::Ask { request, file, part, offset: 0, bytes };
                self.request(peer, request, bytes, ask, ctx);
            }
            Effect::Drop { peer, request } => {
                self.arrived.remove(&(peer, request));
                if let Some(link) = self.links.get(&peer) {
                    link.wanted.give_up(request);
                }
            }
            Effect::Prepare { transfer, peer, request } => {
                if let Some(manifest) = self.arrived.remove(&(peer, request)) {
                    self.prepare(transfer, manifest.to_vec(), ctx);
                }
            }
            Effect::PrepareAgain { transfer } => self.prepare_again(transfer, ctx),
            Effect::Store { transfer, piece, peer, request } => {
                if let Some(bytes) = self.arrived.remove(&(peer, request)) {
                    self.store(transfer, piece, bytes, ctx);
                }
            }
            Effect::Commit { transfer } => self.commit(transfer, ctx),
            Effect::Finish { transfer } => self.finish(transfer, ctx),
            Effect::Read { peer, request, file, part, offset, bytes } => {
                self.read((peer, request), (file, part), (offset, bytes), ctx);
            }
            Effect::Unsend { peer, request } => {
                self.reading.cancel(peer, request);
                if let Some(link) = self.links.get(&peer) {
                    link.lanes.unsend(request);
                }
            }
            Effect::Rehash { file } => self.rehash(file, ctx),
            Effect::NeedLink { peer, addrs } => {
                post(&self.ports.need_link, NeedLink { peer, addrs });
            }
            Effect::Close { peer, why } => self.close(peer, why),
            Effect::Changed => self.show(ctx),
            Effect::Notice(text) => self.notices.tell(self.turn.now(), &text),
        }
    }
}

impl Handler<LinkChanged> for Exchange {
    type Result = ();

    fn handle(&mut self, LinkChanged { peer, change }: LinkChanged, ctx: &mut Context<Self>) {
        self.reading.forget(peer);
        match change {
            LinkChange::Up { link, rtt_us, .. } => {
                self.links.insert(peer, link);
                self.handle_event("LinkUp", Event::LinkUp { peer, rtt_us }, ctx);
            }
            LinkChange::Down(_) => {
                self.links.remove(&peer);
                self.handle_event("LinkDown", Event::LinkDown { peer }, ctx);
            }
        }
    }
}

impl Handler<PieceFrom> for Exchange {
    type Result = ();

    fn handle(&mut self, PieceFrom { peer, conn, frame }: PieceFrom, ctx: &mut Context<Self>) {
        if self.is_current(&peer, conn) {
            self.handle_event("FromPeer", Event::FromPeer { peer, frame }, ctx);
        }
    }
}

impl Handler<WholeFrom> for Exchange {
    type Result = ();

    fn handle(&mut self, message: WholeFrom, ctx: &mut Context<Self>) {
        let WholeFrom { peer, conn, request, buffer } = message;
        if self.is_current(&peer, conn) {
            self.arrived.insert((peer, request), buffer);
            self.handle_event("Received", Event::Received { peer, request }, ctx);
            if !self.turn.core.keeps(&peer, request) {
                // It is with the disk, or nobody wanted it after all.
                self.arrived.remove(&(peer, request));
            }
        }
    }
}

impl Handler<ChunkSent> for Exchange {
    type Result = ();

    fn handle(&mut self, message: ChunkSent, ctx: &mut Context<Self>) {
        let ChunkSent { peer, conn, request, bytes } = message;
        if self.is_current(&peer, conn) {
            self.handle_event("Sent", Event::Sent { peer, request, bytes }, ctx);
        }
    }
}

impl Handler<Measured> for Exchange {
    type Result = ();

    fn handle(&mut self, Measured { peer, rtt_us }: Measured, ctx: &mut Context<Self>) {
        self.handle_event("Measured", Event::Measured { peer, rtt_us }, ctx);
    }
}

impl Handler<GraphChanged> for Exchange {
    type Result = ();

    fn handle(&mut self, GraphChanged(view): GraphChanged, ctx: &mut Context<Self>) {
        self.graph = Some(view.clone());
        self.handle_event("Graph", Event::Graph(view), ctx);
    }
}

impl Handler<Configure> for Exchange {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, ctx: &mut Context<Self>) {
        self.place.store.set_limits(policy::files(&settings));
        self.handle_event("Configure", Event::Configure(policy::pieces(&settings)), ctx);
    }
}

impl Handler<Stop> for Exchange {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
