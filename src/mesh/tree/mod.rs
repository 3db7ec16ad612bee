//! Broadcasts over a tree (Plumtree: Leitão, Pereira, Rodrigues 2007). Over eager links news is pushed, over lazy
//! ones only its name goes. A link that brings what came by another one already is pruned, which leaves a tree;
//! news that does not come after its name is asked for, and who must ask often grafts a link, which repairs it.
//!
//! Plumtree lets chance shape the tree. Here every node knows the whole graph and works out the same tree
//! ([`crate::mesh::graph::Graph::spanning`]): its links are pruned last, and kept eager. So the tree is short, is there
//! before the first broadcast, and many broadcasts at once do not tear it.

mod authors;
mod branch;
mod holes;
mod missing;
mod receipts;
mod relay;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::authors::Authors;
use self::branch::Branch;
use self::holes::Holes;
use self::missing::Missing;
use self::receipts::Receipts;
use super::gossip::{Name, Pushed};
use super::record::Record;
use super::topology::Effect;
use super::{NodeId, Time};

/// A name whose news has not come after this long, or two round trips, is grafted.
const GRAFT_WAIT: Duration = Duration::from_millis(80);
/// It waits no longer than this for one of those who have it, however slow the link.
const GRAFT_WAIT_MAX: Duration = Duration::from_millis(500);
/// A link of the tree that brings something this much later than another link is none, whatever the graph says.
const SLOW: Duration = Duration::from_millis(300);
/// What was on its way when a link was pruned arrives for this long, and two round trips.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// A link that the other end pruned is not made eager for the tree's sake again before this.
const REGROW: Duration = Duration::from_secs(2);
/// Casts kept for those who graft them, and their bytes together.
const CASTS_MAX: usize = 64;
const CASTS_BYTES_MAX: usize = 128 * 1024;

/// What a tree has counted since its node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCounts {
    /// News that was pushed to us and that we did not have.
    pub firsts: u64,
    /// News that was pushed to us and that we had.
    pub duplicates: u64,
    /// Links over which the former came, added up.
    pub hops: u64,
    /// The most links over which one of them came.
    pub hops_max: u8,
    /// Names we asked for because their news did not come.
    pub grafts: u64,
    /// Links we made lazy.
    pub prunes: u64,
    /// Names we told.
    pub names: u64,
    /// News and names that found no room, and were left to the comparison of digests.
    pub crowded: u64,
}

/// One node's part of the tree.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Tree {
    branches: BTreeMap<NodeId, Branch>,
    missing: Missing,
    receipts: Receipts,
    holes: Holes,
    authors: Authors,
    casts: Vec<Record>,
    /// How long news has been coming behind its name lately: before that nothing is known to be missing.
    lag: Duration,
    counts: TreeCounts,
}

impl Tree {
    /// A link is up. Who has no other wants to be told all over it; for all others it is lazy, until it turns out
    /// to be of use: where many links come up, news would go over each of them. (`used`: news goes over a tree here.)
    pub(super) fn link_up(&mut self, peer: NodeId, rtt_us: u32, used: bool) {
        // Dialling again buys no new shares, and is no reason to change the tree.
        let before = self.branches.remove(&peer);
        self.branches.insert(peer, before.map_or_else(Branch::new, Branch::anew));
        self.measured(&peer, rtt_us);
        if used {
            self.keep_one();
        }
    }

    /// A link is gone.
    pub(super) fn link_down(&mut self, peer: &NodeId, used: bool) {
        self.branches.remove(peer);
        if used {
            self.keep_one();
        }
    }

    /// The round trip of a link was measured.
    pub(super) fn measured(&mut self, peer: &NodeId, rtt_us: u32) {
        if let Some(branch) = self.branches.get_mut(peer) {
            branch.rtt = Duration::from_micros(u64::from(rtt_us));
        }
    }

