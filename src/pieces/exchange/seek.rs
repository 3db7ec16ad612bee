//! Who may hold a file: rounds of asking while it is wanted.

use std::net::SocketAddr;
use std::time::Duration;

use super::Exchange;
use super::fetch::{Claim, Fetch, SOURCES_MAX};
use super::index::Incoming;
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;
use crate::pieces::event::{Effect, TransferId};
use crate::pieces::frame::PieceFrame;
use crate::pieces::holding::Signed;
use crate::pieces::rows::Phase;

/// Linked peers asked though nobody named them.
const OTHERS_MAX: usize = 64;
/// Links asked for in one round.
const NEEDS_MAX: usize = 8;
/// With so many sources no links to more are made.
const ENOUGH: usize = 8;
/// Time between rounds: at first, when they have brought nothing, when there is somebody to ask.
const EAGER: Duration = Duration::from_secs(2);
const PATIENT: Duration = Duration::from_secs(5);
const CALM: Duration = Duration::from_secs(30);
/// Rounds that are eager.
const EAGER_ROUNDS: u32 = 5;
/// Holders one keeper of the index may name: one that makes them up leaves room for the others'.
const NAMED_MAX: usize = 64;
/// Links to a holder asked for in vain before it is forgotten. The index may name it again.
const VAIN_MAX: u32 = 4;

/// A node that is said to hold a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    /// Who said so.
    keeper: NodeId,
    /// Links to it that were asked for and are not there.
    vain: u32,
}

impl Exchange {
    /// One round: asks linked peers what they hold, the index who holds it, and for links to those who should.
    pub(super) fn seek(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(file) = self.fetches.get(&transfer).map(|f| f.file) else { return };
        if !self.wants(&file) {
            return;
        }
        let index: Vec<NodeId> = self.places.of(&file).into_iter().map(|(_, id)| id).collect();
        let known: Vec<NodeId> = self.index.holders(&file);
        let mut others: Vec<NodeId> = self.links.keys().copied().collect();
        self.dice.shuffle(&mut others);
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        fetch.index = index;
        let me = self.home.me;
        fetch.index.retain(|id| *id != me);
        for holder in known.into_iter().filter(|id| *id != me) {
            fetch.note_holder(holder, me);
        }
        for (peer, holder) in &mut fetch.holders {
            if self.links.contains_key(peer) {
                holder.vain = 0;
            }
        }
        fetch.holders.retain(|_, holder| holder.vain < VAIN_MAX);
        if fetch.starves() {
            // Those who were asked last time have had their say: it is the turn of those who were not.
            let before = std::mem::take(&mut fetch.others);
            others.sort_by_key(|peer| before.contains(peer));
            let sources = before.into_iter().filter(|peer| fetch.sources.contains_key(peer));
            fetch.others = sources.collect();
        }
        for peer in others {
            if fetch.others.len() < OTHERS_MAX && !fetch.is_named(&peer) {
                fetch.others.insert(peer);
            }
        }
        let ask: Vec<NodeId> = (fetch.named().chain(fetch.others.iter().copied()))
            .filter(|peer| self.links.contains_key(peer) && fetch.may_hold_more(peer))
            .collect();
        fetch.seeks = fetch.seeks.saturating_add(1);
        let wait = match fetch.starves() {
            true if fetch.seeks <= EAGER_ROUNDS => EAGER,
            true => PATIENT,
            false => CALM,
        };
        fetch.seek_at = Some(now + wait);
        let mut needs: Vec<(NodeId, Vec<SocketAddr>)> = Vec::new();
        if fetch.sources.len() < ENOUGH {
            let missing = fetch.needed().filter(|(peer, _)| !self.links.contains_key(peer));
            needs.extend(missing.take(NEEDS_MAX));
            for (peer, _) in &needs {
                if let Some(holder) = fetch.holders.get_mut(peer) {
                    holder.vain += 1;
                }
            }
        }
        let index: Vec<NodeId> =
            fetch.index.iter().filter(|id| self.links.contains_key(id)).copied().collect();
        for peer in ask {
            self.tell(now, peer, &file, out);
        }
        for peer in index {
            out.push(Effect::Send { peer, frame: PieceFrame::Seek { file } });
        }
        for (peer, addrs) in needs {
            out.push(Effect::NeedLink { peer, addrs });
        }
    }

    /// A link is up: the peer may hold what is wanted.
    pub(super) fn greet(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let mut wanted = Vec::new();
        for fetch in self.fetches.values_mut() {
            if matches!(fetch.phase, Phase::Waiting | Phase::Finishing) {
                continue;
            }
            let named = fetch.is_named(&peer);
            if named || fetch.others.len() < OTHERS_MAX {
                if !named {
                    fetch.others.insert(peer);
                }
                wanted.push((fetch.file, fetch.index.contains(&peer)));
            }
        }
        for (file, index) in wanted {
            self.tell(now, peer, &file, out);
            if index {
                out.push(Effect::Send { peer, frame: PieceFrame::Seek { file } });
            }
        }
    }

