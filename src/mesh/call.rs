//! A node that cannot be dialled is asked, by a routed message, to dial us.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::{Kind, Record, SignedCard};
use super::route::Word;
use super::topology::{Effect, Topology};
use super::{NodeId, Time};

/// Targets of which we remember over whom we called last.
const CALLED_MAX: usize = 256;

/// Over whom our calls went.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// For each target the neighbour that the last call went over, and which call that was.
    over: BTreeMap<NodeId, (NodeId, u64)>,
    count: u64,
}

impl Calls {
    fn note(&mut self, target: NodeId, neighbour: NodeId) {
        if self.over.len() >= CALLED_MAX && !self.over.contains_key(&target) {
            let oldest = self.over.iter().min_by_key(|(_, (_, call))| *call).map(|(id, _)| *id);
            oldest.and_then(|id| self.over.remove(&id));
        }
        self.count += 1;
        self.over.insert(target, (neighbour, self.count));
    }
}

impl Topology {
    /// Has a node asked to dial us, each time over another neighbour than the last one if there is one.
    pub(super) fn call(&mut self, now: Time, target: NodeId, out: &mut Vec<Effect>) {
        if self.leaving || target == self.me || self.links.contains_key(&target) {
            return;
        }
        let Some(card) = SignedCard::of(&self.card()) else { return };
        let last = self.calls.over.get(&target).map(|(neighbour, _)| *neighbour);
        // Where no way leads nobody could help, and who calls too often calls again.
        if let Ok(neighbour) = self.begin(now, target, last, Word::CallMe(card), out) {
            self.calls.note(target, neighbour);
        }
    }

    /// The card of a call, if it is its caller's own and of this network: a caller speaks for itself only.
    pub(super) fn open_call(&self, caller: NodeId, card: &SignedCard) -> Option<Record> {
        if NodeId::of_key(&card.key) != caller {
            return None;
        }
        let signed = card.clone().into_signed();
        let record = match self.held(&caller, Kind::Card).filter(|r| **r.signed() == signed) {
            // It was checked when it came first.
            Some(held) => held.clone(),
            None => self.crypto.open(&Arc::new(signed)).ok()?,
        };
        record.card().is_some_and(|c| c.network == self.identity.network).then_some(record)
    }

    /// Heeds a call that came by way of `peer`. Answers whether it was in order.
    pub(super) fn heed_call(
        &mut self,
        now: Time,
        peer: NodeId,
        card: Record,
        out: &mut Vec<Effect>,
    ) -> bool {
        let caller = card.id();
        if caller == peer {
            // Links need no call.
            return false;
        }
        // We may have found a link with the caller in the meantime; and what cannot be shown in the graph
        // cannot make us dial.
        if !self.graph.is_alive(&caller) || self.links.contains_key(&caller) {
            return true;
        }
        // The card may be newer than what we have, or an old one played again: the newest counts.
        self.take(now, card, out);
        let newest = self.graph.card(&caller).cloned();
        let stays = |r: &Record| r.card().is_some_and(|c| c.leaving_ms.is_none());
        if let Some(card) = newest.filter(stays) {
            out.push(Effect::Called { card });
        }
        true
    }
}
