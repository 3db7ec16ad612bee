//! What is shown of the courier.

use std::collections::BTreeMap;

use super::counters::Counters;
use super::outbox::{OUT_BYTES_MAX, WINDOW_MAX};
use super::replies::REPLIES_MAX;
use super::{Courier, JOBS_MAX, NOTES_MAX, UNTOLD_MAX};
use crate::mail::LetterId;
use crate::mail::frame::TOKENS_MAX;
use crate::mail::rows::{OutLetter, State};
use crate::mail::shards::BODY_BYTES_MAX;
use crate::mesh::{NodeId, Time};

/// What is counted beside them: packets remembered so that none is taken twice.
const REPLAYS: &str = "replays_remembered";

/// One node as a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: NodeId,
    /// It volunteers to pass packets on.
    pub volunteer: bool,
    /// It volunteers to keep letters.
    pub mailbox: bool,
    /// "ready", "no key" or "quarantined".
    pub state: &'static str,
    /// One of the first hops that are kept for long.
    pub guard: bool,
    /// Letters that went through it and were signed for.
    pub delivered: u64,
    /// Paths through it of which no word came back.
    pub silent: u64,
}

impl Courier {
    /// Every other node that is alive, by id.
    pub fn standings(&self, now: Time) -> Vec<Standing> {
        let now_ms = self.now_ms(now);
        let alive = self.members.iter().filter(|(_, member)| member.alive);
        let standing = |(id, member): (&NodeId, &super::members::Member)| {
            let (record, rests) = self.ways.record(now, id);
            let state = match self.members.hop(id, now_ms) {
                None => "no key",
                Some(_) if rests => "quarantined",
                Some(_) => "ready",
            };
            Standing {
                id: *id,
                volunteer: member.relay,
                mailbox: member.mailbox,
                state,
                guard: self.is_guard(id),
                delivered: record.delivered,
                silent: record.silent,
            }
        };
        alive.map(standing).collect()
    }

    /// Nodes that agreed to keep letters for us.
    pub fn mailboxes(&self) -> Vec<NodeId> {
        self.memo.mailboxes.iter().map(|(id, _)| *id).collect()
    }

    /// For how many nodes letters are kept here, and about how many.
    pub fn kept(&self) -> (u64, u64) {
        let some = self.kept.values().filter(|count| **count > 0);
        (some.clone().count() as u64, some.sum())
    }

    /// Letters sent from here that are not over, by id.
    pub fn under_way(&self) -> BTreeMap<LetterId, OutLetter> {
        self.outbox.letters().map(|letter| (letter.id, letter.clone())).collect()
    }

    /// How many of them are in each state, in order.
    pub fn under_way_by_state(&self) -> [(State, u64); 3] {
        let mut counts = [State::Queued, State::Sent, State::Stored].map(|state| (state, 0));
        for letter in self.outbox.letters() {
            for (_, count) in counts.iter_mut().filter(|(state, _)| *state == letter.state) {
                *count += 1;
            }
        }
        counts
    }

    /// Packets that wait for a neighbour.
    pub fn packets_waiting(&self) -> usize {
        self.hops.room().0
    }

    /// How many they are.
    pub fn under_way_count(&self) -> usize {
        self.outbox.len()
    }

    /// One of them.
    pub fn letter(&self, id: &LetterId) -> Option<&OutLetter> {
        self.outbox.get(id).map(|entry| &entry.letter)
    }

    /// What is held in memory: what, how much of it, and how much there may be.
    pub fn rooms(&self) -> [(&'static str, usize, usize); 10] {
        let (packets, packets_max) = self.hops.room();
        let (partials, partials_max, pieces, pieces_max) = self.partials.room();
        [
            ("letters under way", self.outbox.len(), self.policy.outbox_max),
            ("jobs", self.jobs.len(), JOBS_MAX + WINDOW_MAX as usize + TOKENS_MAX),
            ("notes", self.notes.len(), NOTES_MAX + self.policy.outbox_max),
            ("letters the disk is to be told of", self.untold.len(), UNTOLD_MAX),
            ("packets waiting", packets, packets_max),
            ("partial letters", partials, partials_max),
            ("bytes of partial letters", pieces, pieces_max),
            ("letters coming from mailboxes", self.boxes.coming(), TOKENS_MAX),
            ("answers of mailboxes", self.replies.len(), REPLIES_MAX),
            (
                "bytes of texts that are out",
                self.outbox.out_bytes(),
                OUT_BYTES_MAX + BODY_BYTES_MAX,
            ),
        ]
    }

    /// Counters by name, in stable order.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut rows = self.counters.rows();
        rows.push((REPLAYS, self.replays.len() as u64));
        rows
    }
}

/// The names of all counters of a [`Courier`].
pub fn counted() -> Vec<&'static str> {
    let counters = Counters::default().rows().into_iter().map(|(name, _)| name);
    counters.chain([REPLAYS]).collect()
}
