//! What follows from the records: who is reached by confirmed links, and what state that makes each node.

use std::time::Duration;

use super::{GRACE, Graph, Known, NodeChange, Odd, TOMBSTONE};
use crate::mesh::record::LinkEntry;
use crate::mesh::view::State;
use crate::mesh::{NodeId, Time};

/// How long a dropped link makes a reachable node suspect.
const SUSPECT: Duration = Duration::from_secs(10);
/// How long records of a node that no confirmed link ever reached are kept.
const STRANGER: Duration = Duration::from_secs(60);
/// How far from its guessed place an id is looked for before all of them are searched.
const NEAR: usize = 64;

/// What a derivation has found.
#[derive(Debug, Default)]
pub struct Derived {
    /// Nodes that are shown and whose state or card is another one.
    pub nodes: Vec<NodeChange>,
    /// Something may look different, if only a round trip.
    pub shown: bool,
    /// When to derive again if nothing comes in before.
    pub next: Option<Time>,
}

impl Derived {
    fn wake_at(&mut self, at: Time) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl Graph {
    /// Works out every node's state. Costs about 20 ns for each listed link, and nothing if only round trips and
    /// the like have come.
    pub fn derive(&mut self, now: Time) -> Derived {
        if !self.moved && self.due.is_none_or(|at| now < at) {
            let shown = std::mem::take(&mut self.touched);
            return Derived { shown, next: self.due, ..Derived::default() };
        }
        self.moved = false;
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        let (reached, lonely) = self.reached(&ids);
        let mut derived =
            Derived { shown: std::mem::take(&mut self.touched), ..Derived::default() };
        let new_cards = std::mem::take(&mut self.new_cards);
        let (mut shown_else, mut dead) = (false, Vec::new());
        (self.live, self.strangers) = (0, 0);
        for (i, (id, known)) in self.nodes.iter_mut().enumerate() {
            let (state, met, counted) = (known.state, known.met, known.counts());
            if reached[i] {
                self.live += 1;
                known.state = reachable(known, &ids, &reached, now, &mut derived);
            } else {
                known.state = lost(known, lonely[i], now, &mut derived);
                dead.push(*id);
            }
            self.strangers += usize::from(!known.met && known.state != State::Left);
            let moved = known.state != state || known.met != met;
            if known.counts() != counted {
                let weight = if counted { known.hashes().wrapping_neg() } else { known.hashes() };
                let bucket = &mut self.digest[usize::from(id.0[0])];
                *bucket = bucket.wrapping_add(weight);
            }
            if known.state != state {
                known.since = now;
            }
            shown_else |= moved && known.met;
            if known.met && (moved || new_cards.contains(id)) {
                let (id, card) = (*id, known.card.clone());
                derived.nodes.push(NodeChange { id, state: known.state, card });
            }
        }
        shown_else |= self.forget(now, dead, &mut derived);
        if shown_else {
            self.changed_ms = self.unix_ms(now);
        }
        derived.shown |= shown_else;
        self.due = derived.next;
        derived
    }

    /// Which of `ids` (ordered, as the nodes are) a confirmed path leads to, and which of the others have no
    /// confirmed link with anybody. Nodes that said goodbye are not walked through.
    fn reached(&self, ids: &[NodeId]) -> (Vec<bool>, Vec<bool>) {
        let nodes: Vec<&Known> = self.nodes.values().collect();
        let confirmed = |i: usize, j: usize| nodes[j].lists(&ids[i]).is_some();
        let mut reached = vec![false; ids.len()];
        let mut queue: Vec<usize> = find(ids, &self.me).into_iter().collect();
        for i in &queue {
            reached[*i] = true;
        }
        while let Some(i) = queue.pop() {
            for LinkEntry { peer, .. } in nodes[i].links() {
                let Some(j) = find(ids, peer).filter(|j| !reached[*j]) else { continue };
                if !nodes[j].has_left() && confirmed(i, j) {
                    reached[j] = true;
                    queue.push(j);
                }
            }
        }
        let linked = |i: usize, l: &LinkEntry| find(ids, &l.peer).is_some_and(|j| confirmed(i, j));
        let lonely = |i: usize| !nodes[i].links().iter().any(|l| linked(i, l));
        let lonely = (0..ids.len()).map(|i| !reached[i] && lonely(i)).collect();
        (reached, lonely)
    }

    /// Forgets those of the `dead` whose time has come; whether one of them was shown.
    fn forget(&mut self, now: Time, dead: Vec<NodeId>, derived: &mut Derived) -> bool {
        let mut kept: Vec<(Time, NodeId)> = Vec::new();
        let mut shown = false;
        let me = self.me;
        for id in dead.into_iter().filter(|id| *id != me) {
            let Some(n) = self.nodes.get(&id) else { continue };
            let odd = n.odd.as_deref();
            let heard = odd.map_or(now, |o| o.heard);
            let lost = odd.and_then(|o| o.lost).unwrap_or(now);
            let until = match n.state {
                _ if !n.met && n.state != State::Left => Some(heard + STRANGER),
                State::Alive | State::Suspect => None,
                State::Left => Some(lost + TOMBSTONE),
                State::Failed | State::Unreachable => Some(lost + self.limits.forget_after),
            };
            if let Some(until) = until.filter(|until| now < *until) {
                derived.wake_at(until);
            }
            if until.is_some_and(|until| now >= until) {
                shown |= n.met;
                self.remove(&id);
            } else if !n.is_live() {
                kept.push((odd.map_or(now, Odd::gone_at), id));
            }
        }
        let most = 2 * self.live + 1024;
        if kept.len() > most {
            kept.sort_unstable();
            let surplus = kept.len() - most;
            for (_, id) in &kept[..surplus] {
                shown |= self.remove(id);
            }
        }
        shown
    }
}

/// The state of a node that a confirmed path leads to.
fn reachable(
    known: &mut Known,
    ids: &[NodeId],
    reached: &[bool],
    now: Time,
    derived: &mut Derived,
) -> State {
    known.met = true;
    let Some(odd) = &mut known.odd else { return State::Alive };
    odd.lost = None;
    // Somebody live dropped it lately and it does not agree yet.
    odd.dropped_by.retain(|_, at| *at + SUSPECT > now);
    let live = |by: &NodeId| find(ids, by).is_some_and(|i| reached[i]);
    let accused = odd.dropped_by.iter().filter(|(by, _)| live(by)).map(|(_, at)| *at + SUSPECT);
    let Some(until) = accused.max() else {
        if odd.dropped_by.is_empty() {
            known.odd = None;
        }
        return State::Alive;
    };
    derived.wake_at(until);
    State::Suspect
}

/// The state of a node that no confirmed path leads to.
fn lost(known: &mut Known, lonely: bool, now: Time, derived: &mut Derived) -> State {
    let lost = *known.odd(now).lost.get_or_insert(now);
    if known.has_left() {
        State::Left
    } else if known.is_live() && now < lost + GRACE {
        derived.wake_at(lost + GRACE);
        State::Suspect
    } else if lonely {
        State::Failed
    } else {
        State::Unreachable
    }
}

/// Where an id stands among ordered ones. Ids are hashes: the place can be guessed, which spares most of the
/// steps; where somebody has made ids that are not spread evenly, all are searched.
pub(super) fn find(ids: &[NodeId], id: &NodeId) -> Option<usize> {
    let guess = (u128::from(id.head()) * ids.len() as u128) >> 64;
    let guess = usize::try_from(guess).unwrap_or(0);
    let (low, high) = (guess.saturating_sub(NEAR), (guess + NEAR).min(ids.len()));
    let window = &ids[low..high];
    let inside = window.first().is_some_and(|first| first <= id)
        && window.last().is_some_and(|last| id <= last);
    if inside {
        return window.binary_search(id).ok().map(|at| low + at);
    }
    ids.binary_search(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let even: Vec<NodeId> = (0..=255u8).map(|i| NodeId::of_key(&[i; 32])).collect();
        let crowded: Vec<NodeId> = (0..=255u8)
            .map(|i| NodeId([[9; 31].as_slice(), &[i]].concat().try_into().unwrap()))
            .collect();
        for mut ids in [even, crowded] {
            ids.sort_unstable();
            for (i, id) in ids.iter().enumerate() {
                assert_eq!(find(&ids, id), Some(i));
                let mut other = *id;
                other.0[31] ^= 1;
                other.0[30] ^= 1;
                assert_eq!(find(&ids, &other), ids.binary_search(&other).ok());
            }
            assert_eq!(find(&ids[..0], &ids[0]), None);
            assert_eq!(find(&ids[..1], &ids[0]), Some(0));
        }
    }
}