    /// Sends news on: whole over eager links, by name over lazy ones. A name may wait `until` then;
    /// `hops` counts the link it goes over.
    pub(super) fn push(&mut self, record: &Record, until: Time, hops: u8, from: Option<&NodeId>) {
        let name = Name::of(record);
        self.keep_one();
        for (peer, branch) in &mut self.branches {
            if Some(peer) == from {
                branch.has(&name);
            } else if branch.eager {
                let pushed = Pushed { hops, signed: record.signed().clone() };
                self.counts.crowded += u64::from(!branch.push(name, pushed));
            } else {
                self.counts.crowded += u64::from(!branch.tell(name, until));
            }
        }
    }

    /// Tells only the name of something that came by another way than a push, at once: it comes no other way.
    pub(super) fn announce(&mut self, now: Time, record: &Record, whom: impl Fn(&NodeId) -> bool) {
        let name = Name::of(record);
        for (_, branch) in self.branches.iter_mut().filter(|(peer, _)| whom(peer)) {
            self.counts.crowded += u64::from(!branch.tell(name, now));
        }
    }

    /// Something was pushed here for the first time.
    pub(super) fn came(&mut self, now: Time, record: &Record, hops: u8, from: &NodeId) {
        self.counts.firsts += 1;
        self.counts.hops += u64::from(hops);
        self.counts.hops_max = self.counts.hops_max.max(hops);
        self.receipts.note(now, record, hops, from);
        self.holes.came(now);
        if let Some(lag) = self.missing.arrived(now, &Name::of(record)) {
            self.lag = lag.max(self.lag - self.lag / 64);
        }
    }

    /// Something is here now, by whatever way.
    pub(super) fn arrived(&mut self, now: Time, record: &Record) {
        self.missing.arrived(now, &Name::of(record));
    }

    /// Something was pushed that was here already: one of both links is too much. Which came by a comparison of
    /// digests, or so long ago that nobody remembers, says nothing.
    pub(super) fn duplicate(&mut self, now: Time, record: &Record, from: &NodeId) {
        self.counts.duplicates += 1;
        let name = Name::of(record);
        if let Some(branch) = self.branches.get_mut(from) {
            branch.has(&name);
        }
        let Some((first, at)) = self.receipts.by_other(record, from, &self.branches) else {
            return;
        };
        let of_tree = |peer: &NodeId| self.branches.get(peer).is_some_and(|b| b.of_tree);
        // The tree's own link stays, and the short cut goes, unless the tree is the slow one.
        let surplus = match (of_tree(from), of_tree(&first)) {
            (true, true) => return,
            (true, false) if now.since(at) < SLOW => first,
            _ => *from,
        };
        self.prune(now, &surplus);
    }

    fn prune(&mut self, now: Time, peer: &NodeId) {
        if self.branches.iter().filter(|(p, b)| b.eager && *p != peer).count() == 0 {
            return;
        }
        let Some(branch) = self.branches.get_mut(peer) else { return };
        // What still comes was sent before it heard of it.
        if !branch.is_just_pruned(now) {
            branch.prune(now);
            self.counts.prunes += 1;
        }
    }

    /// The other end wants to hear names only.
    pub(super) fn pruned(&mut self, now: Time, from: &NodeId) {
        if let Some(branch) = self.branches.get_mut(from) {
            branch.grow_lazy(now);
            self.keep_one();
        }
    }

    /// Somebody has something that we have not.
    pub(super) fn told(&mut self, now: Time, name: Name, from: &NodeId) {
        let Some(branch) = self.branches.get_mut(from) else { return };
        let wait = branch.wait().max(self.lag + self.lag / 4).min(GRAFT_WAIT_MAX);
        if !branch.names_taken.take(now, 1) || !self.missing.told(now, name, from, wait) {
            self.counts.crowded += 1;
        }
    }

    /// Somebody has something that we have, too: it need not go there any more.
    pub(super) fn known_there(&mut self, name: &Name, from: &NodeId) {
        if let Some(branch) = self.branches.get_mut(from) {
            branch.has(name);
        }
    }

    /// The other end wants to have news pushed.
    pub(super) fn grafted(&mut self, from: &NodeId) {
        if let Some(branch) = self.branches.get_mut(from) {
            branch.eager = true;
        }
    }

