//! All cards and link states known here, and what follows from them: who is alive, who is linked.
//!
//! Liveness is derived, never gossiped: no message says "X is dead", so nothing has to be refuted and no
//! ghost can be kept alive by hearsay. Only a link that both ends list counts for reachability.

mod asked;
mod derive;
mod named;
mod reach;
mod room;
mod shown;
mod spanning;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::time::Duration;

use self::reach::Changes;
use crate::mesh::gossip::BUCKETS;
use crate::mesh::record::{Body, Card, Direction, LinkEntry, LinkState, Record};
use crate::mesh::view::State;
use crate::mesh::{NodeId, Time};

/// How long a node stays suspect after its last confirmed link went, before it is called failed. Long
/// enough for a link that is being replaced, short enough not to be felt.
pub const GRACE: Duration = Duration::from_millis(100);
/// How long a lost link makes a reachable node suspect.
pub const SUSPECT: Duration = Duration::from_secs(10);
/// How long a goodbye is remembered.
pub const TOMBSTONE: Duration = Duration::from_secs(3600);

/// Bounds of the graph.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most nodes, dead ones included.
    pub nodes_max: usize,
    /// How long a failed node is remembered.
    pub forget_after: Duration,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was news.
    New {
        /// Nodes its author has lost its link with, of which they do not know yet.
        lost: Vec<NodeId>,
    },
    /// It was known, or older than what is known.
    Stale,
    /// Its author has signed two different records of one version; the first one is kept.
    Conflict,
    /// There is no room for another node, or for so many links.
    Full,
}

/// What is known of one node. Small: there may be ten thousand of them.
#[derive(Clone, Debug)]
struct Known {
    card: Option<Record>,
    links: Option<Record>,
    since: Time,
    state: State,
    /// A confirmed path has led to it at some time.
    met: bool,
    /// A confirmed path leads to it, and from it over the link at this place of its list.
    reached: bool,
    via: Option<u16>,
    /// Of a node with which all is well there is nothing more to remember.
    odd: Option<Box<Odd>>,
}

/// What is known beside it of a node that was not met yet, is lost, or is accused.
#[derive(Clone, Debug)]
struct Odd {
    /// When the last record came.
    heard: Time,
    /// Since when no confirmed path leads to it.
    lost: Option<Time>,
    /// Who lost its link with this node, and when: a few, and in a mass failure of as many as there are nodes.
    lost_by: Vec<(NodeId, Time)>,
}

impl Odd {
    fn new(heard: Time) -> Odd {
        Odd { heard, lost: None, lost_by: Vec::new() }
    }

    fn is_lost_by(&mut self, observer: NodeId, now: Time) {
        self.lost_by.retain(|(by, _)| *by != observer);
        self.lost_by.push((observer, now));
    }

    /// Since when nothing is known of it that makes it one of us.
    fn gone_at(&self) -> Time {
        self.lost.unwrap_or(self.heard)
    }
}

impl Known {
    fn new(now: Time) -> Known {
        Known {
            card: None,
            links: None,
            since: now,
            state: State::Suspect,
            met: false,
            reached: false,
            via: None,
            odd: Some(Box::new(Odd::new(now))),
        }
    }

    fn links(&self) -> &[LinkEntry] {
        self.links.as_ref().and_then(Record::links).map_or(&[], |state| &state.links)
    }

    fn card(&self) -> Option<&Card> {
        self.card.as_ref().and_then(Record::card)
    }

    fn lists(&self, peer: &NodeId) -> Option<&LinkEntry> {
        self.links.as_ref()?.links()?.lists(peer)
    }

    fn has_left(&self) -> bool {
        self.card().is_some_and(|card| card.leaving_ms.is_some())
    }

    fn is_live(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }

    /// Whether its records are compared and handed on: those of the dead are not, or two nodes that forget
    /// at different times would give one another their ghosts back for ever.
    fn counts(&self) -> bool {
        self.met && self.is_live()
    }

    /// What its records are in the digest.
    fn hashes(&self) -> u64 {
        let hash = |r: &Option<Record>| r.as_ref().map_or(0, Record::hash);
        hash(&self.card).wrapping_add(hash(&self.links))
    }

    fn weight(&self) -> u64 {
        if self.counts() { self.hashes() } else { 0 }
    }

    fn odd(&mut self, now: Time) -> &mut Odd {
        self.odd.get_or_insert_with(|| Box::new(Odd::new(now)))
    }
}

/// A node whose state or card is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// Whose.
    pub id: NodeId,
    /// Its state now.
    pub state: State,
    /// Its card now, if it is known.
    pub card: Option<Record>,
}