    /// A keeper of the index says who holds a file: to be checked, if it was asked.
    pub(super) fn told_of(&mut self, now: Time, peer: NodeId, file: FileId, holdings: Vec<Signed>) {
        let Some(fetch) = self.by_file.get(&file).and_then(|t| self.fetches.get(t)) else { return };
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !fetch.index.contains(&peer) {
            return;
        }
        for signed in holdings.into_iter().filter(|signed| signed.file == file) {
            let holder = NodeId::of_key(&signed.key);
            // Keys cost nothing, and checking a signature does: strangers are no holders anyway.
            let news = holder != self.home.me
                && self.places.is_member(&holder)
                && !fetch.holders.contains_key(&holder)
                && !fetch.sources.contains_key(&holder);
            if news && self.index.has_room() && link.signatures.take(now, 1) {
                self.index.incoming.push_back(Incoming::Told(peer, signed));
            }
        }
    }

    /// The index was right to say that this node holds a file.
    pub(super) fn holder_found(
        &mut self,
        now: Time,
        file: FileId,
        (holder, keeper): (NodeId, NodeId),
        out: &mut Vec<Effect>,
    ) {
        let Some(fetch) = self.by_file.get(&file).and_then(|t| self.fetches.get_mut(t)) else {
            return;
        };
        // Keys cost nothing: a keeper must not fill the list with holders nobody has ever seen.
        if !self.places.is_member(&holder) || !fetch.note_holder(holder, keeper) {
            return;
        }
        if self.links.contains_key(&holder) {
            self.tell(now, holder, &file, out);
        } else {
            // The next round asks for a link to it.
            fetch.seek_at = fetch.seek_at.map(|at| at.min(now + Duration::from_millis(50)));
        }
    }

    /// Who has lost its last holder does not wait for the end of a calm while.
    pub(super) fn watch_hunger(&mut self, now: Time) {
        for fetch in self.fetches.values_mut().filter(|fetch| fetch.starves()) {
            fetch.seek_at = fetch.seek_at.map(|at| at.min(now + PATIENT));
        }
    }

    /// What each download does by the clock.
    pub(super) fn watch_fetches(&mut self, now: Time, out: &mut Vec<Effect>) {
        let due: Vec<TransferId> = (self.fetches.iter())
            .filter(|(_, f)| f.next_wake().is_some_and(|at| at <= now))
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in due {
            self.commit_or_finish(now, transfer, out);
            self.retry(now, transfer, out);
            let Some(fetch) = self.fetches.get_mut(&transfer) else { continue };
            // A commit that runs brings the next with its end.
            fetch.commit_at = fetch.commit_at.filter(|at| *at > now);
            if fetch.seek_at.is_some_and(|at| at <= now) {
                fetch.seek_at = None;
                self.seek(now, transfer, out);
                self.give_up_turn(now, transfer, out);
            }
        }
    }
}

impl Fetch {
    /// Those who are said to hold it, and who keep its index.
    fn named(&self) -> impl Iterator<Item = NodeId> + '_ {
        let hints = self.hints.iter().map(|(peer, _)| *peer);
        let index = self.index.iter().filter(|id| !self.holders.contains_key(id)).copied();
        let named = hints.filter(|id| !self.holders.contains_key(id)).chain(index);
        named.chain(self.holders.keys().copied())
    }

    fn is_named(&self, peer: &NodeId) -> bool {
        let hinted = self.hints.iter().any(|(id, _)| id == peer);
        hinted || self.holders.contains_key(peer) || self.index.contains(peer)
    }

    /// Links that would help, and where to: those of the ticket first, the others in turn.
    fn needed(&self) -> impl Iterator<Item = (NodeId, Vec<SocketAddr>)> + '_ {
        let hints = self.hints.iter().map(|(peer, addr)| (*peer, vec![*addr]));
        let others = self.holders.keys().chain(&self.index);
        let others = others.filter(|id| self.hints.iter().all(|(hint, _)| hint != *id));
        let count = self.holders.len() + self.index.len();
        let turn = usize::try_from(self.seeks).unwrap_or(0) * NEEDS_MAX / 2 % count.max(1);
        let others = others.cycle().skip(turn).take(count);
        hints.chain(others.map(|peer| (*peer, Vec::new())))
    }

    /// Whether it is worth asking a peer what it holds.
    fn may_hold_more(&self, peer: &NodeId) -> bool {
        !self.refuses(peer) && self.sources.get(peer).is_none_or(|s| s.claim != Claim::All)
    }

    /// Notes a holder that this keeper named; false if it is known, or there is no room.
    fn note_holder(&mut self, holder: NodeId, keeper: NodeId) -> bool {
        let named = self.holders.values().filter(|other| other.keeper == keeper).count();
        let room = self.holders.len() < SOURCES_MAX && named < NAMED_MAX;
        let new = room && !self.holders.contains_key(&holder);
        if new {
            self.holders.insert(holder, Holder { keeper, vain: 0 });
        }
        new
    }

    /// Nobody who is linked holds anything that is missing.
    pub(super) fn starves(&self) -> bool {
        match &self.known {
            None => self.sources.values().all(|source| source.manifest_bytes == 0),
            Some(known) => {
                known.owners.is_empty()
                    && known.landed.is_empty()
                    && (self.sources.is_empty() || !known.picker.any_held())
            }
        }
    }
}
