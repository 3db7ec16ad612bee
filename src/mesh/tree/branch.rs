//! One link's part in the tree: what waits to go out over it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use super::{GRAFT_WAIT, GRAFT_WAIT_MAX, REGROW, UNDER_WAY};
use crate::mesh::budget::Budget;
use crate::mesh::gossip::{BATCH_BYTES, Gossip, NAMED_MAX, Name, Pushed};
use crate::mesh::topology::Effect;
use crate::mesh::{NodeId, Time, Ver};
use crate::wire::bounded::List;

/// What goes out over a link is gathered this long, unless nothing went out just before: a storm makes larger
/// frames and not more of them.
const GATHER: Duration = Duration::from_millis(10);
/// Most frames of news at once; so a link carries 6 MB a second at most, and its lane is not overrun.
const FRAMES_MAX: usize = 4;
/// So many names do not wait for more.
const TOGETHER: usize = 32;
/// Most news, and most names, that wait for one link.
const WAITING_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) eager: bool,
    /// It is one of the tree that the graph spans.
    pub(super) of_tree: bool,
    /// While it is lazy, names go over it.
    pub(super) hears_names: bool,
    pub(super) rtt: Duration,
    /// By slot: what is newer takes the place of what still waits.
    pushes: BTreeMap<Name, (Ver, Pushed)>,
    /// The slot after which the next frame begins, so that none waits for ever.
    pushed_to: Option<Name>,
    names: BTreeMap<Name, Ver>,
    /// When those go out.
    names_at: Option<Time>,
    /// To be asked for.
    ask: BTreeSet<Name>,
    say_graft: bool,
    say_prune: bool,
    flushed_at: Option<Time>,
    /// When either end made it lazy.
    pruned_at: Option<Time>,
    /// Names it told us that we did not have.
    pub(super) names_taken: Budget,
    /// What we asked it for.
    pub(super) grafts_made: Budget,
    /// What it asked us for.
    pub(super) answers: Budget,
}

impl Branch {
    pub(super) fn new() -> Branch {
        Branch {
            eager: false,
            of_tree: false,
            hears_names: true,
            rtt: Duration::ZERO,
            pushes: BTreeMap::new(),
            pushed_to: None,
            names: BTreeMap::new(),
            names_at: None,
            ask: BTreeSet::new(),
            say_graft: false,
            say_prune: false,
            flushed_at: None,
            pruned_at: None,
            names_taken: Budget::new(512, 1024),
            grafts_made: Budget::new(512, 256),
            answers: Budget::new(1024, 512),
        }
    }

    /// Another link to the same node.
    pub(super) fn anew(self) -> Branch {
        let Branch { eager, of_tree, hears_names, names_taken, grafts_made, answers, .. } = self;
        Branch { eager, of_tree, hears_names, names_taken, grafts_made, answers, ..Branch::new() }
    }

    /// How long to wait before something is asked for, and for the answer.
    pub(super) fn wait(&self) -> Duration {
        (self.rtt * 2).clamp(GRAFT_WAIT, GRAFT_WAIT_MAX)
    }

    pub(super) fn is_just_pruned(&self, now: Time) -> bool {
        self.pruned_at.is_some_and(|at| now < at + 2 * self.rtt.min(GRAFT_WAIT_MAX) + UNDER_WAY)
    }

    pub(super) fn may_regrow(&self, now: Time) -> bool {
        self.pruned_at.is_none_or(|at| now >= at + REGROW)
    }

    /// Queues news. False if there is no room.
    pub(super) fn push(&mut self, name: Name, pushed: Pushed) -> bool {
        let slot = name.slot();
        if self.pushes.len() >= WAITING_MAX && !self.pushes.contains_key(&slot) {
            return false;
        }
        self.names.remove(&slot);
        self.pushes.insert(slot, (name.ver, pushed));
        true
    }

