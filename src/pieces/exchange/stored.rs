//! Pieces on their way to the disk, and what became of them.

use std::time::Duration;

use super::Exchange;
use super::fetch::{Fetch, Step};
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, Stored, TransferId};
use crate::pieces::rows::Phase;

/// Pieces with the disk at once.
const STORES_MAX: usize = 8;
/// Pieces after which what was stored is made safe, and the time after which it is at the latest.
const COMMIT_PIECES: u32 = 64;
const COMMIT: Duration = Duration::from_secs(2);
/// Failures of the disk in a row that end a download.
const FAILURES_MAX: u32 = 3;
/// How often it is tried whether there is room again.
pub(super) const RETRY: Duration = Duration::from_secs(3);

/// A piece that came and is not stored yet.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) transfer: TransferId,
    pub(super) piece: u32,
    pub(super) peer: NodeId,
    pub(super) request: u64,
    pub(super) bytes: u32,
}

impl Exchange {
    /// Whether the bytes of a request that is whole wait for their turn with the disk: they must be kept.
    pub fn keeps(&self, peer: &NodeId, request: u64) -> bool {
        self.to_store.iter().any(|landed| landed.peer == *peer && landed.request == request)
    }

    /// Hands to the disk what it may have at once.
    pub(super) fn store_next(&mut self, out: &mut Vec<Effect>) {
        while self.storing.len() < STORES_MAX {
            let Some(next) = self.to_store.pop_front() else { return };
            let Landed { transfer, piece, peer, request, .. } = next;
            self.storing.insert((transfer, piece), next);
            out.push(Effect::Store { transfer, piece, peer, request });
        }
    }

    /// The disk is done with a piece.
    pub(super) fn stored(
        &mut self,
        now: Time,
        transfer: TransferId,
        piece: u32,
        outcome: Stored,
        out: &mut Vec<Effect>,
    ) {
        let Some(landed) = self.storing.remove(&(transfer, piece)) else { return };
        self.buffered -= u64::from(landed.bytes);
        self.stirred = true;
        if let Some(fetch) = self.fetches.get_mut(&transfer) {
            if let Some(known) = &mut fetch.known {
                known.landed.remove(&piece);
            }
            match outcome {
                Stored::Good => self.good(now, &landed, out),
                Stored::Mismatch => self.mismatch(&landed, out),
                Stored::Failed { why, full } => {
                    self.counts.pieces_not_stored += 1;
                    fetch.free(piece);
                    fetch.failures += 1;
                    if full {
                        self.full(now, transfer, why, out);
                    } else if fetch.failures >= FAILURES_MAX {
                        self.fail(now, transfer, why, out);
                    }
                }
            }
        }
        self.store_next(out);
    }

    fn good(&mut self, now: Time, landed: &Landed, out: &mut Vec<Effect>) {
        self.counts.pieces_verified += 1;
        let Some(fetch) = self.fetches.get_mut(&landed.transfer) else { return };
        if let Some(tally) = fetch.tally(landed.peer) {
            tally.pieces += 1;
        }
        let Some(known) = &mut fetch.known else { return };
        known.have.insert(landed.piece);
        fetch.failures = 0;
        if fetch.phase == Phase::Fetching {
            fetch.problem.clear();
        }
        fetch.uncommitted += 1;
        fetch.commit_at.get_or_insert(now + COMMIT);
        // A piece that was under way does not tell that the rest is safe, or that there is room for more.
        if fetch.phase == Phase::Full && fetch.step != Step::Again {
            fetch.phase = Phase::Fetching;
            fetch.problem.clear();
            fetch.retry_at = None;
            fetch.trial = false;
            out.push(Effect::Changed);
        }
        let file = fetch.file;
        self.now_held(now, file, landed.piece);
        self.commit_or_finish(now, landed.transfer, out);
    }

