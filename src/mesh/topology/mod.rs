//! Keeps the graph: announces our own records, spreads and repairs those of others, carries pings and
//! shouts. Full mesh: the origin of a change sends it once on every link.

mod announce;
mod events;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mesh::budget::Budget;
use crate::mesh::call::Calls;
use crate::mesh::gossip::Gossip;
use crate::mesh::graph::{Graph, Inserted};
use crate::mesh::record::{
    Body, CARD_KEYS_BYTES_MAX, Cast, Crypto, Direction, EPOCH_MAX, Record, Signed,
};
use crate::mesh::route::{OnLink, Probes};
use crate::mesh::sync::Sync;
use crate::mesh::view::{State, View};
use crate::mesh::{Core, NodeId, Time, Ver};
use crate::wire::bounded::{Blob, List, Text, TooLarge};

pub use events::{Effect, Event, Identity, Policy, Said};

/// A changed RTT is told again after this long, and only if it moved by two fifths.
const RTT_AGAIN: Duration = Duration::from_secs(30);
/// Pings are stretched so that a node hears at most this many a second in all.
const PINGS_HEARD_PER_SECOND: u64 = 2;
/// The period of pings when nobody set one.
const PERIOD: Duration = Duration::from_secs(5);

/// Smallest burst of records taken from a peer: the dearest question must fit into it.
const BURST_MIN: u32 = 64;

/// Links listed in the whole network at which derivations are held apart, by as much as one waits; and by how
/// many times that at most.
const PAUSE_FROM_LISTED: u64 = 8_000;
const PAUSE_MAX: u32 = 10;

/// How long another daemon with our key is let be before we claim our name again; doubles each time.
const YIELD: Duration = Duration::from_secs(30);
/// After so many doublings (an hour) the wait stays.
const DOUBLES_COUNTED: u32 = 7;

/// A link as the topology knows it.
#[derive(Debug)]
pub(in crate::mesh) struct Link {
    dir: Direction,
    rtt_us: u32,
    told_at: Option<Time>,
    up_at: Time,
    pub(in crate::mesh) budget: Budget,
    pub(in crate::mesh) sync: Sync,
    pub(in crate::mesh) routes: OnLink,
}

/// The topology core.
pub struct Topology {
    pub(in crate::mesh) me: NodeId,
    pub(in crate::mesh) crypto: Arc<dyn Crypto + Send + std::marker::Sync>,
    pub(in crate::mesh) identity: Identity,
    policy: Policy,
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
    ping_at: Time,
    pub(in crate::mesh) casts: crate::mesh::cast::Heard,
    pub(in crate::mesh) calls: Calls,
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
            ping_at: Time(0) + policy.period.unwrap_or(PERIOD),
            casts: crate::mesh::cast::Heard::default(),
            calls: Calls::default(),
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

