//! What the exchange counts, for people and metrics.

use super::Exchange;
use crate::pieces::rows::{Phase, TransferRow};

/// All counts; they begin with 0 at each start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bytes_received: u64,
    pub(super) bytes_given: u64,
    pub(super) pieces_verified: u64,
    pub(super) pieces_wrong: u64,
    pub(super) pieces_not_stored: u64,
    pub(super) asks_refused: u64,
    pub(super) gets_done: u64,
    pub(super) gets_stopped: u64,
    pub(super) gets_failed: u64,
}

impl Counts {
    /// A download is over.
    pub(super) fn ended(&mut self, row: &TransferRow) {
        match row.phase {
            Phase::Done => self.gets_done += 1,
            Phase::Stopped => self.gets_stopped += 1,
            _ => self.gets_failed += 1,
        }
    }

    /// All of them by name, in stable order.
    pub(super) fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("bytes_received", self.bytes_received),
            ("bytes_given", self.bytes_given),
            ("pieces_verified", self.pieces_verified),
            ("pieces_wrong", self.pieces_wrong),
            ("pieces_not_stored", self.pieces_not_stored),
            ("asks_refused", self.asks_refused),
            ("gets_done", self.gets_done),
            ("gets_stopped", self.gets_stopped),
            ("gets_failed", self.gets_failed),
        ]
    }
}

/// The names of all counters of an [`Exchange`].
pub fn counted() -> Vec<&'static str> {
    Counts::default().rows().into_iter().map(|(name, _)| name).collect()
}

impl Exchange {
    /// Counters by name, in stable order.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counts.rows()
    }
}
