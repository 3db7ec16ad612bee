//! Keeps the graph: announces our own records, spreads and repairs those of others, carries pings and
//! shouts. Full mesh: the origin of a change sends it once on every link. Partial mesh: it goes over a tree.

mod announce;
mod cut_off;
mod events;
mod links;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mesh::budget::Budget;
use crate::mesh::call::Calls;
use crate::mesh::graph::{Graph, Inserted};
use crate::mesh::record::{CARD_KEYS_BYTES_MAX, Crypto, EPOCH_MAX, Record};
use crate::mesh::route::Probes;
use crate::mesh::shape::Shape;
use crate::mesh::tree::Tree;
use crate::mesh::view::{State, View};
use crate::mesh::{Core, NodeId, Time, Ver};
use crate::wire::bounded::Blob;

pub(in crate::mesh) use links::Link;

pub use events::{Effect, Event, Identity, Policy, Said};

/// Links listed in the whole network at which derivations are held apart, by as much as one waits; and by how
/// many times that at most.
const PAUSE_FROM_LISTED: u64 = 1_000;
const PAUSE_MAX: u32 = 10;

/// How long another daemon with our key is let be before we claim our name again; doubles each time.
const YIELD: Duration = Duration::from_secs(30);
/// After so many doublings (an hour) the wait stays.
const DOUBLES_COUNTED: u32 = 7;

/// The topology core.
pub struct Topology {
    pub(in crate::mesh) me: NodeId,
    pub(in crate::mesh) crypto: Arc<dyn Crypto + Send + std::marker::Sync>,
    pub(in crate::mesh) identity: Identity,
    pub(in crate::mesh) policy: Policy,
    pub(in crate::mesh) graph: Graph,
    pub(in crate::mesh) links: BTreeMap<NodeId, Link>,
    addrs: Vec<SocketAddr>,
    keys: Blob<CARD_KEYS_BYTES_MAX>,
    ver: Ver,
    /// Since when our own links differ from what we told.
    dirty: Option<Time>,
    card_dirty: bool,
    /// When we told last, and how long we pause after it.
    told_at: Time,
    pause: Duration,
    refresh_at: Time,
    /// When we ping next, and the wait before that.
    ping_at: Time,
    ping_wait: Duration,
    pub(in crate::mesh) casts: crate::mesh::cast::Heard,
    pub(in crate::mesh) calls: Calls,
    pub(in crate::mesh) shape: Shape,
    pub(in crate::mesh) tree: Tree,
    /// For records of nodes that nothing is known of yet, over all new links together.
    pub(in crate::mesh) strangers: Budget,
    /// Links that were lost lately, and when.
    lost: BTreeMap<NodeId, Time>,
    /// When the tree is to follow the graph, when it last did, and the change of the graph it then followed.
    pub(in crate::mesh) span_at: Option<Time>,
    pub(in crate::mesh) spanned_at: Time,
    pub(in crate::mesh) spanned_for: u64,
    pub(in crate::mesh) probes: Probes,
    /// When the graph is to be derived again.
    derive_at: Option<Time>,
    derived_at: Time,
    pub(in crate::mesh) synced_at: Option<Time>,
    root: u64,
    pub(in crate::mesh) root_since: Time,
    pub(in crate::mesh) leaving: bool,
    /// How often somebody else has spoken with our key.
    doubles: u32,
    /// Until when we let the other one have our name.
    yield_until: Time,
    /// Records refused, conflicting, or over a peer's budget.
    pub dropped_records: u64,
}

