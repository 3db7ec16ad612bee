//! The Topology: drives [`crate::mesh::topology`], publishes the graph, prints what is said to everyone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Recipient, ResponseFuture};
use tokio::sync::{oneshot, watch};

use super::lifeline::Lifeline;
use super::messages::{
    Advised, CallBack, Called, CardChanged, Configure, Dropped, EpochChanged, Goodbye, GossipFrom,
    GraphChanged, KeysChanged, Learned, LinkChange, LinkChanged, Measured, NodesChanged, Reachable,
    Refused, RootDiffers, Shout, Stop, Trace, Walk, WhoIs,
};
use super::notices::Notices;
use super::policy;
use super::post::{deliver, post};
use super::turn::{Driver, Turn, arm};
use super::voice::Voice;
use crate::mesh::route::{Lost, WAY_MAX};
use crate::mesh::topology::{Effect, Event, Topology as TopologyCore};
use crate::mesh::view::View;
use crate::mesh::{NodeId, Ver};
use crate::net::lanes::Link;
use crate::net::session::Shared;
use crate::wire::Frame;
use crate::wire::bounded::{Blob, Text};

/// Messages that wait; behind them the links are not read.
const MAILBOX: usize = 256;

/// Making a view and comparing it costs some microseconds for each link listed: views are this far apart for each of
/// them, so that in a storm of news they take a few hundredths of the time at most.
const SHOW_PAUSE_PER_LINK: Duration = Duration::from_micros(200);

/// Whom the Topology tells.
pub struct Ports {
    /// Heartbeat, Exchange and Courier.
    pub graph: [Recipient<GraphChanged>; 3],
    /// PeerRegistry.
    pub nodes: Recipient<NodesChanged>,
    /// PeerRegistry.
    pub shape: Recipient<Advised>,
    /// Heartbeat.
    pub dropped: Recipient<Dropped>,
    /// PeerRegistry.
    pub card: Recipient<CardChanged>,
    /// PeerRegistry.
    pub epoch: Recipient<EpochChanged>,
    /// PeerRegistry.
    pub called: Recipient<Called>,
    /// Everyone who shows the graph.
    pub view: watch::Sender<Arc<View>>,
    /// Standard output.
    pub voice: Voice,
    /// The root digest for heartbeats.
    pub shared: Arc<Shared>,
}

/// The actor.
pub struct Topology {
    turn: Turn<TopologyCore>,
    ports: Ports,
    links: BTreeMap<NodeId, Link>,
    /// Who waits for which probe; the core ends every one.
    traces: BTreeMap<u64, oneshot::Sender<Result<Walk, Lost>>>,
    trace: u64,
    card_told: Ver,
    shown_at: Instant,
    /// The graph looks different and will be shown in a moment.
    to_show: bool,
    notices: Notices,
    lifeline: Lifeline,
}

impl Topology {
    /// A topology without links; its core has signed its own records already.
    pub fn new(turn: Turn<TopologyCore>, ports: Ports, lifeline: Lifeline) -> Topology {
        let card_told = turn.core.card().ver();
        ports.view.send_replace(Arc::new(turn.core.view()));
        ports.shared.root.store(turn.core.root(), Ordering::Relaxed);
        let notices = Notices::default();
        let (links, traces) = Default::default();
        Topology {
            turn,
            ports,
            links,
            traces,
            trace: 0,
            card_told,
            shown_at: Instant::now(),
            to_show: false,
            notices,
            lifeline,
        }
    }

    /// Makes the graph known now, or in a moment if that was done only just now.
    fn show_soon(&mut self, ctx: &mut Context<Self>) {
        if self.to_show {
            return;
        }
        let listed = u32::try_from(self.turn.core.graph().listed()).unwrap_or(u32::MAX);
        let pause = SHOW_PAUSE_PER_LINK.saturating_mul(listed);
        match pause.saturating_sub(self.shown_at.elapsed()) {
            Duration::ZERO => self.show(),
            wait => {
                self.to_show = true;
                ctx.run_later(wait, |topology, _| topology.show());
            }
        }
    }

