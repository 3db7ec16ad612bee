//! The seeds: addresses to dial first and for ever, whoever is there.

use std::time::Duration;

use super::words::in_words;
use super::{Bye, Effect, Ended, Member, Peers, STABLE, Seed};
use crate::mesh::record::Card;
use crate::mesh::shape::Mode;
use crate::mesh::{ConnId, NodeId, Time};

/// A cluster is often started all at once: in its first moments a node without any link asks its seeds
/// again this soon, unless there is a crowd before them.
const EAGER: Duration = Duration::from_millis(100);
const EAGER_FOR: Time = Time::from_ms(1500);
/// Before a crowd it waits this long, up to three times as much: no longer, since a crowd is soon gone.
const CROWDED: Duration = Duration::from_secs(1);
/// In a large network a node with a link gives the news this long to come before it dials seeds it has not heard of.
const SETTLED: Duration = Duration::from_secs(10);
/// How long somebody is believed to be a seed because its card names the seed's address.
const BELIEVED: Duration = Duration::from_secs(30 * 60);
/// Seeds dialled at once, unless everyone is to link with everyone.
const SEEDS_AT_ONCE: usize = 2;

impl Peers {
    /// Whether a seed still has to be dialled: for as long as it is not in our component.
    fn seed_wanted(&self, seed: &Seed) -> bool {
        let joined = |id: &NodeId| {
            // Also one that said goodbye: it may come back remembering nobody, and wait for us.
            let settled = |m: &Member| m.alive || m.up.is_some() || m.held || m.dialing.is_some();
            self.members.get(id).is_some_and(settled) || self.book.banned.contains_key(id)
        };
        !seed.myself && seed.dialing.is_none() && !seed.id.as_ref().is_some_and(joined)
    }

    /// In a large network it would cost much if everyone dialled each seed only to see that it is one of those who
    /// are there: a card that names its address is believed for a while.
    pub(super) fn seed_said(&mut self, now: Time, card: &Card) {
        let unknown = |s: &Seed| s.id.is_none() && card.addrs.contains(&s.addr);
        if !self.partial {
            return;
        }
        for seed in self.seeds.iter_mut().filter(|s| unknown(s)) {
            seed.next_dial = now + self.dice.between(BELIEVED, 2 * BELIEVED);
        }
    }

    /// When a seed that is wanted may be dialled. In a large network any link will do to begin with, and who is
    /// there is known soon after it.
    fn seed_at(&self, seed: &Seed) -> Time {
        let joining = self.first_up.filter(|_| self.partial && self.counts().0 > 0);
        joining.map_or(seed.next_dial, |at| seed.next_dial.max(at + SETTLED))
    }

    /// Whether one more seed may be dialled now.
    fn has_room_for_seeds(&self) -> bool {
        let dialled = self.seeds.iter().filter(|s| s.dialing.is_some()).count();
        self.policy.plan.mode == Mode::Full || dialled < SEEDS_AT_ONCE
    }

    /// When the next seed is to be dialled, as things are.
    pub(super) fn next_seed(&self) -> Option<Time> {
        let wanted = self.seeds.iter().filter(|s| self.seed_wanted(s));
        wanted.map(|s| self.seed_at(s)).min().filter(|_| self.has_room_for_seeds())
    }

    /// Begins the dials to seeds that are due.
    pub(super) fn dial_seeds(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.next_seed().is_none_or(|at| at > now) {
            return;
        }
        let mut order: Vec<usize> = (0..self.seeds.len()).collect();
        self.dice.shuffle(&mut order);
        for i in order {
            if !self.has_room_for_seeds() {
                break;
            }
            let seed = &self.seeds[i];
            let (addr, id) = (seed.addr, seed.id);
            if self.seed_wanted(seed) && now >= self.seed_at(seed) && self.may_dial(now) {
                let conn = self.open(now, addr, id, None, out);
                self.seeds[i].dialing = Some(conn);
            }
        }
    }

    /// A seed's dial reached somebody: from now on the seed is that node. If it is refused, here or
    /// there, the next dial waits as after any other failure.
    pub(super) fn learn_seed(&mut self, now: Time, conn: ConnId, id: NodeId) {
        let (base, longest) = self.policy.delay;
        for seed in self.seeds.iter_mut().filter(|s| s.dialing == Some(conn)) {
            seed.dialing = None;
            seed.id = Some(id);
            seed.delay = self.dice.between(base, seed.delay * 3).min(longest);
            seed.next_dial = now + seed.delay;
            seed.problem = None;
        }
    }

    /// A seed's dial failed, or its link ended.
    pub(super) fn seed_closed(
        &mut self,
        now: Time,
        conn: ConnId,
        peer: Option<NodeId>,
        how: &Ended,
        out: &mut Vec<Effect>,
    ) {
        let (base, longest) = self.policy.delay;
        let up = peer.and_then(|id| self.members.get(&id)?.up.as_ref());
        let stable = up.is_some_and(|up| up.conn == conn && now.since(up.since) >= STABLE);
        for seed in &mut self.seeds {
            if seed.dialing == Some(conn) {
                seed.dialing = None;
                let crowded = matches!(how, Ended::Said(Bye::Full, _));
                if crowded {
                    seed.next_dial = now + self.dice.between(CROWDED, 3 * CROWDED);
                } else if now < EAGER_FOR && self.first_up.is_none() {
                    seed.next_dial = now + EAGER.min(base);
                } else {
                    seed.delay = self.dice.between(base, seed.delay * 3).min(longest);
                    seed.next_dial = now + seed.delay;
                }
                let mut text = in_words(how, seed.addr);
                if let (Ended::WrongIdentity { .. }, Some(id)) = (how, seed.id) {
                    let first = id.short();
                    text = format!(
                        "identity changed behind {}: {text}, but {first} was there first; refused (if \
                         this is right: node unpin {first})",
                        seed.addr
                    );
                    if seed.problem.as_ref() != Some(&text) {
                        out.push(Effect::Notice(text.clone()));
                    }
                }
                seed.problem = Some(text);
            } else if seed.id.is_some() && seed.id == peer {
                if stable {
                    seed.delay = base;
                }
                seed.next_dial = seed.next_dial.max(now + seed.delay);
            }
        }
    }
}
