//! Owners that are too slow lose their pieces: looked at with each tick.

use std::time::Duration;

use super::Exchange;
use super::link::{Asked, Link};
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, TransferId};
use crate::pieces::frame::Part;
use crate::pieces::rows::Phase;

/// A peer that sends nothing for this long loses what has not begun to come and others can give.
const SILENCE: Duration = Duration::from_secs(5);
/// A peer that sends nothing for this long loses all it was asked for. We hear of whole blocks only, and on a slow
/// line one takes many seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes a second at which a manifest comes at least, if others can give it.
const MANIFEST_RATE: u64 = 64 * 1024;
/// A piece that comes sooner than this is not worth asking for elsewhere.
const SOON_US: u64 = 250_000;
/// A piece of which some came is asked for elsewhere only when the rest takes longer than this.
const WORTH_US: u64 = 1_500_000;
/// How long a peer may keep a piece before it is compared with others: less, and pieces would wander from queue
/// to queue.
const FAIR: Duration = Duration::from_millis(1_500);
/// The same for one that has given nothing yet: it may serve others first.
const FAIR_UNKNOWN: Duration = Duration::from_millis(2_500);
/// When nothing has come for so long, nothing is on its way.
const QUIET: Duration = Duration::from_millis(1_200);
/// How much faster somebody must be to take a piece over: when it has nothing else to do, when it has.
const FASTER_IDLE: u64 = 3;
const FASTER_BUSY: u64 = 10;
/// So many are the last pieces: a second peer is asked for one that has begun to come, beside the first.
const END_GAME: u32 = 4;

/// A piece that is under way.
struct Owned {
    peer: NodeId,
    request: u64,
    transfer: TransferId,
    piece: u32,
    /// Microseconds until it is here, as far as one can tell.
    eta_us: u64,
    /// Some of it came, and would come twice.
    begun: bool,
}

impl Exchange {
    /// Takes back what does not come and has it asked for elsewhere.
    pub(super) fn watch_asks(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.drop_silent(now, out);
        let mut owned = self.owned(now);
        // What would come last is the first to go: nothing of it is on its way yet.
        owned.sort_by_key(|o| std::cmp::Reverse((o.eta_us, o.request)));
        for one in &owned {
            self.hurry(now, one, &owned, out);
        }
    }

    /// Takes back what will not come, or not in a time anybody would wait.
    fn drop_silent(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut late = Vec::new();
        for (peer, link) in &self.links {
            let quiet = now.since(link.heard_at);
            for (request, asked) in &link.asks {
                let lost = quiet >= PATIENCE || asked.is_passed_over(now, SILENCE);
                let slow = quiet >= SILENCE && asked.got == 0 || asked.is_slow_manifest(now, link);
                if lost || slow && self.others_could(now, peer, link, asked) {
                    late.push((*peer, *request));
                }
            }
        }
        for (peer, request) in late {
            self.take_back(peer, request, out);
            self.strike(now, &peer);
        }
    }

    /// A peer did not give what it was asked for.
    fn strike(&mut self, now: Time, peer: &NodeId) {
        if let Some(link) = self.links.get_mut(peer) {
            link.strike(now);
            self.struck.insert(*peer);
        }
    }

    /// Whether there is somebody else to ask for this now, no worse than its owner will be.
    fn others_could(&self, now: Time, owner: &NodeId, link: &Link, asked: &Asked) -> bool {
        let Some(fetch) = self.fetches.get(&asked.transfer) else { return false };
        fetch.sources.iter().filter(|(peer, _)| *peer != owner).any(|(peer, source)| {
            let Some(other) = self.links.get(peer) else { return false };
            let may = match asked.part {
                Part::Manifest => source.has_manifest() && !other.rests(now),
                Part::Piece(piece) => source.claim.holds(piece) && other.has_room(now, asked.bytes),
            };
            may && other.strikes <= link.strikes.saturating_add(1)
        })
    }

