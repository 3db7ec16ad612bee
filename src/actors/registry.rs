//! The PeerRegistry: drives [`crate::mesh::peers`].

mod asks;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient,
    WrapFuture,
};
use tokio::sync::oneshot;

use super::lifeline::Lifeline;
use super::messages::{
    Advised, Arrived, CallBack, Called, CardChanged, Close, Closed, Configure, Confirmed,
    EpochChanged, Goodbye, Handshaken, Health, Learned, LinkChange, LinkChanged, Measured,
    NodesChanged, Note, Open, Reachable, SaveBook, Sighted, Silent, Stop, Verdict, WhoIs,
};
use super::notices::Notices;
use super::policy;
use super::post::{deliver, post};
use super::turn::{Driver, Turn, arm};
use crate::mesh::peers::{Bye, Effect, Ended, Event, Peers, in_words};
use crate::mesh::record::{Direction, Record};
use crate::mesh::{ConnId, NodeId};
use crate::net::lanes::Link;
use crate::net::session::Origin;
use crate::wire::ByeFrame;
use crate::wire::bounded::List;

/// Messages that wait; arrivals beyond them are dropped.
const MAILBOX: usize = 1024;
/// Pins and bans are saved this soon; several at once are one write.
const URGENT: Duration = Duration::from_millis(50);
/// Most people waiting for a dial they asked for.
const TICKETS_MAX: usize = 64;

/// Whom the PeerRegistry tells.
pub struct Ports {
    /// Supervisor.
    pub open: Recipient<Open>,
    /// Supervisor.
    pub close: Recipient<Close>,
    /// Heartbeat, Topology and Exchange.
    pub links: [Recipient<LinkChanged>; 4],
    /// Topology.
    pub reachable: Recipient<Reachable>,
    /// Topology.
    pub learned: Recipient<Learned>,
    /// Topology.
    pub call_back: Recipient<CallBack>,
    /// Topology.
    pub who_is: Recipient<WhoIs>,
    /// Disk.
    pub save: Recipient<SaveBook>,
}

/// Stands for the address in words about how a link ended; only a dial that was refused needs one.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Where the outcome of a dial is told.
type Ticket = oneshot::Sender<Result<NodeId, String>>;

/// The actor.
pub struct Registry {
    turn: Turn<Peers>,
    ports: Ports,
    /// Our own card as it is now.
    card: Record,
    /// Sockets that arrived and are not admitted yet.
    sockets: BTreeMap<ConnId, TcpStream>,
    /// Connections that know their peer: how to write to it, and its card.
    links: BTreeMap<ConnId, (Link, Record)>,
    /// Cards of nodes that have room for more links, for those that find none here.
    room: Vec<Record>,
    /// What was decided in this turn about the connection that asked, if anything was.
    verdict: Option<(ConnId, Option<Verdict>)>,
    tickets: BTreeMap<u64, Ticket>,
    /// Dials that were asked for and are through here, and not yet at the other end.
    unconfirmed: BTreeMap<ConnId, (Ticket, NodeId)>,
    next_ticket: u64,
    save_every: Duration,
    /// A save comes within this time.
    save_planned: Option<Duration>,
    notices: Notices,
    lifeline: Lifeline,
}

impl Registry {
    /// A registry without links.
    pub fn new(
        turn: Turn<Peers>,
        ports: Ports,
        card: Record,
        save_every: Duration,
        lifeline: Lifeline,
    ) -> Registry {
        Registry {
            turn,
            ports,
            card,
            sockets: BTreeMap::new(),
            links: BTreeMap::new(),
            room: Vec::new(),
            verdict: None,
            tickets: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            next_ticket: 0,
            save_every,
            save_planned: None,
            notices: Notices::default(),
            lifeline,
        }
    }

    fn plan_save(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if self.save_planned.is_some_and(|planned| planned <= wait) {
            return;
        }
        self.save_planned = Some(wait);
        ctx.run_later(wait, |registry, ctx| registry.save(ctx));
    }

    fn save(&mut self, ctx: &mut Context<Self>) {
        self.save_planned = None;
        let saved = self.ports.save.send(SaveBook(self.turn.core.book().clone()));
        ctx.spawn(saved.into_actor(self).map(|saved, registry, ctx| {
            if !saved.unwrap_or(false) {
                registry.plan_save(registry.save_every.max(Duration::from_secs(1)), ctx);
            }
        }));
    }

