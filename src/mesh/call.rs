//! A node that cannot be dialled is asked, through a neighbour of both, to dial us. One hop: the neighbour
//! passes on only what its author itself brought, and the target passes nothing on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::Budget;
use super::dice::Dice;
use super::gossip::Gossip;
use super::record::{Kind, Record, SignedCard};
use super::topology::{Effect, Topology};
use super::{NodeId, Time};

/// Targets of which we remember whom we asked last.
const ASKED_MAX: usize = 256;

/// Whom we asked to pass our calls on.
#[derive(Debug)]
pub(super) struct Calls {
    dice: Dice,
    /// For each target the neighbour asked last, and which call that was.
    asked: BTreeMap<NodeId, (NodeId, u64)>,
    count: u64,
}

impl Calls {
    /// Chance here only spreads the load over neighbours: who we are and which boot this is make seed enough.
    pub(super) fn new(me: &NodeId, epoch: u64) -> Calls {
        let id = u64::from_le_bytes(me.0[..8].try_into().expect("an id has 32 bytes"));
        Calls { dice: Dice::new(id ^ epoch), asked: BTreeMap::new(), count: 0 }
    }

    /// One of these neighbours, and not the one of the last time if there is another.
    fn pick(&mut self, target: NodeId, mut neighbours: Vec<NodeId>) -> Option<NodeId> {
        if let Some((last, _)) = self.asked.get(&target)
            && neighbours.len() > 1
        {
            neighbours.retain(|n| n != last);
        }
        let pick = self.dice.below(neighbours.len() as u64);
        let neighbour = usize::try_from(pick).ok().and_then(|i| neighbours.get(i)).copied()?;
        if self.asked.len() >= ASKED_MAX && !self.asked.contains_key(&target) {
            let oldest = self.asked.iter().min_by_key(|(_, (_, call))| *call).map(|(id, _)| *id);
            oldest.and_then(|id| self.asked.remove(&id));
        }
        self.count += 1;
        self.asked.insert(target, (neighbour, self.count));
        Some(neighbour)
    }
}

/// How many calls are taken from one neighbour.
#[derive(Clone, Debug)]
pub(super) struct CallBudgets {
    /// Its own, to be passed on.
    own: Budget,
    /// Those of others it brings us; it may be the neighbour of many.
    brought: Budget,
}

impl Default for CallBudgets {
    fn default() -> CallBudgets {
        CallBudgets { own: Budget::new(4, 1), brought: Budget::new(16, 4) }
    }
}

impl Topology {
    /// Has a node asked to dial us.
    pub(super) fn call(&mut self, target: NodeId, out: &mut Vec<Effect>) {
        if self.leaving || target == self.me || self.links.contains_key(&target) {
            return;
        }
        let Some(card) = SignedCard::of(&self.card()) else { return };
        let helps = |n: &&NodeId| self.graph.linked(n, &target) && self.graph.linked(n, &self.me);
        let helpers = self.links.keys().filter(helps).copied().collect();
        if let Some(peer) = self.calls.pick(target, helpers) {
            out.push(Effect::Send { peer, gossip: Gossip::CallMe { target, card } });
        }
    }

    /// Takes a call from a neighbour: passes it on, or heeds it.
    pub(super) fn hear_call(
        &mut self,
        now: Time,
        peer: NodeId,
        target: NodeId,
        card: SignedCard,
        out: &mut Vec<Effect>,
    ) {
        let (caller, for_me) = (NodeId::of_key(&card.key), target == self.me);
        let Some(link) = self.links.get_mut(&peer) else { return };
        let budget = if for_me { &mut link.calls.brought } else { &mut link.calls.own };
        // A caller speaks for itself only, and to us only through others: links need no call.
        let in_place = if for_me {
            budget.take(now, 1) && caller != peer && caller != self.me
        } else {
            budget.take(now, 1) && caller == peer && target != peer
        };
        if !in_place {
            self.dropped_records += 1;
            return;
        }
        // The target may have lost its link with us, or found one with the caller, in the meantime; and
        // what cannot be shown in the graph cannot make us dial.
        let of_use = match for_me {
            true => self.graph.is_alive(&caller) && !self.links.contains_key(&caller),
            false => self.links.contains_key(&target),
        };
        if !of_use {
            return;
        }
        let Some(record) = self.open_card(card.clone()) else {
            self.dropped_records += 1;
            return;
        };
        if !for_me {
            return out
                .push(Effect::Send { peer: target, gossip: Gossip::CallMe { target, card } });
        }
        // It may be newer than what we have, or an old one played again: the newest counts.
        self.take(now, record, out);
        let newest = self.graph.card(&caller).cloned();
        let stays = |r: &Record| r.card().is_some_and(|c| c.leaving_ms.is_none());
        if let Some(card) = newest.filter(stays) {
            out.push(Effect::Called { card });
        }
    }

    /// A card that is its author's, of this network.
    fn open_card(&self, card: SignedCard) -> Option<Record> {
        let signed = card.into_signed();
        let held = self.held(&NodeId::of_key(&signed.key), Kind::Card);
        let record = match held.filter(|r| **r.signed() == signed) {
            // It was checked when it came first.
            Some(held) => held.clone(),
            None => self.crypto.open(&Arc::new(signed)).ok()?,
        };
        record.card().is_some_and(|c| c.network == self.identity.network).then_some(record)
    }
}
