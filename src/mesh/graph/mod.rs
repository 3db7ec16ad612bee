//! All cards and link states known here, and what follows from them: who is alive, who is linked.
//!
//! Liveness is derived, never gossiped: no message says "X is dead", so nothing has to be refuted and no
//! ghost can be kept alive by hearsay. Only a link that both ends list counts for reachability.

mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::mesh::gossip::{BUCKETS, BucketSet, Versions};
use crate::mesh::record::{Body, Card, LinkEntry, LinkState, Record};
use crate::mesh::view::State;
use crate::mesh::{NodeId, Time, Ver};

/// How long a node stays suspect after its last confirmed link went, before it is called failed. Long
/// enough for a link that is being replaced, short enough not to be felt.
pub const GRACE: Duration = Duration::from_millis(100);
/// How long a dropped link makes a reachable node suspect.
const SUSPECT: Duration = Duration::from_secs(10);
/// How long a goodbye is remembered.
pub const TOMBSTONE: Duration = Duration::from_secs(3600);
/// How long records of a node that no confirmed link ever reached are kept.
const STRANGER: Duration = Duration::from_secs(60);

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
        /// Nodes its author has dropped its link to.
        dropped: Vec<NodeId>,
    },
    /// It was known, or older than what is known.
    Stale,
    /// Its author has signed two different records of one version; the first one is kept.
    Conflict,
    /// There is no room for another node.
    Full,
}

/// What is known of one node.
#[derive(Clone, Debug)]
struct Known {
    card: Option<Record>,
    links: Option<Record>,
    /// What this node's records add to the digest.
    hash: u64,
    state: State,
    since: Time,
    /// When the last record came.
    heard: Time,
    /// A confirmed path has led to it at some time.
    met: bool,
    /// Since when no confirmed path leads to it.
    lost: Option<Time>,
    /// Who dropped its link to this node, and when.
    dropped_by: BTreeMap<NodeId, Time>,
}

impl Known {
    fn links(&self) -> &[LinkEntry] {
        self.links.as_ref().and_then(Record::links).map_or(&[], |state| &state.links)
    }

    fn card(&self) -> Option<&Card> {
        self.card.as_ref().and_then(Record::card)
    }

    fn lists(&self, peer: &NodeId) -> Option<&LinkEntry> {
        let links = self.links();
        links.binary_search_by(|l| l.peer.cmp(peer)).ok().map(|i| &links[i])
    }

    fn has_left(&self) -> bool {
        self.card().is_some_and(|card| card.leaving_ms.is_some())
    }

