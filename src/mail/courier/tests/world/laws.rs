//! What must hold at every step, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use super::kith::mail::LetterId;
use super::kith::mail::event::{AskId, PushError};
use super::kith::mail::keys::MailKeys;
use super::kith::mail::onion::Hop;
use super::kith::mail::rows::{OutLetter, State};
use super::kith::mail::work::{What, Wrap};
use super::kith::mesh::NodeId;
use super::kith::mesh::view::{NodeView, State as Alive};
use super::{World, id};

#[derive(Default)]
pub struct Laws {
    /// Letters that their writers were told are safe: from, to, which.
    pub acknowledged: BTreeSet<(usize, NodeId, LetterId)>,
    /// Questions that are not answered, and whom they were asked.
    pub asked: BTreeMap<AskId, usize>,
    /// The tokens of each try of each letter that went to a mailbox.
    tokens: BTreeMap<LetterId, Vec<Vec<[u8; 16]>>>,
    /// Wrapped letters, and hops of all of their packets.
    pub wraps: u64,
    pub hops: u64,
}

impl World {
    /// Only volunteers that are there, each once, and never one of the ends.
    pub(super) fn law_wrap(&mut self, n: usize, wrap: &Wrap) {
        let What::Letter { reader, id: letter, .. } = &wrap.what else { return };
        let mut used: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut tokens = Vec::new();
        for part in &wrap.parts {
            let last = part.route.last().expect("a route has an end").id;
            if part.store.is_none() && last != *reader {
                self.broken(format!("n{n} sends {letter:?} to somebody else"));
            }
            if part.store.is_some() && !self.lists_mailbox(n, reader, &last) {
                self.broken(format!("n{n} leaves {letter:?} where its reader has no mailbox"));
            }
            self.law_route(n, &part.route, &[id(n), *reader]);
            for hop in &part.route[..part.route.len() - 1] {
                *used.entry(hop.id).or_default() += 1;
            }
            if let Some(store) = &part.store {
                tokens.push(store.token);
                if let Some((back, _)) = &store.back {
                    self.law_route(n, back, &[id(n), *reader, last]);
                    if back.last().map(|hop| hop.id) != Some(id(n)) {
                        self.broken(format!("n{n} asks for an answer to somebody else"));
                    }
                }
            }
            self.laws.hops += part.route.len() as u64;
            let route = part.route.iter().map(|hop| hop.id);
            let route = [id(n)].into_iter().chain(route).collect();
            self.nodes[n].routes.push((*reader, route));
        }
        self.laws.wraps += 1;
        if !tokens.is_empty() {
            self.laws.tokens.entry(*letter).or_default().push(tokens);
        }
    }

    fn law_route(&self, n: usize, route: &[Hop], ends: &[NodeId]) {
        let (last, relays) = route.split_last().expect("a route has an end");
        let mut seen = BTreeSet::new();
        for hop in relays {
            let shown = self.shown(n, &hop.id);
            let volunteer =
                shown.is_some_and(|node| node.offers.relay && node.state == Alive::Alive);
            if !volunteer {
                self.broken(format!(
                    "n{n} uses {}, no volunteer that is there",
                    self.name(&hop.id)
                ));
            }
            if ends.contains(&hop.id) || hop.id == last.id || !seen.insert(hop.id) {
                self.broken(format!("n{n} uses {} on a path that it ends", self.name(&hop.id)));
            }
        }
    }

    fn shown(&self, n: usize, who: &NodeId) -> Option<&NodeView> {
        self.nodes[n].view.node(who)
    }

    fn lists_mailbox(&self, n: usize, reader: &NodeId, mailbox: &NodeId) -> bool {
        let keys = self.shown(n, reader).map(|node| MailKeys::decode(&node.offers.keys));
        keys.is_some_and(|keys| keys.is_ok_and(|keys| keys.mailboxes.contains(mailbox)))
    }