    /// Makes the graph known, if it looks different.
    fn show(&mut self) {
        (self.to_show, self.shown_at) = (false, Instant::now());
        let view = Arc::new(self.turn.core.view());
        if *self.ports.view.borrow() == view {
            return;
        }
        for to in &self.ports.graph {
            post(to, GraphChanged(view.clone()));
        }
        self.ports.view.send_replace(view);
    }

    /// Hellos carry our newest card.
    fn tell_card(&mut self) {
        let card = self.turn.core.card();
        if card.ver() != self.card_told {
            self.card_told = card.ver();
            post(&self.ports.card, CardChanged(card));
        }
    }
}

impl Actor for Topology {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        arm(self, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Driver for Topology {
    type Core = TopologyCore;

    fn turn(&mut self) -> &mut Turn<TopologyCore> {
        &mut self.turn
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send { peer, gossip } => {
                // What does not fit is repaired by the next digest.
                if let Some(link) = self.links.get(&peer)
                    && let Err(error) = link.try_send(&Frame::Gossip(gossip))
                {
                    log::debug!(peer:%; "gossip to {} not sent: {error}", peer.short());
                }
            }
            Effect::Root(root) => self.ports.shared.root.store(root, Ordering::Relaxed),
            // Each is told once; the core's pauses bound how often.
            Effect::Known(nodes) if nodes.is_empty() => {}
            Effect::Known(nodes) => deliver(&self.ports.nodes, NodesChanged(nodes)),
            Effect::Changed(nodes) => {
                if !nodes.is_empty() {
                    deliver(&self.ports.nodes, NodesChanged(nodes));
                }
                self.show_soon(ctx);
                self.tell_card();
            }
            // A few a second; that everyone links with everyone from now on is said only once.
            Effect::Shape(advice) => deliver(&self.ports.shape, Advised(advice)),
            Effect::Dropped { peer } => post(&self.ports.dropped, Dropped(peer)),
            Effect::Heard(said) => self.ports.voice.say(&said),
            Effect::Called { card } => post(&self.ports.called, Called(card)),
            Effect::Epoch(epoch) => post(&self.ports.epoch, EpochChanged(epoch)),
            Effect::Traced { ticket, outcome } => {
                if let Some(waiting) = self.traces.remove(&ticket) {
                    // Whoever asked may have gone away.
                    let _ = waiting.send(outcome);
                }
            }
            Effect::Notice(text) => self.notices.tell(self.turn.now(), &text),
        }
    }
}

impl Handler<LinkChanged> for Topology {
    type Result = ();

    fn handle(&mut self, LinkChanged { peer, change }: LinkChanged, ctx: &mut Context<Self>) {
        match change {
            LinkChange::Up { link, dir, rtt_us, addr, card } => {
                self.links.insert(peer, link);
                let up = Event::LinkUp { peer, dir, rtt_us, addr, card };
                self.handle_event("LinkUp", up, ctx);
            }
            LinkChange::Down(why) => {
                self.links.remove(&peer);
                let down = Event::LinkDown { peer, lost: why.is_loss() };
                self.handle_event("LinkDown", down, ctx);
            }
        }
    }
}

impl Handler<GossipFrom> for Topology {
    type Result = ();

    fn handle(&mut self, GossipFrom { peer, gossip }: GossipFrom, ctx: &mut Context<Self>) {
        self.handle_event("FromPeer", Event::FromPeer { peer, gossip }, ctx);
        let tally = &self.ports.shared.tally;
        tally.records_dropped.set(self.turn.core.dropped_records);
        tally.tree.set(self.turn.core.tree_counts());
    }
}

impl Handler<RootDiffers> for Topology {
    type Result = ();

