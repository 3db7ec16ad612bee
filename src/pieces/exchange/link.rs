//! What is known of one linked peer: what it is asked for, how fast it gives, what it wants and holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bucket::Bucket;
use super::serve::Queue;
use crate::mesh::Time;
use crate::mesh::budget::Budget;
use crate::pieces::FileId;
use crate::pieces::event::TransferId;
use crate::pieces::frame::Part;

/// Files a peer may be interested in at once.
pub(super) const INTERESTS_MAX: usize = 256;
/// Files remembered as held whole by one peer.
pub(super) const WHOLE_MAX: usize = 4096;
/// Pieces asked of a peer at once: fewest, most, and before its rate is known.
const WINDOW: (u64, u64, u64) = (2, 16, 4);
/// What lies between a request and its answer besides the round trip: two daemons' turns and a disk. Without
/// it the window of a peer on the same machine would be too short to keep its link busy.
const TURNAROUND: Duration = Duration::from_millis(5);
/// Least time one measure of the rate spans, so that two pieces that come together do not look like a miracle.
const MEASURE: Duration = Duration::from_millis(50);

/// A peer that does not give what it was asked for is left alone for so long, and each time twice as long.
pub(super) const REST: Duration = Duration::from_secs(5);
const DOUBLINGS_MAX: u8 = 6;

/// Time over which rates are smoothed.
const SMOOTH: Duration = Duration::from_millis(500);
/// Time after which the pace of one piece is one.
const PACE: Duration = Duration::from_millis(500);

/// Something asked of a peer, not yet whole.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) transfer: TransferId,
    pub(super) part: Part,
    pub(super) bytes: u32,
    pub(super) at: Time,
    /// Bytes of it that have come, as far as told.
    pub(super) got: u32,
    /// When it was first told that some had come.
    pub(super) began: Option<Time>,
    /// When bytes came of something that was asked for later, and none of this.
    pub(super) passed_at: Option<Time>,
}

impl Asked {
    /// Bytes a second since it began to come; none until that has lasted a while.
    pub(super) fn pace(&self, now: Time) -> Option<u64> {
        let since = now.since(self.began?);
        let us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let pace = u64::from(self.got).saturating_mul(1_000_000).checked_div(us)?;
        (since >= PACE).then_some(pace)
    }

    /// Answers come in the order of the asks: what has been passed over for so long will not come.
    pub(super) fn is_passed_over(&self, now: Time, patience: Duration) -> bool {
        self.got == 0 && self.passed_at.is_some_and(|at| now.since(at) >= patience)
    }
}

/// A smoothed rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    /// Bytes a second; 0 until there is a measure.
    pub(super) rate: u64,
    since: Time,
    bytes: u64,
}

impl Meter {
    /// From now on it counts; the time before was nobody's fault.
    pub(super) fn begin(&mut self, now: Time) {
        self.since = now;
        self.bytes = 0;
    }

    pub(super) fn add(&mut self, now: Time, bytes: u64) {
        self.bytes += bytes;
        let span = now.since(self.since);
        if span >= MEASURE {
            let us = span.as_micros();
            let measured =
                u64::try_from(u128::from(self.bytes) * 1_000_000 / us).unwrap_or(u64::MAX);
            // Weighted by its time: pieces that come in a bunch after a pause are no rate.
            let smoothed = u128::from(self.rate) * SMOOTH.as_micros() + u128::from(measured) * us;
            self.rate = match self.rate {
                0 => measured,
                _ => u64::try_from(smoothed / (SMOOTH.as_micros() + us)).unwrap_or(u64::MAX),
            };
            self.begin(now);
        }
    }
}

/// What is between us and a peer about one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    /// The peer wants to be told what we hold.
    pub(super) wants: bool,
    /// When we last told it.
    pub(super) told_at: Option<Time>,
}

/// One linked peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) rtt_us: u32,
    /// What we asked it for, oldest first: request numbers only grow.
    pub(super) asks: BTreeMap<u64, Asked>,
    pub(super) meter: Meter,
    /// When bytes last came, or the first of the asks was made.
    pub(super) heard_at: Time,
    /// It is not asked before this: it said that it is busy.
    pub(super) rest_until: Time,
    /// How often in a row it lost what it was asked for by its own fault; a whole piece makes good for all.
    pub(super) strikes: u8,
    /// It is not asked before this, for its strikes.
    struck_until: Time,
    pub(super) interests: BTreeMap<FileId, Interest>,
    /// Files it said it holds whole.
    pub(super) whole: BTreeSet<FileId>,
    /// What it asks of us.
    pub(super) queue: Queue,
    /// Words about files we listen to.
    pub(super) words: Budget,
    /// Signatures we check for it.
    pub(super) signatures: Budget,
}