    /// Deriving and showing cost about a microsecond for each link. In a burst of records they take a fifth of
    /// the time at most, and in a network of thousands, where a burst lasts long, a twentieth.
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
        if self.root != self.graph.root() {
            self.root = self.graph.root();
            self.root_since = now;
            out.push(Effect::Root(self.root));
        }
        if derived.shown {
            out.push(Effect::Changed(derived.nodes));
        }
    }

    /// Takes a record from a neighbour (or from a handshake).
    pub(in crate::mesh) fn take(&mut self, now: Time, record: Record, out: &mut Vec<Effect>) {
        if record.id() == self.me {
            return self.meet_double(now, &record, out);
        }
        let (id, card) = (record.id(), record.card().is_some());
        match self.graph.insert(now, record) {
            Inserted::New { dropped } => {
                out.extend(dropped.into_iter().map(|peer| Effect::Dropped { peer }));
                if !card {
                    self.pass_on(id, out);
                }
                self.schedule_derive(now);
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

    /// Hands a link state on to those our neighbour cannot reach itself. In an unbroken full mesh there
    /// is nobody; where a pair cannot link, exactly one common neighbour passes it on. The card goes with
    /// it: where two components meet, it tells the others where to dial.
    fn pass_on(&self, origin: NodeId, out: &mut Vec<Effect>) {
        let Some(links) = self.graph.link_state(&origin) else { return };
        let records = self.graph.card(&origin).into_iter().chain([links]);
        let signed: Vec<Arc<Signed>> = records.map(|r| r.signed().clone()).collect();
        for peer in self.cut_off_from(&origin) {
            let gossip = Gossip::Records(List::first_of(signed.iter().cloned()));
            out.push(Effect::Send { peer, gossip });
        }
    }

    /// Our neighbours that `origin` has no link with and whose smallest common neighbour we are.
    pub(in crate::mesh) fn cut_off_from(&self, origin: &NodeId) -> Vec<NodeId> {
        let listed = |id: &NodeId, peer: &NodeId| {
            let state = self.graph.link_state(id).and_then(Record::links);
            state.is_some_and(|s| s.links.binary_search_by(|l| l.peer.cmp(peer)).is_ok())
        };
        let Some(state) = self.graph.link_state(origin).and_then(Record::links) else {
            return Vec::new();
        };
        if !listed(origin, &self.me) {
            return Vec::new();
        }
        // Those before us in the order of ids, looked up once: an origin may list a thousand nodes that
        // nobody knows, and each of our neighbours is compared with all of them.
        let before = state.links.iter().take_while(|l| l.peer < self.me);
        let before: Vec<NodeId> =
            before.map(|l| l.peer).filter(|c| self.graph.link_state(c).is_some()).collect();
        let cut_off = self.links.keys().filter(|peer| *peer != origin && !listed(origin, peer));
        cut_off
            .filter(|peer| listed(&self.me, peer) && !before.iter().any(|c| listed(c, peer)))
            .copied()
            .collect()
    }

    fn say(
        &mut self,
        text: Text<{ crate::mesh::record::CAST_BYTES_MAX }>,
        shout: bool,
        out: &mut Vec<Effect>,
    ) {
        self.ver.seq += 1;
        let cast = Cast { id: self.me, ver: self.ver, shout, text };
        let record = Record::sign(Body::Cast(cast), &*self.crypto);
        for peer in self.links.keys() {
            let gossip = Gossip::Cast(record.signed().clone());
            out.push(Effect::Send { peer: *peer, gossip });
        }
    }

    fn ping(&mut self, now: Time, out: &mut Vec<Effect>) {
        let nodes = self.graph.live_count() as u64;
        let stretched = PERIOD.max(Duration::from_millis(nodes * 1000 / PINGS_HEARD_PER_SECOND));
        self.ping_at = now + self.policy.period.unwrap_or(stretched);
        let others = nodes.saturating_sub(1);
        let text =
            format!("hello, I see {others} other node{}", if others == 1 { "" } else { "s" });
        match Text::new(text) {
            Ok(text) if !self.links.is_empty() => self.say(text, false, out),
            Ok(_) | Err(TooLarge { .. }) => {}
        }
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

    fn measured(&mut self, now: Time, peer: NodeId, rtt_us: u32) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.routes.rtt_us = rtt_us;
        let first = link.rtt_us == 0;
        let moved = link.rtt_us.abs_diff(rtt_us) > link.rtt_us / 5 * 2;
        let old = link.told_at.is_none_or(|at| now.since(at) >= RTT_AGAIN);
        if first || (moved && old) {
            link.rtt_us = rtt_us.max(1);
            self.touch(now);
        }
    }

    pub(in crate::mesh) fn rtt_to(&self, peer: &NodeId) -> Option<u32> {
        self.links.get(peer).map(|l| l.rtt_us).filter(|rtt| *rtt != 0)
    }

    /// What a new link may bring: everyone's two records at once, then so many a second.
    fn budget(&self) -> Budget {
        let burst = u32::try_from(2 * self.policy.limits.nodes_max).unwrap_or(u32::MAX);
        Budget::new(burst.max(BURST_MIN), self.policy.records_per_second)
    }

    fn link_up(
        &mut self,
        now: Time,
        peer: NodeId,
        dir: Direction,
        rtt_us: u32,
        out: &mut Vec<Effect>,
    ) {
        // Dialling again does not buy a peer a new burst.
        let before = self.links.remove(&peer).map(|l| (l.budget, l.routes));
        let (budget, mut routes) = before.unwrap_or_else(|| (self.budget(), OnLink::new(rtt_us)));
        routes.rtt_us = rtt_us;
        let link =
            Link { dir, rtt_us, told_at: None, up_at: now, budget, sync: Sync::default(), routes };
        self.links.insert(peer, link);
        self.touch(now);
        self.begin_sync_on_link(now, peer, dir, out);
    }
}

impl Core for Topology {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::LinkUp { peer, dir, rtt_us, card } => {
                self.take(now, card, out);
                self.link_up(now, peer, dir, rtt_us, out);
            }
            Event::LinkDown { peer } => {
                if self.links.remove(&peer).is_some() {
                    self.touch(now);
                }
            }
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
            Event::Shout { text } => self.say(text, true, out),
            Event::Leave => {
                self.leaving = true;
                self.announce(now, out);
            }
            Event::Configure(policy) => {
                self.graph.set_limits(policy.limits);
                if policy.period != self.policy.period {
                    self.ping_at = now + policy.period.unwrap_or(PERIOD);
                }
                let bounds = |p: &Policy| (p.limits.nodes_max, p.records_per_second);
                let moved = bounds(&policy) != bounds(&self.policy);
                self.policy = policy;
                if moved {
                    let budget = self.budget();
                    self.links.values_mut().for_each(|link| link.budget = budget.clone());
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        // Once something is to be told anyway, the refresh goes with it.
        let refresh = self.dirty.is_none().then_some(self.refresh_at);
        let probes = self.probes.next_wake();
        let timers = [self.announce_at(), self.derive_at, Some(self.ping_at), refresh, probes];
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
    }
}
