//! The Courier: drives [`crate::mail::courier`]; hands cryptography to the Sealers, letters to the Letterbox and
//! packets to the links.

mod asks;
mod disk;
mod news;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Recipient};
use tokio::sync::{oneshot, watch};

use self::disk::Commits;
pub use self::disk::Letterboxes;
use self::news::Newsroom;
use super::lifeline::Lifeline;
use super::messages::{
    Configure, GraphChanged, KeysChanged, LinkChange, LinkChanged, MailFrom, MailView, NeedLink,
    PacketFrom, PeelIt, Refused, Stop, WrapIt,
};
use super::notices::Notices;
use super::policy;
use super::post::{deliver, post};
use super::turn::{Driver, Turn, arm};
use crate::mail::courier::Courier as CourierCore;
use crate::mail::event::{AskId, Effect, Event};
use crate::mail::frame::MailFrame;
use crate::mail::rows::OutLetter;
use crate::mail::{LetterId, work};
use crate::mesh::{ConnId, NodeId};
use crate::net::lanes::{Link, SendError};
use crate::store::letters::LetterStore;
use crate::store::unix_ms;
use crate::wire::{Frame, Packet};

/// Messages that wait; behind them the links are not read.
const MAILBOX: usize = 256;
/// How often the core is told the time of day.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(60);

/// Whom the Courier tells.
pub struct Ports {
    /// The Letterbox.
    pub letterbox: Letterboxes,
    /// The Sealers.
    pub wrap: Recipient<WrapIt>,
    /// The Sealers.
    pub peel: Recipient<PeelIt>,
    /// PeerRegistry.
    pub need_link: Recipient<NeedLink>,
    /// Topology.
    pub keys: Recipient<KeysChanged>,
    /// Everyone who shows letters.
    pub view: watch::Sender<Arc<MailView>>,
}

/// Who wrote a letter and waits for it to be safe.
type Asker = oneshot::Sender<Result<OutLetter, Refused>>;

/// The actor.
pub struct Courier {
    turn: Turn<CourierCore>,
    ports: Ports,
    /// Knows the limits of what is kept.
    store: LetterStore,
    volunteer: bool,
    mailbox: bool,
    links: BTreeMap<NodeId, Link>,
    commits: Commits,
    askers: BTreeMap<AskId, Asker>,
    next_ask: AskId,
    /// Letters that somebody is being shown, and until when nobody else is.
    lent: BTreeMap<(NodeId, LetterId), std::time::Instant>,
    news: Newsroom,
    notices: Notices,
    lifeline: Lifeline,
}

impl Courier {
    /// A courier without links.
    pub fn new(
        turn: Turn<CourierCore>,
        ports: Ports,
        store: LetterStore,
        settings: &crate::settings::Settings,
        lifeline: Lifeline,
    ) -> Courier {
        Courier {
            turn,
            ports,
            store,
            volunteer: settings.relay.volunteer,
            mailbox: settings.relay.mailbox,
            links: BTreeMap::new(),
            commits: Commits::default(),
            askers: BTreeMap::new(),
            next_ask: 0,
            lent: BTreeMap::new(),
            news: Newsroom::default(),
            notices: Notices::default(),
            lifeline,
        }
    }

    fn send_packet(
        &mut self,
        peer: NodeId,
        packet: Packet,
        relayed: bool,
        ctx: &mut Context<Self>,
    ) {
        // A packet for a link that has just gone is lost, as one on it would be.
        let Some(link) = self.links.get(&peer) else { return };
        let frame = Frame::Packet(packet);
        match link.try_send(&frame) {
            Err(SendError::Full) => {
                let Frame::Packet(Packet { number, bytes: packet }) = frame else { return };
                let event = Event::LaneFull { peer, number, packet, relayed };
                self.later("LaneFull", event, ctx);
            }
            Err(error) => log::debug!(peer:%; "a packet to {} not sent: {error}", peer.short()),
            Ok(()) => {}
        }
    }

    fn send(&mut self, peer: NodeId, frame: MailFrame) {
        if let Some(link) = self.links.get(&peer)
            && let Err(error) = link.try_send(&Frame::Mail(frame))
        {
            log::debug!(peer:%; "a message about letters to {} not sent: {error}", peer.short());
        }
    }

