//! Which piece is asked of whom, and when it is asked of somebody else instead.

use std::time::Duration;

use super::Exchange;
use super::fetch::{Claim, Fetch, Step};
use super::link::{Asked, REST};
use super::stored::Landed;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, TransferId};
use crate::pieces::frame::{Nope, Part, PieceFrame};
use crate::pieces::rows::Phase;

/// The first pieces are any, so that there is soon something to give that others do not have.
const FIRST_AT_RANDOM: u32 = 4;
/// A busy peer is asked again after this long, and up to twice that.
const BUSY: Duration = Duration::from_secs(1);

/// Pieces that may be under way however slowly they come, and until it is known how fast.
const FLYING_MIN: (u64, u64) = (4, 8);
/// More than comes in so many seconds is not asked for.
const FLYING_SECONDS: u64 = 2;
/// With fewer sources than this the loss of one has others sought so soon.
const FEW: usize = 4;
const SOON: Duration = Duration::from_secs(1);

impl Exchange {
    /// Whether so many more bytes may be under way; one ask always may.
    fn has_buffer(&self, bytes: u32) -> bool {
        self.buffered == 0
            || self.buffered.saturating_add(u64::from(bytes)) <= self.policy.buffer_bytes_max
    }

    /// Bytes asked for that have not come whole. What was asked of those who do not give is not on its way.
    pub(super) fn flying(&self) -> u64 {
        let landed = self.to_store.iter().chain(self.storing.values());
        let landed: u64 = landed.map(|landed| u64::from(landed.bytes)).sum();
        let struck = self.struck.iter().filter_map(|peer| self.links.get(peer));
        let stuck: u64 =
            struck.flat_map(|link| link.asks.values()).map(|asked| u64::from(asked.bytes)).sum();
        self.buffered.saturating_sub(landed).saturating_sub(stuck)
    }

    /// Whether so many more bytes would come soon, as far as our own way in goes. Asking more than that of many
    /// would make each of them look slow.
    fn comes_soon(&self, bytes: u32) -> bool {
        let (least, unknown) = FLYING_MIN;
        let most = match self.meter.rate {
            0 => unknown * u64::from(bytes),
            rate => rate.saturating_mul(FLYING_SECONDS).max(least * u64::from(bytes)),
        };
        self.flying().saturating_add(u64::from(bytes)) <= most
    }

    /// Asks for all that may be asked for: each download and each peer in turn, one piece a turn.
    pub(super) fn fill(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut transfers: Vec<TransferId> =
            self.fetches.iter().filter(|(_, f)| f.may_ask()).map(|(t, _)| *t).collect();
        if transfers.is_empty() {
            return;
        }
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % transfers.len();
        transfers.rotate_left(first);
        loop {
            let before = self.next_request;
            for transfer in &transfers {
                self.fill_one(now, *transfer, out);
            }
            if self.next_request == before {
                return;
            }
        }
    }

    /// Asks each peer that may be asked for one piece (or one of them for the manifest).
    fn fill_one(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get(&transfer) else { return };
        let Some(known) = &fetch.known else {
            self.ask_manifest(now, transfer, out);
            return;
        };
        let piece_bytes = known.piece_bytes;
        // Most turns end here; what follows looks at all sources.
        if known.picker.free() == 0 || !self.may_ask_more(now, transfer, piece_bytes) {
            return;
        }
        let Some(fetch) = self.fetches.get(&transfer) else { return };
        let links = &self.links;
        let may = |peer: &NodeId| links.get(peer).is_some_and(|l| l.has_room(now, piece_bytes));
        let mut peers: Vec<NodeId> = (fetch.sources.iter())
            .filter(|(peer, source)| !source.idle && may(peer))
            .map(|(peer, _)| *peer)
            .collect();
        if peers.is_empty() {
            return;
        }
        let first = self.turn % peers.len();
        peers.rotate_left(first);
        for peer in peers {
            if !self.may_ask_more(now, transfer, piece_bytes) {
                return;
            }
            let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
            let Some((known, source)) = fetch.known.as_mut().zip(fetch.sources.get_mut(&peer))
            else {
                return;
            };
            let rarest = known.have.count() >= FIRST_AT_RANDOM;
            let piece = match &source.claim {
                Claim::All => known.picker.pick(None, rarest, &mut self.dice),
                Claim::Some(set) => known.picker.pick(Some(set), rarest, &mut self.dice),
                Claim::Nothing | Claim::Raw(_) => None,
            };
            match piece {
                None => source.idle = true,
                Some(piece) => {
                    let trial = fetch.phase == Phase::Full;
                    self.ask_piece(now, transfer, peer, piece, out);
                    if trial {
                        return;
                    }
                }
            }
        }
    }