    fn is_live(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }
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
        }
    }

    /// Replaces the bounds; nodes above a lower one go when the next must find room.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
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
        if !self.nodes.contains_key(&id) && !self.make_room() {
            return Inserted::Full;
        }
        let dropped = self.note_dropped(now, &record);
        let known = self.nodes.entry(id).or_insert_with(|| Known {
            card: None,
            links: None,
            hash: 0,
            state: State::Suspect,
            since: now,
            heard: now,
            met: false,
            lost: None,
            dropped_by: BTreeMap::new(),
        });
        known.heard = now;
        match record.body() {
            Body::Card(_) => known.card = Some(record),
            Body::Links(_) => known.links = Some(record),
            Body::Cast(_) => return Inserted::Stale,
        }
        known.hash = hash(known.versions(id));
        Inserted::New { dropped }
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

    /// Remembers whom the author of a new link state no longer lists.
    fn note_dropped(&mut self, now: Time, record: &Record) -> Vec<NodeId> {
        let Some(state) = record.links() else { return Vec::new() };
        let author = record.id();
        let before: Vec<NodeId> = match self.nodes.get_mut(&author) {
            Some(known) => {
                known.dropped_by.retain(|observer, _| lists(state, observer));
                known.links().iter().map(|l| l.peer).collect()
            }
            None => Vec::new(),
        };
        for entry in state.links.iter() {
            if let Some(peer) = self.nodes.get_mut(&entry.peer) {
                peer.dropped_by.remove(&author);
            }
        }
        let mut dropped: Vec<NodeId> = before.into_iter().filter(|p| !lists(state, p)).collect();
        // Where the other end has dropped it, too, they parted on purpose: no evidence of anything.
        dropped.retain(|id| {
            let Some(peer) = self.nodes.get_mut(id) else { return false };
            let one_sided = peer.lists(&author).is_some();
            if one_sided {
                peer.dropped_by.insert(author, now);
            }
            one_sided
        });
        dropped
    }

    /// Makes sure that one more node fits: the longest lost goes, or a stranger.
    fn make_room(&mut self) -> bool {
        if self.nodes.len() < self.limits.nodes_max {
            return true;
        }
        let oldest = self.nodes.iter().filter(|(id, n)| **id != self.me && !(n.met && n.is_live()));
        let oldest = oldest.min_by_key(|(_, n)| n.lost.unwrap_or(n.heard)).map(|(id, _)| *id);
        oldest.is_some_and(|id| self.nodes.remove(&id).is_some())
    }

    /// Works out every node's state. Answers when to do it again if nothing comes in before.
    pub fn derive(&mut self, now: Time) -> Option<Time> {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        let adjacent = self.confirmed(&ids);
        let reached = self.reached(&ids, &adjacent);
        let live: Vec<NodeId> =
            ids.iter().zip(&reached).filter(|(_, r)| **r).map(|(id, _)| *id).collect();
        let mut next: Option<Time> = None;
        let mut wake_at = |at: Time| next = Some(next.map_or(at, |n| n.min(at)));
        for (i, id) in ids.iter().enumerate() {
            let Some(known) = self.nodes.get_mut(id) else { continue };
            let state = if reached[i] {
                known.met = true;
                known.lost = None;
                let accused = suspect_until(known, &live, now);
                accused.map_or(State::Alive, |until| {
                    wake_at(until);
                    State::Suspect
                })
            } else if known.has_left() {
                known.lost.get_or_insert(now);
                State::Left
            } else {
                let lost = *known.lost.get_or_insert(now);
                if known.is_live() && now < lost + GRACE {
                    wake_at(lost + GRACE);
                    State::Suspect
                } else if adjacent[i].is_empty() {
                    State::Failed
                } else {
                    State::Unreachable
                }
            };
            if state != known.state {
                known.state = state;
                known.since = now;
            }
        }
        self.forget(now);
        self.update_digest();
        next
    }

    /// For each of `ids` (ordered, as the nodes are), the indices it has a confirmed link with.
    fn confirmed(&self, ids: &[NodeId]) -> Vec<Vec<usize>> {
        // Looked up by index: the map would be searched twice for each link.
        let nodes: Vec<&Known> = self.nodes.values().collect();
        let both = |i: usize, l: &LinkEntry| {
            let j = ids.binary_search(&l.peer).ok()?;
            nodes[j].lists(&ids[i]).is_some().then_some(j)
        };
        let confirmed = |i: usize| nodes[i].links().iter().filter_map(|l| both(i, l)).collect();
        (0..nodes.len()).map(confirmed).collect()
    }

    /// Which of `ids` a confirmed path leads to. Nodes that said goodbye are not walked through.
    fn reached(&self, ids: &[NodeId], adjacent: &[Vec<usize>]) -> Vec<bool> {
        let mut reached = vec![false; ids.len()];
        let left: Vec<bool> =
            ids.iter().map(|id| self.nodes.get(id).is_some_and(Known::has_left)).collect();
        let mut queue: Vec<usize> = ids.binary_search(&self.me).into_iter().collect();
        while let Some(i) = queue.pop() {
            if !std::mem::replace(&mut reached[i], true) {
                queue.extend(adjacent[i].iter().filter(|j| !reached[**j] && !left[**j]));
            }
        }
        reached
    }

    fn forget(&mut self, now: Time) {
        let Limits { forget_after, .. } = self.limits;
        let me = self.me;
        self.nodes.retain(|id, n| {
            let gone = n.lost.map_or(Duration::ZERO, |lost| now.since(lost));
            *id == me
                || match n.state {
                    State::Alive | State::Suspect => n.met || now.since(n.heard) < STRANGER,
                    State::Left => gone < TOMBSTONE,
                    State::Failed | State::Unreachable if !n.met => now.since(n.heard) < STRANGER,
                    State::Failed | State::Unreachable => gone < forget_after,
                }
        });
        let live = self.nodes.values().filter(|n| n.is_live()).count();
        let dead_max = 2 * live + 1024;
        let dead = self.nodes.iter().filter(|(_, n)| !n.is_live());
        let mut dead: Vec<(Time, NodeId)> =
            dead.map(|(id, n)| (n.lost.unwrap_or(n.heard), *id)).collect();
        if dead.len() > dead_max {
            dead.sort_unstable();
            let surplus = dead.len() - dead_max;
            for (_, id) in &dead[..surplus] {
                self.nodes.remove(id);
            }
        }
    }

    fn update_digest(&mut self) {
        let mut digest = [0u64; BUCKETS];
        for (id, known) in self.live() {
            let bucket = &mut digest[usize::from(id.0[0])];
            *bucket = bucket.wrapping_add(known.hash);
        }
        self.digest = digest;
    }

    /// Nodes whose records are compared and handed on: the dead are not, or two nodes that forget at
    /// different times would give one another their ghosts back for ever.
    fn live(&self) -> impl Iterator<Item = (&NodeId, &Known)> {
        self.nodes.iter().filter(|(_, n)| n.met && n.is_live())
    }

    /// One hash for each bucket of node ids, over the versions of all live nodes' records.
    pub fn digest(&self) -> &[u64; BUCKETS] {
        &self.digest
    }

    /// One hash over everything live.
    pub fn root(&self) -> u64 {
        self.digest.iter().fold(0, |sum, bucket| sum.wrapping_mul(31).wrapping_add(*bucket))
    }

    /// The buckets in which another's digest differs from this one.
    pub fn differing(&self, other: &[u64]) -> BucketSet {
        let mut set = BucketSet::default();
        for (i, mine) in (0..=u8::MAX).zip(&self.digest) {
            if other.get(usize::from(i)).is_none_or(|theirs| theirs != mine) {
                set.insert(i);
            }
        }
        set
    }

    /// Versions of all live nodes in `buckets`.
    pub fn versions<'a>(&'a self, buckets: &'a BucketSet) -> impl Iterator<Item = Versions> + 'a {
        let inside = self.live().filter(|(id, _)| buckets.contains(id.0[0]));
        inside.map(|(id, known)| known.versions(*id))
    }

    /// Versions of what is known of one node, alive or not.
    pub fn versions_of(&self, id: &NodeId) -> Versions {
        let unknown = Versions { id: *id, card: Ver::default(), links: Ver::default() };
        self.nodes.get(id).map_or(unknown, |known| known.versions(*id))
    }

    /// A node's card, if known.
    pub fn card(&self, id: &NodeId) -> Option<&Record> {
        self.nodes.get(id)?.card.as_ref()
    }

    /// A node's link state, if known.
    pub fn link_state(&self, id: &NodeId) -> Option<&Record> {
        self.nodes.get(id)?.links.as_ref()
    }

    /// Whether a confirmed path leads to the node.
    pub fn is_alive(&self, id: &NodeId) -> bool {
        self.nodes.get(id).is_some_and(|n| n.met && n.is_live())
    }

    /// Whether both nodes list a link with the other.
    pub fn linked(&self, a: &NodeId, b: &NodeId) -> bool {
        let lists = |of: &NodeId, peer: &NodeId| {
            self.nodes.get(of).is_some_and(|n| n.lists(peer).is_some())
        };
        lists(a, b) && lists(b, a)
    }

    fn unix_ms(&self, now: Time) -> u64 {
        self.start_ms + now.as_ms()
    }
}

impl Known {
    fn versions(&self, id: NodeId) -> Versions {
        let ver = |r: &Option<Record>| r.as_ref().map_or(Ver::default(), Record::ver);
        Versions { id, card: ver(&self.card), links: ver(&self.links) }
    }
}

fn lists(state: &LinkState, peer: &NodeId) -> bool {
    state.links.binary_search_by(|l| l.peer.cmp(peer)).is_ok()
}

/// Until when a reachable node is suspect: somebody live dropped it lately and it does not agree yet.
fn suspect_until(known: &Known, live: &[NodeId], now: Time) -> Option<Time> {
    let recent = known.dropped_by.iter().filter(|(by, _)| live.binary_search(by).is_ok());
    recent.map(|(_, at)| *at + SUSPECT).filter(|until| *until > now).max()
}

/// What a node's records add to the digest: the first 8 bytes of SHA-256 over id and versions.
fn hash(versions: Versions) -> u64 {
    let mut sha = Sha256::new();
    sha.update(versions.id.0);
    for ver in [versions.card, versions.links] {
        sha.update(ver.epoch.to_le_bytes());
        sha.update(ver.seq.to_le_bytes());
    }
    let digest = sha.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}
