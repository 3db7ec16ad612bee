//! What follows from the records: who is reached by confirmed links, and what state that makes each node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{GRACE, Graph, Known, NodeChange, Odd, SUSPECT, TOMBSTONE};
use crate::mesh::view::State;
use crate::mesh::{NodeId, Time};

/// How long records of a node that no confirmed link ever reached are kept.
const STRANGER: Duration = Duration::from_secs(60);

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
    /// Works out every node's state. Costs some 20 ns for each node, and nothing if only round trips and the like
    /// have come.
    pub fn derive(&mut self, now: Time) -> Derived {
        if !self.moved && self.due.is_none_or(|at| now < at) {
            let shown = std::mem::take(&mut self.touched);
            return Derived { shown, next: self.due, ..Derived::default() };
        }
        self.moved = false;
        self.reach();
        let (accused, linked) = (self.accused(now), self.linked_elsewhere());
        let mut derived =
            Derived { shown: std::mem::take(&mut self.touched), ..Derived::default() };
        let new_cards = std::mem::take(&mut self.new_cards);
        let (mut shown_else, mut dead) = (false, Vec::new());
        (self.live, self.strangers) = (0, 0);
        for (id, known) in &mut self.nodes {
            let (state, met, counted) = (known.state, known.met, known.counts());
            if known.reached {
                self.live += 1;
                known.state = reachable(known, accused.get(id).copied(), now, &mut derived);
            } else {
                known.state = lost(known, !linked.contains(id), now, &mut derived);
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

    /// Until when each of the reached nodes is suspect: somebody live lost its link with it lately, of which it does not
    /// know yet.
    fn accused(&self, now: Time) -> BTreeMap<NodeId, Time> {
        let live = |by: &NodeId| self.nodes.get(by).is_some_and(|n| n.reached);
        let odd = self.nodes.iter().filter(|(_, n)| n.reached);
        let odd = odd.filter_map(|(id, n)| Some((id, n.odd.as_ref()?)));
        let until = |odd: &Odd| {
            let fresh = odd.lost_by.iter().map(|(by, at)| (by, *at + SUSPECT));
            fresh.filter(|(by, until)| *until > now && live(by)).map(|(_, until)| until).max()
        };
        odd.filter_map(|(id, odd)| Some((*id, until(odd)?))).collect()
    }

    /// Which of those that were reached and are not have a confirmed link with anybody.
    fn linked_elsewhere(&self) -> BTreeSet<NodeId> {
        let away = self.nodes.iter().filter(|(_, n)| n.met && !n.reached);
        let linked = away.filter(|(id, n)| n.links().iter().any(|l| self.lists(&l.peer, id)));
        linked.map(|(id, _)| *id).collect()
    }

    /// Forgets those of the `dead` whose time has come; whether one of them was shown.
    fn forget(&mut self, now: Time, dead: Vec<NodeId>, derived: &mut Derived) -> bool {
        // Those never met first: whoever makes some up must not push out who was lost.
        let mut kept: Vec<(bool, Time, NodeId)> = Vec::new();
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
                kept.push((n.met, odd.map_or(now, Odd::gone_at), id));
            }
        }
        let most = 2 * self.live + 1024;
        if kept.len() > most {
            kept.sort_unstable();
            let surplus = kept.len() - most;
            for (_, _, id) in &kept[..surplus] {
                shown |= self.remove(id);
            }
        }
        shown
    }
}

/// The state of a node that a confirmed path leads to.
fn reachable(known: &mut Known, accused: Option<Time>, now: Time, derived: &mut Derived) -> State {
    known.met = true;
    let Some(odd) = &mut known.odd else { return State::Alive };
    odd.lost = None;
    odd.lost_by.retain(|(_, at)| *at + SUSPECT > now);
    let Some(until) = accused else {
        if odd.lost_by.is_empty() {
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
        return State::Left;
    }
    if known.is_live() && now < lost + GRACE {
        derived.wake_at(lost + GRACE);
        return State::Suspect;
    }
    // It has been judged; should it come back, then over a link that is newer than all accusations.
    known.odd(now).lost_by = Vec::new();
    if lonely { State::Failed } else { State::Unreachable }
}
