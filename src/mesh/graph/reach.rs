//! Who is reached by confirmed links. Each node that is reached remembers over which of its links: a change of a
//! link that no path uses costs nothing, one that a path used costs a look at the neighbours, and only where none
//! of them helps everything is worked out anew.

use std::collections::{BTreeSet, VecDeque};

use super::{Graph, Known};
use crate::mesh::NodeId;
use crate::mesh::record::{LinkEntry, LinkState};

/// Steps that looking for other paths may take, for each node known: beyond that working out everything is cheaper.
/// Paths can be made long on purpose, and each of the orphans may walk down all of them.
const STEPS_PER_NODE: usize = 8;

/// What has changed since it was last worked out.
#[derive(Debug)]
pub(super) struct Changes {
    /// Too much to follow.
    all: bool,
    /// Reached nodes whose path has broken.
    orphans: BTreeSet<NodeId>,
    /// Reached nodes with a new link to one that is not.
    growing: BTreeSet<NodeId>,
}

impl Changes {
    pub(super) fn all() -> Changes {
        Changes { all: true, orphans: BTreeSet::new(), growing: BTreeSet::new() }
    }

    fn none() -> Changes {
        Changes { all: false, ..Changes::all() }
    }
}

impl Known {
    /// The next node on its path to us.
    fn next_hop(&self) -> Option<&NodeId> {
        self.links().get(usize::from(self.via?)).map(|l| &l.peer)
    }
}

impl Graph {
    /// Its author's links are others from now on: without those it dropped although the other end still lists them,
    /// and with those it has added. Called before they are taken over.
    pub(super) fn links_change(
        &mut self,
        author: &NodeId,
        after: &LinkState,
        (dropped, added): (&[NodeId], &[NodeId]),
    ) {
        let Some(known) = self.nodes.get(author) else { return };
        let (reached, next_hop) = (known.reached, known.next_hop().copied());
        for peer in dropped {
            if self.nodes.get(peer).is_some_and(|p| p.next_hop() == Some(author)) {
                self.changes.orphans.insert(*peer);
            }
        }
        for peer in added {
            let Some(other) = self.nodes.get(peer).filter(|p| p.lists(author).is_some()) else {
                continue;
            };
            match (reached, other.reached) {
                (true, false) => self.changes.growing.insert(*author),
                (false, true) => self.changes.growing.insert(*peer),
                _ => false,
            };
        }
        // Its list is another one: the same link may stand elsewhere in it.
        let place = next_hop.and_then(|hop| after.place_of(&hop));
        if next_hop.is_some() && place.is_none() {
            self.changes.orphans.insert(*author);
        }
        if let Some(known) = self.nodes.get_mut(author) {
            known.via = place;
        }
    }

    /// Everything has to be worked out anew.
    pub(super) fn reach_anew(&mut self) {
        self.changes = Changes::all();
    }

    /// Works out who is reached, from what has changed.
    pub(super) fn reach(&mut self) {
        let Changes { all, mut orphans, growing } =
            std::mem::replace(&mut self.changes, Changes::none());
        let saved = !all && self.find_new_paths(&mut orphans);
        if saved {
            let growing = growing.into_iter().filter(|id| self.is_reached(id)).collect();
            self.grow(growing);
            return;
        }
        for known in self.nodes.values_mut() {
            (known.reached, known.via) = (false, None);
        }
        if let Some(me) = self.nodes.get_mut(&self.me) {
            me.reached = true;
            self.grow(VecDeque::from([self.me]));
        }
    }

    fn is_reached(&self, id: &NodeId) -> bool {
        self.nodes.get(id).is_some_and(|n| n.reached)
    }

    /// From these on to all that are not reached yet, the near ones first, so that paths are short. Nodes that said
    /// goodbye are not walked through.
    fn grow(&mut self, mut queue: VecDeque<NodeId>) {
        while let Some(id) = queue.pop_front() {
            let Some(record) = self.nodes.get(&id).and_then(|n| n.links.clone()) else { continue };
            for LinkEntry { peer, .. } in record.links().iter().flat_map(|state| state.links.iter())
            {
                let Some(other) = self.nodes.get_mut(peer) else { continue };
                if !other.reached
                    && !other.has_left()
                    && let Some(place) = other.links.as_ref().and_then(|l| l.links()?.place_of(&id))
                {
                    (other.reached, other.via) = (true, Some(place));
                    queue.push_back(*peer);
                }
            }
        }
    }

    /// Gives each of those whose path has broken another one; false if that cannot be done here.
    fn find_new_paths(&mut self, orphans: &mut BTreeSet<NodeId>) -> bool {
        let mut steps = STEPS_PER_NODE * self.nodes.len();
        while let Some(id) = orphans.first().copied() {
            let place = self.nodes.get(&id).and_then(|known| {
                let hops = known.links().iter().enumerate();
                let mut good = hops.filter(|(_, l)| {
                    steps = steps.saturating_sub(1);
                    let other = self.nodes.get(&l.peer);
                    let confirmed = other.is_some_and(|p| p.lists(&id).is_some());
                    confirmed && self.is_sound(&l.peer, orphans, &mut steps)
                });
                good.next().and_then(|(at, _)| u16::try_from(at).ok())
            });
            let Some(known) = self.nodes.get_mut(&id).filter(|_| place.is_some()) else {
                return false;
            };
            known.via = place;
            orphans.remove(&id);
        }
        true
    }

    /// Whether a node's path leads to us and not over one of the `orphans`, as far as that can be seen in so many
    /// `steps`.
    fn is_sound(&self, from: &NodeId, orphans: &BTreeSet<NodeId>, steps: &mut usize) -> bool {
        let mut id = *from;
        while let Some(left) = steps.checked_sub(1) {
            *steps = left;
            let Some(known) = self.nodes.get(&id).filter(|n| n.reached) else { return false };
            if orphans.contains(&id) {
                return false;
            }
            match known.next_hop() {
                Some(next) => id = *next,
                None => return id == self.me,
            }
        }
        false
    }
}