    /// Queues a name that has time until then, if names go over this link. False if there is no room.
    pub(super) fn tell(&mut self, name: Name, until: Time) -> bool {
        if !self.hears_names {
            return true;
        }
        let slot = name.slot();
        if self.names.len() >= WAITING_MAX && !self.names.contains_key(&slot) {
            return false;
        }
        let before = self.names_due();
        self.names.insert(slot, name.ver);
        let until = if self.names.len() < TOGETHER { until } else { Time(0) };
        self.names_at = Some(before.map_or(until, |at| at.min(until)));
        true
    }

    /// The other end has this: it need not go there any more.
    pub(super) fn has(&mut self, name: &Name) {
        let slot = name.slot();
        if self.pushes.get(&slot).is_some_and(|(ver, _)| *ver <= name.ver) {
            self.pushes.remove(&slot);
        }
        if self.names.get(&slot).is_some_and(|ver| *ver <= name.ver) {
            self.names.remove(&slot);
        }
    }

    /// We make it lazy.
    pub(super) fn prune(&mut self, now: Time) {
        self.grow_lazy(now);
        self.say_prune = true;
        self.say_graft = false;
    }

    /// It is lazy from now on: of what waits only the names go.
    pub(super) fn grow_lazy(&mut self, now: Time) {
        self.eager = false;
        self.pruned_at = Some(now);
        for (slot, (ver, _)) in std::mem::take(&mut self.pushes) {
            self.names.entry(slot).or_insert(ver);
        }
        self.names_at = Some(now);
    }

    /// We want it to be eager.
    pub(super) fn grow_eager(&mut self) {
        self.eager = true;
        self.say_prune = false;
        self.say_graft = true;
    }

    /// We ask for something.
    pub(super) fn ask(&mut self, name: Name) {
        if self.ask.len() < NAMED_MAX {
            self.ask.insert(name);
        }
    }

    /// When the names that wait, if any do, are to go.
    fn names_due(&self) -> Option<Time> {
        self.names_at.filter(|_| !self.names.is_empty())
    }

    pub(super) fn next_flush(&self) -> Option<Time> {
        let nothing =
            self.pushes.is_empty() && self.ask.is_empty() && !self.say_graft && !self.say_prune;
        let due = if nothing { self.names_due()? } else { Time(0) };
        Some(self.flushed_at.map_or(due, |at| due.max(at + GATHER)))
    }

    /// Sends what has gathered; answers how many names were told.
    pub(super) fn flush(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) -> u64 {
        self.flushed_at = Some(now);
        let mut send = |gossip| out.push(Effect::Send { peer, gossip });
        if self.say_graft {
            send(Gossip::Graft(List::default()));
        } else if self.say_prune {
            send(Gossip::Prune);
        }
        if !self.ask.is_empty() {
            send(Gossip::Graft(List::first_of(std::mem::take(&mut self.ask))));
        }
        (self.say_graft, self.say_prune) = (false, false);
        for _ in 0..FRAMES_MAX {
            let batch = self.next_batch();
            if batch.is_empty() {
                break;
            }
            send(Gossip::Push(List::first_of(batch)));
        }
        let mut names = Vec::new();
        let due = self.names_due().is_some_and(|at| at <= now);
        while due
            && names.len() < NAMED_MAX
            && let Some((slot, ver)) = self.names.pop_first()
        {
            names.push(Name { ver, ..slot });
        }
        let told = names.len() as u64;
        if told > 0 {
            send(Gossip::IHave(List::first_of(names)));
        }
        told
    }

    fn next_batch(&mut self) -> Vec<Pushed> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < NAMED_MAX {
            let after = self.pushed_to.map_or(Unbounded, Excluded);
            let next = self.pushes.range((after, Unbounded)).next().or(self.pushes.iter().next());
            let Some((slot, (_, pushed))) = next else { break };
            let len = pushed.signed.size();
            if bytes > 0 && bytes + len > BATCH_BYTES {
                break;
            }
            bytes += len;
            let slot = *slot;
            self.pushed_to = Some(slot);
            batch.extend(self.pushes.remove(&slot).map(|(_, pushed)| pushed));
        }
        batch
    }
}
