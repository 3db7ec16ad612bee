//! The Heartbeat: drives [`crate::mesh::pulse`].

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, Recipient, ResponseFuture};
use tokio::sync::oneshot;

use super::lifeline::Lifeline;
use super::messages::{
    BeatFrom, Configure, Dropped, GraphChanged, Health, Heard, LinkChange, LinkChanged, Measured,
    Note, Probe, Refused, Silent, Stop,
};
use super::policy;
use super::post::{deliver, post};
use super::turn::{Driver, Turn, arm};
use crate::mesh::NodeId;
use crate::mesh::pulse::{Effect, Event, Pulse};
use crate::mesh::view::View;
use crate::net::lanes::Link;
use crate::wire::Frame;

/// Most people waiting for one peer's round trip.
const PROBES_MAX: usize = 16;
/// Messages that wait; a heartbeat every few milliseconds at the most.
const MAILBOX: usize = 1024;

/// Whom the Heartbeat tells.
pub struct Ports {
    /// PeerRegistry.
    pub silent: Recipient<Silent>,
    /// PeerRegistry.
    pub note: Recipient<Note>,
    /// PeerRegistry.
    pub health: Recipient<Health>,
    /// PeerRegistry, Topology and Exchange.
    pub measured: [Recipient<Measured>; 3],
}

/// The actor.
pub struct Heartbeat {
    turn: Turn<Pulse>,
    ports: Ports,
    links: BTreeMap<NodeId, Link>,
    view: Arc<View>,
    probes: BTreeMap<NodeId, Vec<oneshot::Sender<Option<u32>>>>,
    lifeline: Lifeline,
}

impl Heartbeat {
    /// A heartbeat without links.
    pub fn new(turn: Turn<Pulse>, ports: Ports, lifeline: Lifeline) -> Heartbeat {
        let (links, probes) = (BTreeMap::new(), BTreeMap::new());
        Heartbeat { turn, ports, links, view: Arc::new(View::nothing()), probes, lifeline }
    }
}

impl Actor for Heartbeat {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        arm(self, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Driver for Heartbeat {
    type Core = Pulse;

    fn turn(&mut self) -> &mut Turn<Pulse> {
        &mut self.turn
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Witnesses { of } => {
                let neighbours = self.view.neighbours(&of);
                self.later("Witnesses", Event::Witnesses { of, neighbours }, ctx);
            }
            Effect::Send { peer, beat } => {
                // A full urgent lane means that the peer does not read: its silence will be judged.
                if let Some(link) = self.links.get(&peer)
                    && let Err(error) = link.try_send(&Frame::Beat(beat))
                {
                    log::debug!(peer:%; "heartbeat to {} not sent: {error}", peer.short());
                }
            }
            Effect::Measured { peer, rtt_us } => {
                for to in &self.ports.measured {
                    post(to, Measured { peer, rtt_us });
                }
            }
            Effect::Silent { peer, silent, vouched } => {
                deliver(&self.ports.silent, Silent { peer, silent, vouched });
            }
            Effect::Probed { peer, rtt_us } => {
                for waiting in self.probes.remove(&peer).into_iter().flatten() {
                    // Whoever asked may have gone away.
                    let _ = waiting.send(rtt_us);
                }
            }
            Effect::Evidence { peer, text } => post(&self.ports.note, Note { peer, text }),
            Effect::Health(health) => post(&self.ports.health, Health(health)),
        }
    }
}

impl Handler<LinkChanged> for Heartbeat {
    type Result = ();

    fn handle(&mut self, LinkChanged { peer, change }: LinkChanged, ctx: &mut Context<Self>) {
        match change {
            LinkChange::Up { link, dir, rtt_us, .. } => {
                self.links.insert(peer, link);
                self.handle_event("LinkUp", Event::LinkUp { peer, dir, rtt_us }, ctx);
            }
            LinkChange::Down(_) => {
                self.links.remove(&peer);
                self.handle_event("LinkDown", Event::LinkDown { peer }, ctx);
            }
        }
    }
}

impl Handler<Heard> for Heartbeat {
    type Result = ();

    fn handle(&mut self, message: Heard, ctx: &mut Context<Self>) {
        let Heard { peer, at, rtt_us, beat } = message;
        let event = match beat {
            true => Event::Heard { peer, at, rtt_us },
            false => Event::Alive { peer, at },
        };
        self.handle_event("Heard", event, ctx);
    }
}

impl Handler<BeatFrom> for Heartbeat {
    type Result = ();

    fn handle(&mut self, BeatFrom { peer, beat }: BeatFrom, ctx: &mut Context<Self>) {
        self.handle_event("FromPeer", Event::FromPeer { peer, beat }, ctx);
    }
}

impl Handler<GraphChanged> for Heartbeat {
    type Result = ();

    fn handle(&mut self, GraphChanged(view): GraphChanged, _: &mut Context<Self>) {
        self.view = view;
    }
}

impl Handler<Dropped> for Heartbeat {
    type Result = ();

    fn handle(&mut self, Dropped(peer): Dropped, ctx: &mut Context<Self>) {
        self.handle_event("Dropped", Event::Dropped { peer }, ctx);
    }
}

impl Handler<Configure> for Heartbeat {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, ctx: &mut Context<Self>) {
        self.handle_event("Configure", Event::Configure(policy::pulse(&settings)), ctx);
    }
}

impl Handler<Probe> for Heartbeat {
    type Result = ResponseFuture<Result<u32, Refused>>;

    fn handle(&mut self, Probe { peer }: Probe, ctx: &mut Context<Self>) -> Self::Result {
        let refused = |why: &str| Refused { why: why.into() };
        if !self.links.contains_key(&peer) {
            let why = refused("there is no link to it");
            return Box::pin(async { Err(why) });
        }
        let waiting = self.probes.entry(peer).or_default();
        // Those who gave up waiting take nobody's place.
        waiting.retain(|tx| !tx.is_closed());
        if waiting.len() >= PROBES_MAX {
            let why = refused("too many are measuring it already");
            return Box::pin(async { Err(why) });
        }
        let (tx, rx) = oneshot::channel();
        waiting.push(tx);
        self.handle_event("Probe", Event::Probe { peer }, ctx);
        let silent = refused("it did not answer");
        Box::pin(async { rx.await.ok().flatten().ok_or(silent) })
    }
}

impl Handler<Stop> for Heartbeat {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