    fn handle(&mut self, RootDiffers { peer }: RootDiffers, ctx: &mut Context<Self>) {
        self.handle_event("RootDiffers", Event::RootDiffers { peer }, ctx);
    }
}

impl Handler<Measured> for Topology {
    type Result = ();

    fn handle(&mut self, Measured { peer, rtt_us }: Measured, ctx: &mut Context<Self>) {
        self.handle_event("Measured", Event::Measured { peer, rtt_us }, ctx);
    }
}

impl Handler<Reachable> for Topology {
    type Result = ();

    fn handle(&mut self, Reachable(addrs): Reachable, ctx: &mut Context<Self>) {
        self.handle_event("Reachable", Event::Reachable { addrs }, ctx);
    }
}

impl Handler<Learned> for Topology {
    type Result = ();

    fn handle(&mut self, Learned(record): Learned, ctx: &mut Context<Self>) {
        self.handle_event("Learned", Event::Learned { record }, ctx);
    }
}

impl Handler<KeysChanged> for Topology {
    type Result = ();

    fn handle(&mut self, KeysChanged(keys): KeysChanged, ctx: &mut Context<Self>) {
        match Blob::new(keys.to_vec()) {
            Ok(keys) => self.handle_event("Keys", Event::Keys(keys), ctx),
            Err(error) => log::error!("our mail keys do not fit a card: {error}"),
        }
        self.tell_card();
    }
}

impl Handler<WhoIs> for Topology {
    type Result = ();

    fn handle(&mut self, WhoIs(ids): WhoIs, ctx: &mut Context<Self>) {
        self.handle_event("WhoIs", Event::WhoIs { ids }, ctx);
    }
}

impl Handler<CallBack> for Topology {
    type Result = ();

    fn handle(&mut self, CallBack(target): CallBack, ctx: &mut Context<Self>) {
        self.handle_event("CallBack", Event::CallBack { target }, ctx);
    }
}

impl Handler<Shout> for Topology {
    type Result = Result<usize, Refused>;

    fn handle(&mut self, Shout { text }: Shout, ctx: &mut Context<Self>) -> Self::Result {
        let text = Text::new(text)
            .map_err(|e| Refused { why: format!("the text is too long: {e} (bytes)") })?;
        self.handle_event("Shout", Event::Shout { text }, ctx);
        Ok(self.links.len())
    }
}

impl Handler<Trace> for Topology {
    type Result = ResponseFuture<Result<Walk, Refused>>;

    fn handle(&mut self, Trace { peer }: Trace, ctx: &mut Context<Self>) -> Self::Result {
        let (tx, rx) = oneshot::channel();
        self.trace += 1;
        let ticket = self.trace;
        self.traces.insert(ticket, tx);
        self.handle_event("Trace", Event::Trace { ticket, to: peer }, ctx);
        Box::pin(async {
            // The sender goes without a word only with the whole actor.
            let outcome = rx.await.unwrap_or(Err(Lost::Silent));
            outcome.map_err(|lost| Refused { why: why(lost) })
        })
    }
}

/// Why a probe did not come back, for people.
fn why(lost: Lost) -> String {
    match lost {
        Lost::NoWay => "no chain of links leads there, as far as is known here".into(),
        Lost::TooFar => format!("the cheapest way there has more than {} links", WAY_MAX - 1),
        Lost::Silent => "nobody answered in time; a link on the way may just have gone".into(),
        Lost::Stuck(at) => {
            format!("it came as far as {}, and no way led on from there", at.short())
        }
        Lost::TooMany => "this node has sent too many lately; ask again in a moment".into(),
    }
}

impl Handler<Configure> for Topology {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, ctx: &mut Context<Self>) {
        self.handle_event("Configure", Event::Configure(policy::topology(&settings)), ctx);
    }
}

impl Handler<Goodbye> for Topology {
    type Result = ();

    fn handle(&mut self, _: Goodbye, ctx: &mut Context<Self>) {
        self.handle_event("Leave", Event::Leave, ctx);
    }
}

impl Handler<Stop> for Topology {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