/// The graph of one node's knowledge.
#[derive(Debug)]
pub struct Graph {
    me: NodeId,
    limits: Limits,
    /// Unix milliseconds at time 0.
    start_ms: u64,
    nodes: BTreeMap<NodeId, Known>,
    digest: [u64; BUCKETS],
    changed_ms: u64,
    /// Links listed by all nodes together.
    listed: usize,
    /// Nodes that a confirmed path leads to, as derived last.
    live: usize,
    /// Nodes heard of lately that none has led to yet, as derived last.
    strangers: usize,
    /// Whose card came since the last derivation.
    new_cards: BTreeSet<NodeId>,
    /// Something came since then that may show.
    touched: bool,
    /// Something came since then that may change somebody's state or card.
    moved: bool,
    /// What of it may change who is reached.
    changes: Changes,
    /// When states change by themselves, as derived last.
    due: Option<Time>,
}

impl Graph {
    /// An empty graph, seen by `me`, whose time 0 was at `start_ms` (unix milliseconds).
    pub fn new(me: NodeId, start_ms: u64, limits: Limits) -> Graph {
        Graph {
            me,
            limits,
            start_ms,
            nodes: BTreeMap::new(),
            digest: [0; BUCKETS],
            changed_ms: start_ms,
            listed: 0,
            live: 0,
            strangers: 0,
            new_cards: BTreeSet::new(),
            touched: false,
            moved: true,
            changes: Changes::all(),
            due: None,
        }
    }