    /// Whether buffers, limits and the disk let one more piece be asked for; notes what did not.
    fn may_ask_more(&mut self, now: Time, transfer: TransferId, bytes: u32) -> bool {
        let ready = self.download.ready(now);
        let room = self.has_buffer(bytes);
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return false };
        if !ready {
            fetch.limited_at = Some(now);
        } else if !room {
            fetch.crowded_at = Some(now);
        }
        ready && room && fetch.may_ask() && self.comes_soon(bytes)
    }

    /// When the limit lets the next piece be asked for.
    pub(super) fn fill_wake(&self) -> Option<Time> {
        let limited = !self.download.ready(self.now);
        let wanting = self.fetches.values().any(|fetch| {
            let free = fetch.known.as_ref().is_some_and(|known| known.picker.any_held());
            free && fetch.limited_at == Some(self.now)
        });
        (limited && wanting).then(|| self.download.next_at())
    }

    fn ask_manifest(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get(&transfer) else { return };
        if fetch.step != Step::Wanted {
            return;
        }
        let links = &self.links;
        let may = fetch.sources.iter().filter_map(|(peer, source)| {
            let link = links.get(peer).filter(|link| !link.rests(now) && source.has_manifest())?;
            Some((link.strikes, *peer, source.manifest_bytes))
        });
        let mut peers: Vec<(u8, NodeId, u32)> = may.collect();
        self.dice.shuffle(&mut peers);
        let best = peers.iter().min_by_key(|(strikes, ..)| *strikes).copied();
        let Some((_, peer, bytes)) = best else { return };
        if self.may_ask_more(now, transfer, bytes) {
            self.ask(now, transfer, peer, Part::Manifest, bytes, out);
            if let Some(fetch) = self.fetches.get_mut(&transfer) {
                fetch.step = Step::Asked(peer);
            }
        }
    }

    pub(super) fn ask_piece(
        &mut self,
        now: Time,
        transfer: TransferId,
        peer: NodeId,
        piece: u32,
        out: &mut Vec<Effect>,
    ) {
        let request = self.next_request;
        let known = self.fetches.get_mut(&transfer).and_then(|f| f.known.as_mut());
        let Some(known) = known else { return };
        let bytes = known.piece_len(piece);
        known.picker.take(piece);
        known.owners.entry(piece).or_default().push((peer, request));
        self.ask(now, transfer, peer, Part::Piece(piece), bytes, out);
    }

    fn ask(
        &mut self,
        now: Time,
        transfer: TransferId,
        peer: NodeId,
        part: Part,
        bytes: u32,
        out: &mut Vec<Effect>,
    ) {
        let request = self.next_request;
        self.next_request += 1;
        let Some((fetch, link)) = self.fetches.get_mut(&transfer).zip(self.links.get_mut(&peer))
        else {
            return;
        };
        fetch.trial = false;
        if link.asks.is_empty() {
            link.meter.begin(now);
            link.heard_at = now;
        }
        if self.buffered == 0 {
            self.meter.begin(now);
        }
        let (got, began, passed_at) = (0, None, None);
        let asked = Asked { transfer, part, bytes, at: now, got, began, passed_at };
        link.asks.insert(request, asked);
        self.buffered += u64::from(bytes);
        self.buffered_peak = self.buffered_peak.max(self.buffered);
        self.download.take(now, u64::from(bytes));
        out.push(Effect::Ask { peer, request, file: fetch.file, part, bytes });
    }

    /// All of a request came.
    pub(super) fn received(
        &mut self,
        now: Time,
        peer: NodeId,
        request: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let Some(asked) = link.asks.remove(&request) else { return };
        link.heard_at = now;
        link.pass_over(now, request);
        link.pardon();
        self.struck.remove(&peer);
        link.meter.add(now, u64::from(asked.bytes));
        self.meter.add(now, u64::from(asked.bytes));
        self.counts.bytes_received += u64::from(asked.bytes);
        self.stirred = true;
        let transfer = asked.transfer;
        let Some(fetch) = self.fetches.get_mut(&transfer) else {
            self.buffered -= u64::from(asked.bytes);
            out.push(Effect::Drop { peer, request });
            return;
        };
        fetch.came(now, peer, u64::from(asked.bytes));
        match asked.part {
            Part::Manifest => {
                // Its buffer is given back at once; only the file's bytes wait for the disk.
                self.buffered -= u64::from(asked.bytes);
                fetch.step = Step::Checking(peer);
                out.push(Effect::Prepare { transfer, peer, request });
            }
            Part::Piece(piece) => {
                let Some(known) = &mut fetch.known else { return };
                let others = known.owners.remove(&piece).unwrap_or_default();
                known.landed.insert(piece);
                // Who was asked for it, too, has lost.
                for (other, lost) in others.into_iter().filter(|(_, r)| *r != request) {
                    self.take_back(other, lost, out);
                }
                let bytes = asked.bytes;
                self.to_store.push_back(Landed { transfer, piece, peer, request, bytes });
                self.store_next(out);
            }
        }
    }

    /// Some of a request came.
    pub(super) fn progressed(&mut self, now: Time, peer: NodeId, request: u64, bytes: u32) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if let Some(asked) = link.asks.get_mut(&request) {
            if bytes > asked.got {
                asked.got = bytes.min(asked.bytes);
                asked.began.get_or_insert(now);
                link.heard_at = now;
                link.pass_over(now, request);
            }
            self.stirred = true;
        }
    }

    /// A peer will give nothing (more) of a request.
    pub(super) fn noped(&mut self, now: Time, peer: NodeId, request: u64, why: Nope) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let Some(asked) = link.asks.remove(&request) else { return };
        self.buffered -= u64::from(asked.bytes);
        // Who holds everything lacks nothing: its word is worth nothing until it is given again. Or its disk
        // fails, and what it lacks has to be counted from now on. Either is work for us, so not at once again.
        let claims_all =
            self.fetches.get(&asked.transfer).is_some_and(|fetch| fetch.claims_all(&peer));
        let lacks = claims_all && matches!(asked.part, Part::Piece(_));
        if lacks || matches!(why, Nope::Busy | Nope::Cancelled) {
            link.rest_until = link.rest_until.max(now + self.dice.between(BUSY, 2 * BUSY));
        }
        match (asked.part, why) {
            (_, Nope::Busy | Nope::Cancelled) => {}
            (_, Nope::Changed) => {
                self.source_gone(asked.transfer, &peer);
                if let Some(fetch) = self.fetches.get_mut(&asked.transfer) {
                    let who = peer.short();
                    fetch.problem = format!(
                        "{who} has changed the file since it was shared, and gives nothing of it any more"
                    );
                }
            }
            (Part::Manifest, _) => self.source_gone(asked.transfer, &peer),
            (Part::Piece(_), Nope::Absent | Nope::OutOfRange) if lacks => {
                self.source_gone(asked.transfer, &peer);
            }
            (Part::Piece(piece), _) => {
                if let Some(fetch) = self.fetches.get_mut(&asked.transfer) {
                    fetch.holds_less(&peer, piece);
                }
            }
        }
        self.unanswered(peer, request, &asked);
    }

    /// A request ended without what was asked for.
    pub(super) fn unanswered(&mut self, peer: NodeId, request: u64, asked: &Asked) {
        self.counts.bytes_received += u64::from(asked.got);
        let Some(fetch) = self.fetches.get_mut(&asked.transfer) else { return };
        fetch.received = fetch.received.saturating_add(u64::from(asked.got));
        if let Some(tally) = fetch.tally(peer) {
            tally.bytes = tally.bytes.saturating_add(u64::from(asked.got));
        }
        match asked.part {
            Part::Manifest if fetch.step == Step::Asked(peer) => fetch.step = Step::Wanted,
            Part::Manifest => {}
            Part::Piece(piece) => fetch.release(piece, request),
        }
    }

    /// We do not need the answer to a request any more.
    pub(super) fn take_back(&mut self, peer: NodeId, request: u64, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let Some(asked) = link.asks.remove(&request) else { return };
        self.buffered -= u64::from(asked.bytes);
        out.push(Effect::Send { peer, frame: PieceFrame::Cancel { request } });
        out.push(Effect::Drop { peer, request });
        self.unanswered(peer, request, &asked);
    }

    /// A peer is no source of a download any more.
    pub(super) fn source_gone(&mut self, transfer: TransferId, peer: &NodeId) {
        if let Some(fetch) = self.fetches.get_mut(&transfer) {
            let was = fetch.forget_source(peer);
            fetch.others.remove(peer);
            let soon = self.now + SOON;
            if was && fetch.sources.len() < FEW {
                fetch.seek_at = fetch.seek_at.map(|at| at.min(soon));
            }
        }
    }
}

impl Fetch {
    /// Whether its phase lets it ask for anything.
    fn may_ask(&self) -> bool {
        match self.phase {
            Phase::Seeking | Phase::Fetching => true,
            Phase::Full => self.trial && !self.moves(),
            _ => false,
        }
    }

    fn came(&mut self, now: Time, peer: NodeId, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
        if now.since(self.heard_at) > REST {
            self.meter.begin(now);
        }
        self.heard_at = now;
        self.meter.add(now, bytes);
        if let Some(tally) = self.tally(peer) {
            tally.bytes = tally.bytes.saturating_add(bytes);
        }
    }
}
