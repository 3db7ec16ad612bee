//! Keeps the graph: announces our own records, spreads and repairs those of others, carries pings and
//! shouts. Full mesh: the origin of a change sends it once on every link.

mod events;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mesh::budget::Budget;
use crate::mesh::gossip::Gossip;
use crate::mesh::graph::{Graph, Inserted};
use crate::mesh::record::{
    ADDRS_MAX, Body, Card, Cast, Crypto, Direction, EPOCH_MAX, LINKS_MAX, LinkEntry, LinkState,
    Record, Signed,
};
use crate::mesh::sync::Sync;
use crate::mesh::view::View;
use crate::mesh::{Core, NodeId, Time, Ver};
use crate::wire::bounded::{List, Text, TooLarge};

pub use events::{Effect, Event, Identity, Policy, Said};

/// Changes of our own links are gathered this long before they are told.
const COALESCE: Duration = Duration::from_millis(20);
/// Longest pause between two announcements, for each link we have and in all. The pause doubles while
/// changes keep coming and is short again after [`QUIET`]. It grows with the links because the cost does
/// (one entry for each link, told on each): a small network has no reason to wait. (A fixed burst does not do: a cold start spends it in
/// its first tenth of a second, and a crash right after it then waits a whole second to be told.)
const PAUSE_PER_LINK: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Without news for this long, the next change is told as if it were the first.
const QUIET: Duration = Duration::from_secs(2);
/// A changed RTT is told again after this long, and only if it moved by two fifths.
const RTT_AGAIN: Duration = Duration::from_secs(30);
/// Our records are signed anew after this long, so that nobody takes them for forgotten.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// Pings are stretched so that a node hears at most this many a second in all.
const PINGS_HEARD_PER_SECOND: u64 = 2;
/// The period of pings when nobody set one.
const PERIOD: Duration = Duration::from_secs(5);

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
}

