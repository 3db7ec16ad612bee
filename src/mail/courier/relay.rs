//! Packets that come: counted against budgets, peeled, checked for replays, and sent where they belong.

use std::collections::{BTreeMap, BTreeSet};

use super::{Courier, JOBS_MAX, Job, NOTES_MAX};
use crate::mail::event::Effect;
use crate::mail::frame::MailFrame;
use crate::mail::work::{Layer, Opened, Peel, Tag};
use crate::mesh::budget::Budget;
use crate::mesh::{NodeId, Time};

/// Packets that may be with the sealers, or wait for them.
const PEELING_MAX: usize = 4096;
/// Of one link.
const PEELING_MAX_OF_ONE: usize = 512;
/// Most tags remembered for one onion key. When it is reached the key makes room for a new one.
const TAGS_MAX: usize = 1_000_000;

/// The packets that were peeled with each of our onion keys.
#[derive(Debug, Default)]
pub(super) struct Replays(BTreeMap<[u8; 32], BTreeSet<[u8; 16]>>);

/// What a tag says of its packet.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It is new.
    New,
    /// It has been here.
    Before,
    /// The table is full: the key must go.
    Full,
}

impl Replays {
    fn see(&mut self, Tag { key, tag }: Tag) -> Seen {
        let tags = self.0.entry(key).or_default();
        match tags.len() {
            TAGS_MAX if !tags.contains(&tag) => Seen::Full,
            _ if tags.insert(tag) => Seen::New,
            _ => Seen::Before,
        }
    }

    /// Forgets the tags of keys that peel nothing any more.
    pub(super) fn keep(&mut self, keys: &[[u8; 32]]) {
        self.0.retain(|key, _| keys.contains(key));
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// What is taken of packets.
#[derive(Debug)]
pub(super) struct Budgets {
    all: Budget,
    links: BTreeMap<NodeId, Link>,
    per_link: u32,
    peeling: usize,
}

#[derive(Debug)]
struct Link {
    budget: Budget,
    peeling: usize,
}

impl Budgets {
    pub(super) fn new(per_second: u32, per_second_per_link: u32) -> Budgets {
        let all = Budget::new(per_second.saturating_mul(2), per_second);
        Budgets { all, links: BTreeMap::new(), per_link: per_second_per_link, peeling: 0 }
    }

    pub(super) fn configure(&mut self, per_second: u32, per_second_per_link: u32) {
        self.all = Budget::new(per_second.saturating_mul(2), per_second);
        self.per_link = per_second_per_link;
        for link in self.links.values_mut() {
            link.budget = Budget::new(per_second_per_link.saturating_mul(2), per_second_per_link);
        }
    }

    /// Whether one more packet of this peer is taken.
    fn take(&mut self, now: Time, peer: NodeId) -> bool {
        let per_link = self.per_link;
        let link = self.links.entry(peer).or_insert_with(|| Link {
            budget: Budget::new(per_link.saturating_mul(2), per_link),
            peeling: 0,
        });
        let room = self.peeling < PEELING_MAX && link.peeling < PEELING_MAX_OF_ONE;
        if !room || !link.budget.take(now, 1) {
            return false;
        }
        if !self.all.take(now, 1) {
            link.budget.give_back(1);
            return false;
        }
        link.peeling += 1;
        self.peeling += 1;
        true
    }

    /// A packet was peeled.
    fn done(&mut self, peer: &NodeId) {
        self.peeling -= 1;
        if let Some(link) = self.links.get_mut(peer) {
            link.peeling = link.peeling.saturating_sub(1);
        }
    }

    /// It was a letter for us, and new: that does not count.
    fn refund(&mut self, peer: &NodeId) {
        self.all.give_back(1);
        if let Some(link) = self.links.get_mut(peer) {
            link.budget.give_back(1);
        }
    }

    /// Dialling again does not buy a peer a new burst: kept until the peer is not known any more.
    pub(super) fn keep(&mut self, known: impl Fn(&NodeId) -> bool) {
        self.links.retain(|peer, link| link.peeling > 0 || known(peer));
    }
}

impl Courier {
    pub(super) fn packet_came(
        &mut self,
        now: Time,
        peer: NodeId,
        number: u32,
        packet: Vec<u8>,
        out: &mut Vec<Effect>,
    ) {
        let room = self.notes.len() < NOTES_MAX && self.jobs.len() < JOBS_MAX;
        if !room || !self.budgets.take(now, peer) {
            self.counters.dropped_busy += 1;
            return out.push(Effect::Send { peer, frame: MailFrame::Busy { number } });
        }
        self.counters.received += 1;
        let job = self.name_job(Job::Packet { peer });
        self.peel(now, job, Layer::Packet(packet), out);
    }

    pub(super) fn peel(&mut self, now: Time, job: u64, what: Layer, out: &mut Vec<Effect>) {
        let peel = Peel { keys: self.keys.clone(), now_ms: self.now_ms(now), what };
        out.push(Effect::Peel { job, peel });
    }

    /// A packet, or a letter from a mailbox, was opened. What is of no use is dropped without a word: an
    /// answer would tell whoever sent it what happened here.
    pub(super) fn peeled(&mut self, now: Time, job: Job, opened: Opened, out: &mut Vec<Effect>) {
        let (peer, from) = match job {
            Job::Packet { peer } => (Some(peer), None),
            Job::Sealed(from) => (None, Some(from)),
            _ => return,
        };
        if let Some(peer) = &peer {
            self.budgets.done(peer);
        }
        let tag = match &opened {
            Opened::Letter { tag, .. } => *tag,
            Opened::Forward { tag, .. } | Opened::Store { tag, .. } | Opened::Reply { tag, .. } => {
                Some(*tag)
            }
            Opened::Bad(_) => None,
        };
        match tag.map(|tag| self.replays.see(tag)) {
            Some(Seen::Before) => {
                self.counters.dropped_replay += 1;
                return;
            }
            Some(Seen::Full) => {
                self.counters.dropped_busy += 1;
                // One in its grace goes by itself.
                if tag.is_some_and(|tag| tag.key == self.own_hop(self.now_ms(now)).key) {
                    self.renew_onion(now, out);
                }
                return;
            }
            Some(Seen::New) | None => {}
        }
        match opened {
            Opened::Forward { next, packet, .. } => {
                // Nor for a node that is not there: what anybody may make up cannot make us dial.
                let there = self.hops.is_linked(&next) || self.members.is_alive(&next);
                if !self.policy.volunteer || next == self.me || !there {
                    self.counters.dropped_not_volunteer += 1;
                    return;
                }
                self.hand_on(now, next, packet, true, out);
            }
            Opened::Letter { letter, .. } => {
                if let Some(peer) = &peer {
                    self.budgets.refund(peer);
                }
                self.letter_came(now, *letter, from, out);
            }
            Opened::Store { reader, token, expires_ms, block, sealed, .. } => {
                self.store_came(now, reader, token, expires_ms, block, sealed, out);
            }
            Opened::Reply { mark, sealed, .. } => self.reply_came(now, mark, &sealed, out),
            Opened::Bad(bad) => {
                self.counters.bad(bad);
                // What was kept for us and cannot be opened never will be.
                self.let_go(from.into_iter().collect());
            }
        }
    }
}
