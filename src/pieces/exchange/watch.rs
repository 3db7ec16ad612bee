//! Owners that are too slow lose their pieces: looked at with each tick.

use std::time::Duration;

use super::Exchange;
use super::swarm::REST;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, TransferId};
use crate::pieces::frame::Part;
use crate::pieces::rows::Phase;

/// A peer that sends nothing for this long loses all it was asked for.
const SILENCE: Duration = Duration::from_secs(5);
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
        for one in owned {
            self.hurry(now, &one, out);
        }
    }

    fn drop_silent(&mut self, now: Time, out: &mut Vec<Effect>) {
        let silent =
            |link: &super::link::Link| !link.asks.is_empty() && now.since(link.heard_at) >= SILENCE;
        let silent: Vec<NodeId> =
            self.links.iter().filter(|(_, l)| silent(l)).map(|(peer, _)| *peer).collect();
        for peer in silent {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            link.rest_until = now + REST;
            let requests: Vec<u64> = link.asks.keys().copied().collect();
            for request in requests {
                self.take_back(peer, request, out);
            }
        }
    }

    /// All pieces under way that are late enough to matter.
    fn owned(&self, now: Time) -> Vec<Owned> {
        let mut owned = Vec::new();
        for (peer, link) in &self.links {
            let quiet = now.since(link.heard_at).as_micros();
            let mut before = 0u128;
            for (request, asked) in &link.asks {
                before += u128::from(asked.bytes - asked.got);
                let Part::Piece(piece) = asked.part else { continue };
                // Its own pace, once it has one, tells more than the past of the link.
                let pace = match asked.began {
                    None => link.meter.rate,
                    Some(_) => asked.pace(now).unwrap_or(u64::MAX),
                };
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
                    let first = link.asks.first_key_value().is_some_and(|(r, _)| r == request);
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
    fn hurry(&mut self, now: Time, one: &Owned, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get(&one.transfer) else { return };
        let Some(known) = fetch.known.as_ref().filter(|_| fetch.phase == Phase::Fetching) else {
            return;
        };
        let owners = known.owners.get(&one.piece).map_or(0, Vec::len);
        let still = self.links.get(&one.peer).is_some_and(|l| l.asks.contains_key(&one.request));
        if owners != 1 || !still || one.begun && one.eta_us < WORTH_US {
            return;
        }
        let bytes = known.piece_bytes;
        let best = fetch.sources.keys().filter_map(|p| self.links.get(p)).map(|l| l.meter.rate);
        let best = best.max().unwrap_or(0);
        // Through our own way in it comes no sooner than all that is under way.
        let queued = u128::from(self.flying() + u64::from(bytes)) * 1_000_000;
        let queued = queued.checked_div(u128::from(self.meter.rate)).unwrap_or(0);
        let queued = u64::try_from(queued).unwrap_or(u64::MAX);
        let faster = fetch.sources.iter().filter_map(|(peer, source)| {
            let link = self.links.get(peer)?;
            let may = *peer != one.peer && source.claim.holds(one.piece);
            if !may || !link.has_room(now, bytes) {
                return None;
            }
            // One that was never asked is believed to be as fast as the best; of nobody's rate nothing follows.
            let guess = || u64::from(bytes).saturating_mul(1_000_000).checked_div(best);
            let eta = link.eta_us(bytes).or_else(guess)?.max(queued);
            Some((eta, *peer, link.asks.is_empty()))
        });
        let Some((eta, peer, idle)) = faster.min() else { return };
        let factor = if idle && !one.begun { FASTER_IDLE } else { FASTER_BUSY };
        let end = known.picker.free() == 0 && known.wanting() <= END_GAME;
        let room = self.buffered.saturating_add(u64::from(bytes)) <= self.policy.buffer_bytes_max;
        if end && idle && room && one.begun {
            // What has come of it is not thrown away: the first of the two wins.
            if one.eta_us >= eta.saturating_mul(FASTER_IDLE) {
                self.ask_piece(now, one.transfer, peer, one.piece, out);
            }
        } else if one.eta_us >= eta.saturating_mul(factor) {
            self.take_back(one.peer, one.request, out);
            self.ask_piece(now, one.transfer, peer, one.piece, out);
        }
    }
}