    /// What was acknowledged is on the disk, or already with its reader.
    pub(super) fn law_acknowledged(&mut self, n: usize, result: &Result<OutLetter, PushError>) {
        let Ok(letter) = result else { return };
        if !self.nodes[n].disk.sent.contains_key(&letter.id)
            && !self.has(n, &letter.reader, letter.id)
        {
            self.broken(format!("n{n} acknowledges {:?}, which is nowhere", letter.id));
        }
        self.laws.acknowledged.insert((n, letter.reader, letter.id));
    }

    /// Whether the reader of a letter has it on its disk.
    pub fn has(&self, from: usize, reader: &NodeId, letter: LetterId) -> bool {
        let reader = self.by_id.get(reader).map(|to| &self.nodes[*to].disk);
        reader.is_some_and(|disk| disk.came.contains_key(&(id(from), letter)))
    }

    pub(super) fn law_came(&mut self, n: usize, from: NodeId, letter: LetterId) {
        self.log(|| format!("n{n} has {letter:?}"));
        if !self.nodes[n].disk.came.contains_key(&(from, letter)) {
            self.broken(format!("n{n} tells of {letter:?}, which is not on its disk"));
        }
    }

    /// No state is told that is not true.
    pub(super) fn law_turned(&mut self, n: usize, letter: LetterId, to: NodeId, state: State) {
        let before = self.nodes[n].turned.get(&letter);
        if before.is_some_and(|before| *before > state && before.is_over()) {
            self.broken(format!("n{n} takes {letter:?} back from {before:?} to {state:?}"));
        }
        match state {
            State::Delivered | State::Read if !self.has(n, &to, letter) => {
                self.broken(format!("n{n} calls {letter:?} delivered, and it is not"));
            }
            State::Stored => {
                let kept = |token: &[u8; 16]| {
                    self.nodes.iter().any(|node| node.disk.ever_kept.contains(token))
                };
                let tries = self.laws.tokens.get(&letter).into_iter().flatten();
                if !tries.into_iter().any(|tokens| tokens.iter().all(kept)) {
                    self.broken(format!("n{n} calls {letter:?} stored, and nobody keeps it"));
                }
            }
            _ => {}
        }
    }

    /// Nothing in memory grows beyond its bound.
    pub(super) fn law_memory(&self, n: usize) {
        for (what, count, max) in self.core(n).rooms() {
            if count > max {
                self.broken(format!("n{n} holds {count} {what}, {max} are the most"));
            }
        }
    }

    /// All that was acknowledged has come, and its sender knows.
    pub fn all_delivered(&self) -> Result<(), String> {
        self.all_answered()?;
        for (from, to, letter) in &self.laws.acknowledged {
            let state = self.nodes[*from].disk.sent.get(letter).map(|(letter, _)| letter.state);
            if state.is_some_and(|state| matches!(state, State::Expired | State::Failed)) {
                continue;
            }
            if !self.has(*from, to, *letter) {
                let state = state.map(State::as_str);
                return Err(format!("{letter:?} of n{from} ({state:?}) is not with its reader"));
            }
            if !state.is_some_and(|state| matches!(state, State::Delivered | State::Read)) {
                return Err(format!("n{from} does not know that {letter:?} has come: {state:?}"));
            }
        }
        Ok(())
    }

    /// All who sent something have been told whether it is safe.
    pub fn all_answered(&self) -> Result<(), String> {
        match self.laws.asked.len() {
            0 => Ok(()),
            n => Err(format!("{n} are not told whether their letters are safe")),
        }
    }

    /// All letters of a node that are under way are kept by mailboxes.
    pub fn all_stored(&self, n: usize) -> Result<(), String> {
        self.all_answered()?;
        let letters = self.core(n).under_way();
        match letters.values().filter(|letter| letter.state != State::Stored).count() {
            0 => Ok(()),
            open => Err(format!("{open} letters of n{n} are not stored")),
        }
    }

    /// Nothing is under way anywhere.
    pub fn quiet(&self) -> Result<(), String> {
        for n in (0..self.nodes.len()).filter(|n| self.is_up(*n)) {
            for (what, count, _) in self.core(n).rooms() {
                if count > 0
                    && ["jobs", "notes", "packets waiting", "partial letters"].contains(&what)
                {
                    return Err(format!("n{n} holds {count} {what}"));
                }
            }
        }
        Ok(())
    }
}