    /// All pieces under way that are late enough to matter.
    fn owned(&self, now: Time) -> Vec<Owned> {
        let mut owned = Vec::new();
        for (peer, link) in &self.links {
            let quiet = now.since(link.heard_at).as_micros();
            let mut before = 0u128;
            // As fast as what comes now, once that has a pace, comes what waits behind it.
            let mut behind = link.meter.rate;
            for (request, asked) in &link.asks {
                before += u128::from(asked.bytes - asked.got);
                // Its own pace, once it has one, tells more than the past of the link.
                let own = asked.pace(now).map(|pace| pace.max(1));
                let pace = match asked.began {
                    None => behind,
                    Some(_) => own.unwrap_or(u64::MAX),
                };
                if let (Some(own), 0) = (own, behind) {
                    behind = own;
                }
                let Part::Piece(piece) = asked.part else { continue };
                let rate = u128::from(pace);
                let by_rate = (before * 1_000_000).checked_div(rate).unwrap_or(0);
                let front = u128::from(asked.bytes) * 1_000_000;
                let due = front.checked_div(rate).unwrap_or(0) + u128::from(link.rtt_us);
                // Overdue by so much: it may well take as long again.
                let late = quiet.saturating_sub(due);
                let eta = u64::try_from(by_rate.max(late)).unwrap_or(u64::MAX);
                let fair = if link.meter.rate == 0 { FAIR_UNKNOWN } else { FAIR };
                if eta >= SOON_US && now.since(asked.at) >= fair {
                    let transfer = asked.transfer;
                    // What is first in its row may well be on its way though nothing was told of it.
                    let first = link.is_first(*request);
                    let begun = asked.got > 0 || first && quiet < QUIET.as_micros();
                    owned.push(Owned {
                        peer: *peer,
                        request: *request,
                        transfer,
                        piece,
                        eta_us: eta,
                        begun,
                    });
                }
            }
        }
        owned
    }

    /// Asks somebody faster for a piece, if there is one: instead, or beside at the very end.
    fn hurry(&mut self, now: Time, one: &Owned, all: &[Owned], out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get(&one.transfer) else { return };
        let Some(known) = fetch.known.as_ref().filter(|_| fetch.phase == Phase::Fetching) else {
            return;
        };
        let owners = known.owners.get(&one.piece).map_or(&[][..], Vec::as_slice);
        let still = owners.contains(&(one.peer, one.request));
        if !still || one.begun && one.eta_us < WORTH_US {
            return;
        }
        // Of two the worse is replaced, and only by one who is faster than the better.
        let mut to_beat = one.eta_us;
        if owners.len() > 1 {
            let same = |o: &&Owned| o.transfer == one.transfer && o.piece == one.piece;
            let Some(other) = all.iter().filter(same).find(|o| o.request != one.request) else {
                return;
            };
            if (other.eta_us, other.request) > (one.eta_us, one.request) {
                return;
            }
            to_beat = other.eta_us;
        }
        let bytes = known.piece_bytes;
        let links = fetch.sources.keys().filter_map(|p| self.links.get(p));
        let best = links.filter(|l| l.strikes == 0).map(|l| l.meter.rate).max().unwrap_or(0);
        // Through our own way in it comes no sooner than all that is under way.
        let queued = u128::from(self.flying() + u64::from(bytes)) * 1_000_000;
        let queued = queued.checked_div(u128::from(self.meter.rate)).unwrap_or(0);
        let queued = u64::try_from(queued).unwrap_or(u64::MAX);
        let faster = fetch.sources.iter().filter_map(|(peer, source)| {
            let link = self.links.get(peer)?;
            let may = owners.iter().all(|(owner, _)| owner != peer);
            if !may || !source.claim.holds(one.piece) || !link.has_room(now, bytes) {
                return None;
            }
            // One that was never asked is believed to be as fast as the best; of nobody's rate nothing follows.
            let guess = || u64::from(bytes).saturating_mul(1_000_000).checked_div(best);
            let eta = link.eta_us(bytes).or_else(guess)?.max(queued);
            // Promises cost nothing: who has failed before comes last.
            Some((link.strikes, eta, *peer, link.asks.is_empty()))
        });
        let Some((_, eta, peer, idle)) = faster.min() else { return };
        let factor = if idle && !one.begun { FASTER_IDLE } else { FASTER_BUSY };
        let end = known.picker.free() == 0 && known.wanting() <= END_GAME;
        let room = self.buffered.saturating_add(u64::from(bytes)) <= self.policy.buffer_bytes_max;
        if owners.len() == 1 && end && idle && room && one.begun {
            // What has come of it is not thrown away: the first of the two wins.
            if one.eta_us >= eta.saturating_mul(FASTER_IDLE) {
                self.ask_piece(now, one.transfer, peer, one.piece, out);
            }
        } else if to_beat >= eta.saturating_mul(factor) {
            let first = self.links.get(&one.peer).is_some_and(|l| l.is_first(one.request));
            self.take_back(one.peer, one.request, out);
            if first {
                // What waits behind something else is lost without fault.
                self.strike(now, &one.peer);
            }
            self.ask_piece(now, one.transfer, peer, one.piece, out);
        }
    }
}

impl Asked {
    /// A manifest of which some came, and too little for the time. Who has failed before is given more of it, so
    /// that a manifest which is large for all lines there are comes at last.
    fn is_slow_manifest(&self, now: Time, link: &Link) -> bool {
        let Some(began) = self.began.filter(|_| self.part == Part::Manifest) else { return false };
        let fair = SILENCE + Duration::from_secs(u64::from(self.got) / MANIFEST_RATE);
        now.since(began) >= fair * (1 << link.strikes.min(6))
    }
}