impl Link {
    pub(super) fn new(rtt_us: u32, upload: u64) -> Link {
        Link {
            rtt_us,
            asks: BTreeMap::new(),
            meter: Meter::default(),
            heard_at: Time(0),
            rest_until: Time(0),
            strikes: 0,
            struck_until: Time(0),
            interests: BTreeMap::new(),
            whole: BTreeSet::new(),
            queue: Queue::new(Bucket::new(upload)),
            words: Budget::new(4_000, 400),
            signatures: Budget::new(10_000, 256),
        }
    }

    /// Pieces of this length that keep the peer busy without making others wait.
    pub(super) fn window(&self, piece_bytes: u32) -> usize {
        let (least, most, first) = WINDOW;
        let window = if self.strikes > 0 {
            // It has to show first that it gives at all.
            1
        } else if self.meter.rate == 0 {
            first
        } else {
            self.unbounded_window(piece_bytes).clamp(least, most)
        };
        usize::try_from(window).expect("at most 16")
    }

    /// What the rate and the round trip alone would make of it.
    fn unbounded_window(&self, piece_bytes: u32) -> u64 {
        let turn = Duration::from_micros(u64::from(self.rtt_us)).max(TURNAROUND);
        let flying = u128::from(self.meter.rate) * turn.as_micros() / 1_000_000;
        let pieces = flying.div_ceil(u128::from(piece_bytes.max(1))) + 1;
        u64::try_from(pieces).unwrap_or(u64::MAX)
    }

    /// Whether one more piece may be asked of it.
    pub(super) fn has_room(&self, now: Time, piece_bytes: u32) -> bool {
        !self.rests(now) && self.asks.len() < self.window(piece_bytes)
    }

    /// Whether it is left alone for a while.
    pub(super) fn rests(&self, now: Time) -> bool {
        now < self.rest_until.max(self.struck_until)
    }

    /// It does not give what it was asked for: it is asked less, and later each time. What it loses while it
    /// rests belongs to the same fault.
    pub(super) fn strike(&mut self, now: Time) {
        if now >= self.struck_until {
            self.struck_until = now + REST * (1 << self.strikes.min(DOUBLINGS_MAX));
            self.strikes = self.strikes.saturating_add(1);
        }
    }

    /// Whether this is what it answers next.
    pub(super) fn is_first(&self, request: u64) -> bool {
        self.asks.first_key_value().is_some_and(|(first, _)| *first == request)
    }

    /// It gave something whole.
    pub(super) fn pardon(&mut self) {
        self.strikes = 0;
        self.struck_until = Time(0);
    }

    /// Bytes of a request came: those asked for earlier of which nothing came were passed over.
    pub(super) fn pass_over(&mut self, now: Time, request: u64) {
        for (_, asked) in self.asks.range_mut(..request).filter(|(_, a)| a.got == 0) {
            asked.passed_at.get_or_insert(now);
        }
    }

    /// Whether only the distance keeps us from getting more: the widest window is not wide enough.
    pub(super) fn is_too_far(&self, piece_bytes: u32) -> bool {
        self.unbounded_window(piece_bytes) > WINDOW.1
    }

    /// Microseconds until it would have given one more piece than it is asked for now.
    pub(super) fn eta_us(&self, piece_bytes: u32) -> Option<u64> {
        let pieces = u64::try_from(self.asks.len()).unwrap_or(u64::MAX).saturating_add(1);
        let bytes = u128::from(pieces) * u128::from(piece_bytes) * 1_000_000;
        let us = bytes.checked_div(u128::from(self.meter.rate))?;
        Some(u64::try_from(us).unwrap_or(u64::MAX).saturating_add(u64::from(self.rtt_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_rate_and_round_trip() {
        const MIB: u64 = 1 << 20;
        let mut link = Link::new(0, 0);
        for (rate, rtt_ms, wanted) in [
            (0, 100, 4),
            (MIB, 0, 2),
            (600 * MIB, 0, 4),
            (100 * MIB, 50, 6),
            (1_000 * MIB, 100, 16),
            (1000, 200, 2),
        ] {
            link.meter.rate = rate;
            link.rtt_us = rtt_ms * 1000;
            assert_eq!(link.window(1 << 20), wanted, "{rate} B/s, {rtt_ms} ms");
        }
    }

    #[test]
    fn a_meter_finds_the_rate_and_is_not_fooled_by_two_at_once() {
        let mut meter = Meter::default();
        meter.begin(Time::from_ms(1000));
        for i in 1..100u64 {
            meter.add(Time::from_ms(1000 + i * 10), 1 << 20);
            meter.add(Time::from_ms(1000 + i * 10), 1 << 20);
        }
        let mib = meter.rate >> 20;
        assert!((195..=245).contains(&mib), "{mib}");
    }
}