    /// Replaces the bounds; nodes above a lower one go when the next must find room.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.moved = true;
    }

    /// Takes a verified card or link state. Merging is commutative and idempotent.
    pub fn insert(&mut self, now: Time, record: Record) -> Inserted {
        let id = record.id();
        if let Some(stale) = self.not_news(&record) {
            return stale;
        }
        if self.is_old_goodbye(now, &record) {
            return Inserted::Stale;
        }
        if self.lists_too_much(&record) || !self.nodes.contains_key(&id) && !self.make_room() {
            return Inserted::Full;
        }
        let (gone, added) = self.compare_links(now, &record);
        if let Entry::Vacant(place) = self.nodes.entry(id) {
            place.insert(Known::new(now));
            self.moved = true;
            if id == self.me {
                self.reach_anew();
            }
        }
        if let Some(state) = record.links() {
            self.links_change(&id, state, (&gone, &added));
        }
        let Some(known) = self.nodes.get_mut(&id) else { return Inserted::Stale };
        if let Some(odd) = &mut known.odd {
            odd.heard = now;
        }
        let (before, left) = (known.weight(), known.has_left());
        match record.body() {
            Body::Card(_) => {
                known.card = Some(record);
                self.new_cards.insert(id);
                self.moved = true;
            }
            Body::Links(state) => {
                self.listed = self.listed + state.links.len() - known.links().len();
                known.links = Some(record);
            }
            Body::Cast(_) => return Inserted::Stale,
        }
        if known.has_left() != left {
            self.changes = Changes::all();
        }
        let bucket = &mut self.digest[usize::from(id.0[0])];
        *bucket = bucket.wrapping_add(known.weight()).wrapping_sub(before);
        self.touched = true;
        Inserted::New { lost: self.note_lost(now, &id, &gone) }
    }

    fn not_news(&self, record: &Record) -> Option<Inserted> {
        let known = self.nodes.get(&record.id())?;
        let held = match record.body() {
            Body::Card(_) => known.card.as_ref(),
            Body::Links(_) => known.links.as_ref(),
            Body::Cast(_) => return Some(Inserted::Stale),
        }?;
        match record.ver().cmp(&held.ver()) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal if record.body() != held.body() => Some(Inserted::Conflict),
            _ => Some(Inserted::Stale),
        }
    }

    /// A goodbye older than a tombstone's life may have been forgotten elsewhere: taking it up again
    /// would hand it round for ever.
    fn is_old_goodbye(&self, now: Time, record: &Record) -> bool {
        let leaving = record.card().and_then(|card| card.leaving_ms);
        let tombstone_ms = u64::try_from(TOMBSTONE.as_millis()).unwrap_or(u64::MAX);
        leaving.is_some_and(|at| at.saturating_add(tombstone_ms) < self.unix_ms(now))
    }

    /// Whom the author of a new link state no longer lists, of those that still list it, and whom it lists anew.
    fn compare_links(&mut self, now: Time, record: &Record) -> (Vec<NodeId>, Vec<NodeId>) {
        let Some(state) = record.links() else { return (Vec::new(), Vec::new()) };
        let author = record.id();
        let Some(known) = self.nodes.get_mut(&author) else {
            return (Vec::new(), state.links.iter().map(|l| l.peer).collect());
        };
        if let Some(odd) = &mut known.odd {
            odd.lost_by.retain(|(observer, _)| state.lists(observer).is_some());
        }
        let (mut gone, added) = differences(known.links(), &state.links);
        if known.links().iter().map(|l| (l.peer, l.dir)).ne(links_of(state)) {
            self.moved = true;
            self.changed_ms = self.unix_ms(now);
        }
        for peer in &added {
            if let Some(odd) = self.nodes.get_mut(peer).and_then(|peer| peer.odd.as_mut()) {
                odd.lost_by.retain(|(observer, _)| *observer != author);
            }
        }
        gone.retain(|id| self.lists(id, &author));
        (gone, added)
    }

    /// Remembers with whom of these the author of a new link state has lost its link, and answers with them. Where both
    /// ends no longer list it, or one closed it on purpose, there is no evidence of anything.
    fn note_lost(&mut self, now: Time, author: &NodeId, gone: &[NodeId]) -> Vec<NodeId> {
        let Some(state) = self.listed_by(author) else { return Vec::new() };
        let lost: Vec<NodeId> = gone.iter().filter(|id| state.lost.contains(id)).copied().collect();
        for id in &lost {
            if let Some(peer) = self.nodes.get_mut(id) {
                peer.odd(now).is_lost_by(*author, now);
            }
        }
        lost
    }

    /// One hash for each bucket of node ids, over the versions of all live nodes' records.
    pub fn digest(&self) -> &[u64; BUCKETS] {
        &self.digest
    }

    /// One hash over everything live.
    pub fn root(&self) -> u64 {
        self.digest.iter().fold(0, |sum, bucket| sum.wrapping_mul(31).wrapping_add(*bucket))
    }

    /// Nodes whose records are compared and handed on.
    fn live(&self) -> impl Iterator<Item = (&NodeId, &Known)> {
        self.nodes.iter().filter(|(_, n)| n.counts())
    }

    /// How many nodes a confirmed path led to when that was last derived, this one included.
    pub fn live_count(&self) -> usize {
        self.live
    }

    /// How many nodes there seem to be: those, and those heard of lately that may come to be reached.
    pub fn size(&self) -> usize {
        self.live + self.strangers
    }

    /// Unix milliseconds of the last change of who is there or linked to whom.
    pub fn changed_ms(&self) -> u64 {
        self.changed_ms
    }

    /// Links listed by all nodes together: about two for each link there is.
    pub fn listed(&self) -> usize {
        self.listed
    }

    /// A node's card, if known.
    pub fn card(&self, id: &NodeId) -> Option<&Record> {
        self.nodes.get(id)?.card.as_ref()
    }

    /// A node's link state, if known.
    pub fn link_state(&self, id: &NodeId) -> Option<&Record> {
        self.nodes.get(id)?.links.as_ref()
    }

    /// What a node says of its links, if known.
    pub fn listed_by(&self, id: &NodeId) -> Option<&LinkState> {
        self.link_state(id)?.links()
    }

    /// Whether a confirmed path leads to the node.
    pub fn is_alive(&self, id: &NodeId) -> bool {
        self.nodes.get(id).is_some_and(Known::counts)
    }

    /// Whether anything of it is known, made up or not.
    pub fn is_known(&self, id: &NodeId) -> bool {
        self.nodes.contains_key(id)
    }

    /// A node's state, if it was ever met.
    pub fn state_of(&self, id: &NodeId) -> Option<State> {
        self.nodes.get(id).filter(|n| n.met).map(|n| n.state)
    }

    /// Whether both nodes list a link with the other.
    pub fn linked(&self, a: &NodeId, b: &NodeId) -> bool {
        self.lists(a, b) && self.lists(b, a)
    }

    /// Whether the first lists a link with the second.
    pub fn lists(&self, id: &NodeId, peer: &NodeId) -> bool {
        self.nodes.get(id).is_some_and(|n| n.lists(peer).is_some())
    }

    fn unix_ms(&self, now: Time) -> u64 {
        self.start_ms + now.as_ms()
    }
}

fn links_of(state: &LinkState) -> impl Iterator<Item = (NodeId, Direction)> + '_ {
    state.links.iter().map(|l| (l.peer, l.dir))
}

/// Who is only in the first of two ordered lists of links, and who only in the second.
fn differences(before: &[LinkEntry], after: &[LinkEntry]) -> (Vec<NodeId>, Vec<NodeId>) {
    let lists = |b: &[LinkEntry], peer: &NodeId| b.binary_search_by(|l| l.peer.cmp(peer)).is_ok();
    let only = |a: &[LinkEntry], b: &[LinkEntry]| {
        a.iter().map(|l| l.peer).filter(|peer| !lists(b, peer)).collect()
    };
    (only(before, after), only(after, before))
}