impl Topology {
    /// A topology that knows nobody. Announces nothing before its first event.
    pub fn new(
        identity: Identity,
        policy: Policy,
        crypto: Arc<dyn Crypto + Send + std::marker::Sync>,
    ) -> Topology {
        let me = NodeId::of_key(&crypto.key());
        let mut topology = Topology {
            me,
            ver: Ver { epoch: identity.epoch, seq: 0 },
            graph: Graph::new(me, identity.start_ms, policy.limits),
            links: BTreeMap::new(),
            addrs: Vec::new(),
            keys: Blob::default(),
            dirty: None,
            card_dirty: false,
            told_at: Time(0),
            pause: announce::COALESCE,
            refresh_at: Time(0) + announce::REFRESH,
            ping_at: Time(0) + policy.period.unwrap_or(announce::PERIOD),
            ping_wait: policy.period.unwrap_or(announce::PERIOD),
            casts: crate::mesh::cast::Heard::default(),
            calls: Calls::default(),
            shape: Shape::new(&policy.plan, &me, identity.epoch),
            tree: Tree::default(),
            strangers: links::strange_budget(&policy),
            lost: BTreeMap::new(),
            span_at: None,
            spanned_at: Time(0),
            spanned_for: 0,
            probes: Probes::new(identity.epoch),
            derive_at: None,
            derived_at: Time(0),
            synced_at: None,
            root: 0,
            root_since: Time(0),
            leaving: false,
            doubles: 0,
            yield_until: Time(0),
            dropped_records: 0,
            crypto,
            identity,
            policy,
        };
        topology.sign_own(Time(0));
        topology.derive(Time(0), &mut Vec::new());
        topology
    }

    /// The graph as it is now, made anew: see [`Graph::view`].
    pub fn view(&self) -> View {
        self.graph.view()
    }

    /// All that is known, for who wants one thing of it and not the whole view.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Those a node has confirmed links with.
    pub fn neighbours(&self, id: &NodeId) -> Vec<NodeId> {
        self.graph.neighbours(id)
    }

    /// A node's state, if it is shown.
    pub fn state_of(&self, id: &NodeId) -> Option<State> {
        self.graph.state_of(id)
    }

    /// The digest of all that is known.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Our own card, for the hello of every connection.
    pub fn card(&self) -> Record {
        self.graph.card(&self.me).cloned().expect("our own card is signed before anything else")
    }

    /// What is told of a derivation costs others about a microsecond for each link. In a burst of records that is a
    /// fifth of the time at most, and in a network of thousands, where a burst lasts long, a twentieth.
    pub(in crate::mesh) fn schedule_derive(&mut self, now: Time) {
        let listed = self.graph.listed() as u64;
        let soon = Duration::from_micros(1_000 + 5 * listed / 2);
        let pause =
            soon * u32::try_from(listed / PAUSE_FROM_LISTED).unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
        let at = (now + soon).max(self.derived_at + pause);
        self.derive_at = Some(self.derive_at.map_or(at, |planned| planned.min(at)));
    }

    fn derive(&mut self, now: Time, out: &mut Vec<Effect>) {
        let derived = self.graph.derive(now);
        self.derive_at = derived.next;
        self.derived_at = now;
        self.schedule_span(now);
        self.ping_sooner(now);
        if self.root != self.graph.root() {
            self.root = self.graph.root();
            self.root_since = now;
            out.push(Effect::Root(self.root));
        }
        if derived.shown {
            out.push(Effect::Changed(derived.nodes));
        }
        if self.mode_has_changed() {
            self.look(now, out);
        }
    }

    /// Takes a record from a handshake, or one that is to go no further than others take it.
    pub(in crate::mesh) fn take(&mut self, now: Time, record: Record, out: &mut Vec<Effect>) {
        if self.insert(now, record.clone(), out) {
            self.tree.arrived(now, &record);
            if !self.is_partial() {
                self.pass_on(&record, out);
            }
        }
    }

    /// Takes a record into the graph. Whether it was news.
    pub(in crate::mesh) fn insert(
        &mut self,
        now: Time,
        record: Record,
        out: &mut Vec<Effect>,
    ) -> bool {
        let id = record.id();
        if id == self.me {
            self.meet_double(now, &record, out);
            return false;
        }
        match self.graph.insert(now, record) {
            Inserted::New { lost } => {
                out.extend(lost.into_iter().map(|peer| Effect::Dropped { peer }));
                self.schedule_derive(now);
                return true;
            }
            Inserted::Stale => {}
            Inserted::Conflict => {
                self.dropped_records += 1;
                let name = self.graph.name(&id);
                out.push(Effect::Notice(format!(
                    "{name:?} ({}) signed two different records of one version; the first is kept",
                    id.short()
                )));
            }
            Inserted::Full => self.dropped_records += 1,
        }
        false
    }