    /// What it asked for.
    pub(super) fn answer(&mut self, now: Time, record: &Record, to: &NodeId) {
        let hops = self.receipts.hops(record).saturating_add(1);
        let Some(branch) = self.branches.get_mut(to) else { return };
        let pushed = Pushed { hops, signed: record.signed().clone() };
        let room = branch.answers.take(now, pushed.signed.cost());
        if !room || !branch.push(Name::of(record), pushed) {
            self.counts.crowded += 1;
        }
    }

    /// Whether an author may have something passed on; what it has beyond its share is left to others to find.
    pub(super) fn may_pass(&mut self, now: Time, record: &Record) -> bool {
        let passes = self.authors.may_pass(now, record);
        self.counts.crowded += u64::from(!passes);
        passes
    }

    /// Keeps a cast for those who graft it.
    pub(super) fn keep(&mut self, cast: Record) {
        let bytes = |casts: &[Record]| casts.iter().map(|c| c.signed().body.len()).sum::<usize>();
        self.casts.push(cast);
        while self.casts.len() > CASTS_MAX || bytes(&self.casts) > CASTS_BYTES_MAX {
            self.casts.remove(0);
        }
    }

    /// A cast that was kept.
    pub(super) fn kept(&self, name: &Name) -> Option<Record> {
        self.casts.iter().find(|cast| Name::of(cast) == *name).cloned()
    }

    /// Which links are those of the tree that the graph spans, and over which of the others names go.
    pub(super) fn follow(
        &mut self,
        now: Time,
        tree: &BTreeSet<NodeId>,
        partners: &BTreeSet<NodeId>,
    ) {
        for (peer, branch) in &mut self.branches {
            branch.of_tree = tree.contains(peer);
            branch.hears_names = partners.contains(peer);
            if branch.of_tree && !branch.eager && branch.may_regrow(now) {
                branch.grow_eager();
            }
        }
    }

    /// With no eager link at all nothing new would come before its name did: the nearest becomes one.
    fn keep_one(&mut self) {
        if self.branches.values().any(|b| b.eager) {
            return;
        }
        let best = self.branches.values_mut().min_by_key(|b| (!b.of_tree, b.rtt));
        if let Some(branch) = best {
            branch.grow_eager();
        }
    }

    /// When [`Tree::wake`] or [`Tree::flush`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Time> {
        let flush = self.branches.values().filter_map(Branch::next_flush);
        flush.chain(self.missing.next_due()).min()
    }

    /// Asks for what should have come by now.
    pub(super) fn wake(&mut self, now: Time) {
        while let Some(name) = self.missing.pop_due(now) {
            let found = self.missing.next_teller(&name, |peer| {
                let branch = self.branches.get_mut(peer)?;
                branch.grafts_made.take(now, 1).then(|| branch.wait())
            });
            let Some((name, peer, wait)) = found else { continue };
            let hole = self.holes.asked(now);
            if let Some(branch) = self.branches.get_mut(&peer) {
                branch.ask(name);
                if hole && !branch.eager {
                    branch.grow_eager();
                }
                self.counts.grafts += 1;
            }
            self.missing.wait_on(now + wait, name);
        }
    }

    /// Sends what has gathered on each link, unless that was done only just now.
    pub(super) fn flush(&mut self, now: Time, out: &mut Vec<Effect>) {
        for (peer, branch) in &mut self.branches {
            if branch.next_flush().is_some_and(|at| at <= now) {
                self.counts.names += branch.flush(now, *peer, out);
            }
        }
    }

    pub(super) fn counts(&self) -> TreeCounts {
        self.counts
    }

    #[cfg(test)]
    pub(super) fn is_eager(&self, peer: &NodeId) -> bool {
        self.branches.get(peer).is_some_and(|b| b.eager)
    }

    #[cfg(test)]
    pub(super) fn eager(&self) -> usize {
        self.branches.values().filter(|b| b.eager).count()
    }

    #[cfg(test)]
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    #[cfg(test)]
    pub(super) fn authors(&self) -> usize {
        self.authors.len()
    }
}