    fn is_current(&self, peer: &NodeId, conn: ConnId) -> bool {
        self.links.get(peer).is_some_and(|link| link.conn == conn)
    }

    /// Tells the core what time it is: the clock that only goes on stands still while the machine sleeps.
    fn tell_time(&mut self, ctx: &mut Context<Self>) {
        self.handle_event("WallClock", Event::WallClock(unix_ms()), ctx);
        ctx.run_later(WALL_CLOCK_EVERY, Courier::tell_time);
    }

    fn wrap(&mut self, job: u64, wrap: Box<work::Wrap>, ctx: &mut Context<Self>) {
        self.ask(&self.ports.wrap, WrapIt(wrap), ctx, move |courier, result, ctx| {
            courier.handle_event("Wrapped", Event::Wrapped { job, result }, ctx);
        });
    }

    fn peel(&mut self, job: u64, peel: work::Peel, ctx: &mut Context<Self>) {
        self.ask(&self.ports.peel, PeelIt(peel), ctx, move |courier, opened, ctx| {
            courier.handle_event("Peeled", Event::Peeled { job, opened: *opened }, ctx);
        });
    }
}

impl Actor for Courier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.tell_time(ctx);
        self.count_unread(ctx);
        arm(self, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Driver for Courier {
    type Core = CourierCore;

    fn turn(&mut self) -> &mut Turn<CourierCore> {
        &mut self.turn
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::SendPacket { peer, number, packet, relayed } => {
                self.send_packet(peer, Packet { number, bytes: packet }, relayed, ctx);
            }
            Effect::Send { peer, frame } => self.send(peer, frame),
            Effect::Wrap { job, wrap } => self.wrap(job, wrap, ctx),
            Effect::Peel { job, peel } => self.peel(job, peel, ctx),
            Effect::Keep { note, change } => self.keep(note, change, ctx),
            Effect::LoadBody(letter) => self.load_body(letter, ctx),
            Effect::LoadKept { reader, but, bytes } => self.load_kept(reader, but, bytes, ctx),
            Effect::NeedLink(peer) => {
                post(&self.ports.need_link, NeedLink { peer, addrs: Vec::new() });
            }
            Effect::Publish(keys) => deliver(&self.ports.keys, KeysChanged(keys.into())),
            Effect::Pushed { ask, result } => self.pushed(ask, result, ctx),
            Effect::Came { id, from } => self.came(id, from, ctx),
            Effect::Turned { id, to, state, why } => self.turned(id, to, state, why),
            Effect::Notice(text) => self.notices.tell(self.turn.now(), &text),
        }
    }
}

impl Handler<LinkChanged> for Courier {
    type Result = ();

    fn handle(&mut self, LinkChanged { peer, change }: LinkChanged, ctx: &mut Context<Self>) {
        match change {
            LinkChange::Up { link, .. } => {
                self.links.insert(peer, link);
                self.handle_event("LinkUp", Event::LinkUp { peer }, ctx);
            }
            LinkChange::Down(_) => {
                self.links.remove(&peer);
                self.handle_event("LinkDown", Event::LinkDown { peer }, ctx);
            }
        }
    }
}

impl Handler<PacketFrom> for Courier {
    type Result = ();

    fn handle(&mut self, message: PacketFrom, ctx: &mut Context<Self>) {
        let PacketFrom { peer, conn, packet: Packet { number, bytes: packet } } = message;
        if self.is_current(&peer, conn) {
            self.handle_event("Packet", Event::Packet { peer, number, packet }, ctx);
        }
    }
}

impl Handler<MailFrom> for Courier {
    type Result = ();

    fn handle(&mut self, MailFrom { peer, conn, frame }: MailFrom, ctx: &mut Context<Self>) {
        if self.is_current(&peer, conn) {
            self.handle_event("FromPeer", Event::FromPeer { peer, frame }, ctx);
        }
    }
}

impl Handler<GraphChanged> for Courier {
    type Result = ();

    fn handle(&mut self, GraphChanged(view): GraphChanged, ctx: &mut Context<Self>) {
        self.handle_event("Graph", Event::Graph(view), ctx);
    }
}

impl Handler<Configure> for Courier {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, ctx: &mut Context<Self>) {
        self.store.set_limits(policy::letters(&settings));
        self.handle_event("Configure", Event::Configure(policy::mail(&settings)), ctx);
    }
}

impl Handler<Stop> for Courier {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