/// The topology core.
pub struct Topology {
    pub(in crate::mesh) me: NodeId,
    pub(in crate::mesh) crypto: Arc<dyn Crypto + Send + std::marker::Sync>,
    identity: Identity,
    policy: Policy,
    pub(in crate::mesh) graph: Graph,
    pub(in crate::mesh) links: BTreeMap<NodeId, Link>,
    addrs: Vec<SocketAddr>,
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
    /// When the graph is to be derived again.
    derive_at: Option<Time>,
    pub(in crate::mesh) synced_at: Option<Time>,
    root: u64,
    pub(in crate::mesh) root_since: Time,
    view: Arc<View>,
    leaving: bool,
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
        let nobody = View { me, nodes: Vec::new(), links: Vec::new(), changed_ms: 0 };
        let mut topology = Topology {
            me,
            ver: Ver { epoch: identity.epoch, seq: 0 },
            graph: Graph::new(me, identity.start_ms, policy.limits),
            links: BTreeMap::new(),
            addrs: Vec::new(),
            dirty: None,
            card_dirty: false,
            told_at: Time(0),
            pause: COALESCE,
            refresh_at: Time(0) + REFRESH,
            ping_at: Time(0) + policy.period.unwrap_or(PERIOD),
            casts: crate::mesh::cast::Heard::default(),
            derive_at: None,
            synced_at: None,
            root: 0,
            root_since: Time(0),
            view: Arc::new(nobody),
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

    /// The graph as it was last shown.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The digest of all that is known.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Our own card, for the hello of every connection.
    pub fn card(&self) -> Record {
        self.graph.card(&self.me).cloned().expect("our own card is signed before anything else")
    }

    /// Signs our card and link state anew and takes them into the graph.
    fn sign_own(&mut self, now: Time) -> [Record; 2] {
        self.ver.seq += 1;
        let card = Card {
            key: self.crypto.key(),
            network: self.identity.network.clone(),
            ver: self.ver,
            label: self.identity.label.clone(),
            addrs: List::first_of(self.addrs.iter().copied().take(ADDRS_MAX)),
            relay: self.identity.relay,
            mailbox: false,
            keys: Default::default(),
            tags: Default::default(),
            leaving_ms: self.leaving.then(|| self.identity.start_ms + now.as_ms()),
        };
        let state = LinkState {
            id: self.me,
            ver: self.ver,
            slots_free: self
                .policy
                .degree_max
                .saturating_sub(u16::try_from(self.links.len()).unwrap_or(u16::MAX)),
            degree_max: self.policy.degree_max,
            links: List::first_of(self.links.iter().take(LINKS_MAX).map(|(peer, l)| LinkEntry {
                peer: *peer,
                dir: l.dir,
                rtt_us: l.rtt_us,
                since_s: u32::try_from(l.up_at.as_ms() / 1000).unwrap_or(u32::MAX),
            })),
        };
        let card_changed = self.graph.card(&self.me).and_then(Record::card).is_none_or(|old| {
            self.card_dirty || old.ver.epoch != self.ver.epoch || old.leaving_ms != card.leaving_ms
        });
        let links = Record::sign(Body::Links(state), &*self.crypto);
        self.graph.insert(now, links.clone());
        let card = if card_changed || now >= self.refresh_at {
            let card = Record::sign(Body::Card(card), &*self.crypto);
            self.graph.insert(now, card.clone());
            self.card_dirty = false;
            self.refresh_at = now + REFRESH;
            card
        } else {
            self.card()
        };
        for link in self.links.values_mut() {
            link.told_at = Some(now);
        }
        [card, links]
    }

    /// Tells every neighbour what changed of our own.
    fn announce(&mut self, now: Time, out: &mut Vec<Effect>) {
        let card_before = self.card().ver();
        let [card, links] = self.sign_own(now);
        self.dirty = None;
        let quiet = now.since(self.told_at);
        let degree = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let longest = PAUSE_PER_LINK.saturating_mul(degree).clamp(COALESCE, PAUSE_MAX);
        let longer = (self.pause * 2).min(longest);
        self.pause = if quiet >= QUIET { COALESCE } else { longer };
        self.told_at = now;
        let mut news = vec![links];
        if card.ver() != card_before {
            news.insert(0, card);
        }
        let signed: Vec<Signed> = news.iter().map(|r| (**r.signed()).clone()).collect();
        for peer in self.links.keys() {
            let gossip = Gossip::Records(List::first_of(signed.iter().cloned()));
            out.push(Effect::Send { peer: *peer, gossip });
        }
        self.schedule_derive(now);
    }

    fn touch(&mut self, now: Time) {
        self.dirty.get_or_insert(now);
    }

    /// When our pending change is due to be told.
    fn announce_at(&self) -> Option<Time> {
        self.dirty.map(|since| (self.told_at + self.pause).max(since + COALESCE))
    }

    pub(in crate::mesh) fn schedule_derive(&mut self, now: Time) {
        // Deriving costs about a microsecond for each link; in a burst of records it takes a fifth of the
        // time at most.
        let links = self.view.links.len() as u64;
        let at = now + Duration::from_micros(1_000 + 5 * links);
        self.derive_at = Some(self.derive_at.map_or(at, |planned| planned.min(at)));
    }

    fn derive(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.derive_at = self.graph.derive(now);
        if self.root != self.graph.root() {
            self.root = self.graph.root();
            self.root_since = now;
            out.push(Effect::Root(self.root));
        }
        let view = self.graph.view(now, &self.view);
        if view != *self.view {
            self.view = Arc::new(view);
            out.push(Effect::Changed(self.view.clone()));
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
                let name = self.view.name(&id);
                out.push(Effect::Notice(format!(
                    "{name} ({}) signed two different records of one version; the first is kept",
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
        let signed: Vec<Signed> = records.map(|r| (**r.signed()).clone()).collect();
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
        let cut_off = self.links.keys().filter(|peer| *peer != origin && !listed(origin, peer));
        cut_off
            .filter(|peer| {
                let common = state.links.iter().map(|l| l.peer).find(|c| listed(c, peer));
                common == Some(self.me)
            })
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
            let gossip = Gossip::Cast((**record.signed()).clone());
            out.push(Effect::Send { peer: *peer, gossip });
        }
    }

    fn ping(&mut self, now: Time, out: &mut Vec<Effect>) {
        let nodes = self.view.alive().count() as u64;
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

    fn measured(&mut self, now: Time, peer: NodeId, rtt_us: u32) {
        let Some(link) = self.links.get_mut(&peer) else { return };
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

    fn link_up(
        &mut self,
        now: Time,
        peer: NodeId,
        dir: Direction,
        rtt_us: u32,
        out: &mut Vec<Effect>,
    ) {
        let burst = u32::try_from(2 * self.policy.limits.nodes_max).unwrap_or(u32::MAX);
        let link = Link {
            dir,
            rtt_us,
            told_at: None,
            up_at: now,
            budget: Budget::new(burst, self.policy.records_per_second),
            sync: Sync::default(),
        };
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
                    self.card_dirty = true;
                    if self.links.is_empty() {
                        // The very first hello must carry them already.
                        self.announce(now, out);
                    } else {
                        self.touch(now);
                    }
                }
            }
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
                self.policy = policy;
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let timers =
            [self.announce_at(), self.derive_at, Some(self.ping_at), Some(self.refresh_at)];
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
    }
}