    /// Somebody holds a record of ours that we did not make: a restored disk, or a second daemon with
    /// our key. Ours must be newer.
    fn meet_double(&mut self, now: Time, record: &Record, out: &mut Vec<Effect>) {
        if record.ver() <= self.ver || now < self.yield_until {
            return;
        }
        // Once is a restored disk. If it comes again, two daemons outbid one another, and each round
        // costs everybody all their links to us: the rounds become ever rarer.
        let doubles = self.doubles.min(DOUBLES_COUNTED);
        self.yield_until = now + YIELD * (1 << doubles);
        self.ver = Ver { epoch: (record.ver().epoch + 1).min(EPOCH_MAX), seq: 0 };
        self.doubles += 1;
        out.push(Effect::Epoch(self.ver.epoch));
        if self.doubles > 1 {
            out.push(Effect::Notice(format!(
                "another daemon runs with this node's key ({} times seen): stop one of them, or give it \
                 a state directory of its own",
                self.doubles
            )));
        }
        self.touch(now);
    }

    /// Our card says something else from now on.
    fn change_card(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.card_dirty = true;
        if self.links.is_empty() {
            // The very first hello must carry it already.
            self.announce(now, out);
        } else {
            self.touch(now);
        }
    }
}

impl Core for Topology {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::LinkUp { peer, dir, rtt_us, addr, card } => {
                let new = self.insert(now, card.clone(), out);
                self.link_up(now, peer, dir, rtt_us, addr, out);
                if new && self.is_partial() {
                    // It tells its card to each neighbour in the handshake, and to nobody else.
                    self.relay(now, &card, 1, &peer);
                }
            }
            Event::LinkDown { peer, lost } => self.link_down(now, peer, lost),
            Event::Measured { peer, rtt_us } => self.measured(now, peer, rtt_us),
            Event::FromPeer { peer, gossip } => self.take_gossip(now, peer, gossip, out),
            Event::RootDiffers { peer } => self.root_differs(now, peer, out),
            Event::Learned { record } => self.take(now, record, out),
            Event::Reachable { addrs } => {
                if self.addrs != addrs {
                    self.addrs = addrs;
                    self.change_card(now, out);
                }
            }
            Event::Keys(keys) => {
                if self.keys != keys {
                    self.keys = keys;
                    self.change_card(now, out);
                }
            }
            Event::CallBack { target } => self.call(now, target, out),
            Event::Trace { ticket, to } => self.trace(now, ticket, to, out),
            Event::Shout { text } => self.say(now, text, true, out),
            Event::WhoIs { ids } => {
                let known = ids.iter().filter_map(|id| self.graph.change_of(id)).collect();
                out.push(Effect::Known(known));
            }
            Event::Leave => {
                self.leaving = true;
                self.announce(now, out);
            }
            Event::Configure(policy) => self.configure(now, policy),
        }
        self.tree.flush(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        // Once something is to be told anyway, the refresh goes with it.
        let refresh = self.dirty.is_none().then_some(self.refresh_at);
        let timers = [
            self.announce_at(),
            self.derive_at,
            Some(self.ping_at),
            refresh,
            self.look_at(),
            self.span_at,
            self.tree.next_wake(),
            self.probes.next_wake(),
        ];
        timers.into_iter().flatten().min()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        if now >= self.refresh_at {
            self.touch(now);
        }
        if self.announce_at().is_some_and(|at| now >= at) {
            self.announce(now, out);
        }
        if self.derive_at.is_some_and(|at| now >= at) {
            self.derive(now, out);
        }
        if now >= self.ping_at {
            self.ping(now, out);
        }
        self.probes_due(now, out);
        if self.look_at().is_some_and(|at| now >= at) {
            self.look(now, out);
        }
        if self.span_at.is_some_and(|at| now >= at) {
            self.span(now);
        }
        self.tree.wake(now);
        self.tree.flush(now, out);
    }
}