    /// Last words, with cards of others for one that found no room.
    fn last_words(&self, why: Bye) -> ByeFrame {
        let cards = match why {
            // Those the graph says have room, and if it says nothing, our neighbours.
            Bye::Full | Bye::Surplus => {
                let neighbours = self.links.values().map(|(_, card)| card);
                let cards = self.room.iter().chain(neighbours);
                List::first_of(cards.map(|card| (**card.signed()).clone()))
            }
            _ => List::default(),
        };
        ByeFrame { why, cards }
    }

    /// Tells whoever asked for this connection that there is a link, or how it ended before there was.
    fn confirm(&mut self, conn: ConnId, ended: Option<&Ended>) {
        if let Some((waiting, id)) = self.unconfirmed.remove(&conn) {
            let result = ended.map_or(Ok(id), |how| Err(in_words(how, NOWHERE)));
            // Whoever asked may have gone away.
            drop(waiting.send(result));
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.handle_event("Start", Event::Start, ctx);
        arm(self, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Driver for Registry {
    type Core = Peers;

    fn turn(&mut self) -> &mut Turn<Peers> {
        &mut self.turn
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Dial { conn, addr, expect } => {
                let origin = Origin::Dial { addr, expect };
                deliver(&self.ports.open, Open { conn, origin, card: self.card.clone() });
            }
            Effect::Admit(conn) => {
                if let Some(socket) = self.sockets.remove(&conn) {
                    let origin = Origin::Accepted(socket);
                    deliver(&self.ports.open, Open { conn, origin, card: self.card.clone() });
                }
            }
            Effect::Keep(conn) => self.verdict = Some((conn, Some(Verdict::Keep))),
            Effect::Close { conn, bye } => {
                self.sockets.remove(&conn);
                let bye = self.last_words(bye);
                self.links.remove(&conn);
                match &mut self.verdict {
                    Some((asking, verdict)) if *asking == conn => {
                        *verdict = Some(Verdict::Decline(bye))
                    }
                    _ => deliver(&self.ports.close, Close { conn, bye }),
                }
            }
            Effect::Up { peer, conn, dir, rtt_us, addr, card } => {
                let Some((link, _)) = self.links.get(&conn) else { return };
                let link = link.clone();
                let how = if dir == Direction::Out { "dialled" } else { "accepted" };
                let label = card.card().map_or("", |c| &*c.label);
                log::info!(peer:%, conn; "link to {} up: {how}", named(&peer, label));
                for to in &self.ports.links {
                    let (link, card) = (link.clone(), card.clone());
                    let change = LinkChange::Up { link, dir, rtt_us, addr, card };
                    deliver(to, LinkChanged { peer, change });
                }
            }
            Effect::Down { peer, why } => {
                let label = self.turn.core.label_of(&peer);
                log::info!(peer:%; "link to {} down: {why}", named(&peer, label));
                for to in &self.ports.links {
                    deliver(to, LinkChanged { peer, change: LinkChange::Down(why) });
                }
            }
            Effect::CallBack(peer) => post(&self.ports.call_back, CallBack(peer)),
            Effect::WhoIs(ids) => deliver(&self.ports.who_is, WhoIs(ids)),
            Effect::Reachable(addrs) => deliver(&self.ports.reachable, Reachable(addrs)),
            Effect::Learned(record) => post(&self.ports.learned, Learned(record)),
            Effect::Remember { urgent } => {
                let wait = if urgent { URGENT } else { self.save_every };
                self.plan_save(wait, ctx);
            }
            Effect::Connected { ticket, result } => {
                let Some(waiting) = self.tickets.remove(&ticket) else { return };
                match (result, &self.verdict) {
                    // The other end decides after us.
                    (Ok(id), Some((conn, _))) => {
                        self.unconfirmed.insert(*conn, (waiting, id));
                    }
                    // Whoever asked may have gone away.
                    (result, _) => drop(waiting.send(result)),
                }
            }
            Effect::Notice(text) => self.notices.tell(self.turn.now(), &text),
        }
    }
}

/// A node as the log names it: its label, escaped, and its short id.
fn named(id: &NodeId, label: &str) -> String {
    let label = crate::text::escape(label);
    if label.is_empty() { id.short() } else { format!("{label} ({})", id.short()) }
}

impl Handler<Arrived> for Registry {
    type Result = ();

    fn handle(&mut self, Arrived { socket, from }: Arrived, ctx: &mut Context<Self>) {
        let conn = self.turn.core.name_conn();
        self.sockets.insert(conn, socket);
        self.handle_event("Arrived", Event::Arrived { conn, from }, ctx);
    }
}

impl Handler<Handshaken> for Registry {
    type Result = MessageResult<Handshaken>;

    fn handle(&mut self, message: Handshaken, ctx: &mut Context<Self>) -> Self::Result {
        let Handshaken { card, link, rtt_us, local } = message;
        let conn = link.conn;
        self.links.insert(conn, (link, card.clone()));
        self.verdict = Some((conn, None));
        self.handle_event("Handshaken", Event::Handshaken { conn, card, rtt_us, local }, ctx);
        match self.verdict.take() {
            Some((_, Some(Verdict::Keep))) => MessageResult(Verdict::Keep),
            Some((_, declined)) => {
                // A connection the core has forgotten meanwhile (evicted, closed) is not kept.
                let full = || Verdict::Decline(self.last_words(Bye::Full));
                let declined = declined.unwrap_or_else(full);
                self.links.remove(&conn);
                // Declined, and yet what was asked for: another link to the same node stays.
                self.confirm(conn, None);
                MessageResult(declined)
            }
            None => MessageResult(Verdict::Decline(self.last_words(Bye::Leaving))),
        }
    }
}

impl Handler<Confirmed> for Registry {
    type Result = ();

    fn handle(&mut self, Confirmed { conn }: Confirmed, _: &mut Context<Self>) {
        self.confirm(conn, None);
    }
}

impl Handler<Closed> for Registry {
    type Result = ();

    fn handle(&mut self, Closed { conn, how }: Closed, ctx: &mut Context<Self>) {
        log::debug!(conn; "connection {conn} ended: {how:?}");
        self.links.remove(&conn);
        self.confirm(conn, Some(&how));
        self.handle_event("Closed", Event::Closed { conn, how }, ctx);
    }
}

impl Handler<NodesChanged> for Registry {
    type Result = ();

    fn handle(&mut self, NodesChanged(nodes): NodesChanged, ctx: &mut Context<Self>) {
        self.handle_event("Graph", Event::Graph(nodes), ctx);
    }
}

impl Handler<Advised> for Registry {
    type Result = ();

    fn handle(&mut self, Advised(advice): Advised, ctx: &mut Context<Self>) {
        self.room.clone_from(&advice.room);
        self.handle_event("Shape", Event::Shape(advice), ctx);
    }
}

impl Handler<CardChanged> for Registry {
    type Result = ();

    fn handle(&mut self, CardChanged(card): CardChanged, _: &mut Context<Self>) {
        self.card = card;
    }
}

impl Handler<Called> for Registry {
    type Result = ();

    fn handle(&mut self, Called(card): Called, ctx: &mut Context<Self>) {
        self.handle_event("Called", Event::Called { card }, ctx);
    }
}

impl Handler<Sighted> for Registry {
    type Result = ();

    fn handle(&mut self, Sighted(sighting): Sighted, ctx: &mut Context<Self>) {
        self.handle_event("Sighted", Event::Sighted(sighting), ctx);
    }
}

impl Handler<EpochChanged> for Registry {
    type Result = ();

    fn handle(&mut self, EpochChanged(epoch): EpochChanged, ctx: &mut Context<Self>) {
        self.turn.core.set_epoch(epoch);
        self.plan_save(URGENT, ctx);
    }
}

impl Handler<Silent> for Registry {
    type Result = ();

    fn handle(&mut self, message: Silent, ctx: &mut Context<Self>) {
        let Silent { peer, silent, vouched } = message;
        self.handle_event("Silent", Event::Silent { peer, silent, vouched }, ctx);
    }
}

impl Handler<Measured> for Registry {
    type Result = ();

    fn handle(&mut self, Measured { peer, rtt_us }: Measured, ctx: &mut Context<Self>) {
        self.handle_event("Measured", Event::Measured { peer, rtt_us }, ctx);
    }
}

impl Handler<Note> for Registry {
    type Result = ();

    fn handle(&mut self, Note { peer, text }: Note, ctx: &mut Context<Self>) {
        self.handle_event("Note", Event::Note { peer, text }, ctx);
    }
}

impl Handler<Health> for Registry {
    type Result = ();

    fn handle(&mut self, Health(health): Health, ctx: &mut Context<Self>) {
        self.handle_event("Health", Event::Health(health), ctx);
    }
}

impl Handler<Configure> for Registry {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, ctx: &mut Context<Self>) {
        self.save_every = policy::save_every(&settings);
        self.handle_event("Configure", Event::Configure(policy::peers(&settings)), ctx);
    }
}

impl Handler<Goodbye> for Registry {
    type Result = ();

    fn handle(&mut self, Goodbye { forget }: Goodbye, ctx: &mut Context<Self>) {
        self.handle_event("Leave", Event::Leave { forget }, ctx);
        self.save(ctx);
    }
}

impl Handler<Stop> for Registry {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