    /// Makes safe what was stored, if it is time; the last piece brings the end.
    pub(super) fn commit_or_finish(
        &mut self,
        now: Time,
        transfer: TransferId,
        out: &mut Vec<Effect>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        let whole = fetch.known.as_ref().is_some_and(|known| known.have.is_full());
        // After a failed sync the disk says first what is left.
        let again = fetch.step == Step::Again;
        if again || fetch.committing || !matches!(fetch.phase, Phase::Fetching | Phase::Full) {
            return;
        }
        if whole {
            // Finishing syncs by itself; a commit that still runs is waited for above.
            fetch.phase = Phase::Finishing;
            fetch.commit_at = None;
            fetch.seek_at = None;
            out.push(Effect::Finish { transfer });
            out.push(Effect::Changed);
            return;
        }
        let late = fetch.commit_at.is_some_and(|at| at <= now);
        if fetch.uncommitted >= COMMIT_PIECES || late && fetch.uncommitted > 0 {
            fetch.commit(transfer, out);
        }
    }

    /// What was stored is safe.
    pub(super) fn committed(&mut self, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        fetch.committing = false;
        let now = self.now;
        if fetch.uncommitted > 0 {
            fetch.commit_at.get_or_insert(now + COMMIT);
        }
        self.commit_or_finish(now, transfer, out);
    }

    /// A peer gave a wrong piece.
    fn mismatch(&mut self, landed: &Landed, out: &mut Vec<Effect>) {
        if let Some(fetch) = self.fetches.get_mut(&landed.transfer) {
            let what = format!("piece {} of file {}", landed.piece, fetch.file.short());
            fetch.free(landed.piece);
            self.blame(landed.transfer, landed.peer, &what, out);
        }
    }

    /// Notes a lie and says so; who lies again is asked no more for this file.
    pub(super) fn blame(
        &mut self,
        transfer: TransferId,
        peer: NodeId,
        what: &str,
        out: &mut Vec<Effect>,
    ) {
        self.counts.pieces_wrong += 1;
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        if let Some(tally) = fetch.tally(peer) {
            tally.lies += 1;
        }
        let refused = fetch.refuses(&peer);
        let end = if refused { "; it is asked for this file no more" } else { "" };
        out.push(Effect::Notice(format!("{peer} gave wrong bytes for {what}{end}")));
        if refused {
            self.let_go(transfer, Some(peer), out);
            self.source_gone(transfer, &peer);
        }
        out.push(Effect::Changed);
    }

    /// There is no room on the disk: nothing more is asked, what is under way is let go.
    pub(super) fn full(
        &mut self,
        now: Time,
        transfer: TransferId,
        why: String,
        out: &mut Vec<Effect>,
    ) {
        self.let_go(transfer, None, out);
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        fetch.phase = Phase::Full;
        fetch.problem = why;
        fetch.trial = false;
        fetch.retry_at = Some(now + RETRY);
        self.start_waiting(now, out);
        out.push(Effect::Changed);
    }

    /// Takes back everything a download has under way (with one peer), but what the disk already has.
    pub(super) fn let_go(
        &mut self,
        transfer: TransferId,
        only: Option<NodeId>,
        out: &mut Vec<Effect>,
    ) {
        let mine = |peer: NodeId| only.is_none_or(|p| p == peer);
        let asks: Vec<(NodeId, u64)> = (self.links.iter().filter(|(peer, _)| mine(**peer)))
            .flat_map(|(peer, link)| {
                let asks = link.asks.iter().filter(|(_, asked)| asked.transfer == transfer);
                asks.map(|(request, _)| (*peer, *request))
            })
            .collect();
        for (peer, request) in asks {
            self.take_back(peer, request, out);
        }
        let waiting = std::mem::take(&mut self.to_store);
        for landed in waiting {
            if landed.transfer != transfer || !mine(landed.peer) {
                self.to_store.push_back(landed);
                continue;
            }
            self.buffered -= u64::from(landed.bytes);
            out.push(Effect::Drop { peer: landed.peer, request: landed.request });
            if let Some(fetch) = self.fetches.get_mut(&transfer) {
                if let Some(known) = &mut fetch.known {
                    known.landed.remove(&landed.piece);
                }
                fetch.free(landed.piece);
            }
        }
    }
}

impl Fetch {
    /// Asks for a commit.
    pub(super) fn commit(&mut self, transfer: TransferId, out: &mut Vec<Effect>) {
        self.uncommitted = 0;
        self.commit_at = None;
        self.committing = true;
        out.push(Effect::Commit { transfer });
    }
}
