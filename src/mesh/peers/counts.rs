//! What the registry counts, for people and metrics.

use std::collections::BTreeMap;

use super::{Bye, Down, Ended, Peers};
use crate::mesh::record::Direction;

/// The names of all counts, in stable order; each begins with 0 at each start.
pub const COUNTED: [&str; 24] = [
    "connections_refused",
    "dials_begun",
    "dials_failed_broken",
    "dials_failed_identity",
    "dials_failed_lost",
    "dials_failed_refused",
    "dials_failed_said_no",
    "dials_failed_timeout",
    "handshakes_evicted",
    "handshakes_failed",
    "links_broken",
    "links_denied",
    "links_down_closed",
    "links_down_gone",
    "links_down_left",
    "links_down_lost",
    "links_down_silent",
    "links_refused_full",
    "links_surplus",
    "links_up_in",
    "links_up_out",
    "sighted",
    "verdicts_silent",
    "verdicts_vouched",
];

/// Each of them.
#[derive(Debug)]
pub(super) struct Counts(BTreeMap<&'static str, u64>);

impl Default for Counts {
    fn default() -> Counts {
        Counts(COUNTED.iter().map(|name| (*name, 0)).collect())
    }
}

impl Peers {
    pub(super) fn count(&mut self, what: &'static str) {
        debug_assert!(COUNTED.contains(&what), "{what} is not in the list of what is counted");
        *self.counts.0.entry(what).or_default() += 1;
    }

    /// A dial has ended before the other end said who it is.
    pub(super) fn count_failed_dial(&mut self, how: &Ended) {
        self.count(match how {
            Ended::Refused => "dials_failed_refused",
            Ended::TimedOut => "dials_failed_timeout",
            Ended::Lost => "dials_failed_lost",
            // A link to the same node stays: that is no failure. What we closed ourselves is none either.
            Ended::Said(Bye::Duplicate, _) | Ended::Ours => return,
            Ended::Said(..) | Ended::WrongNetwork => "dials_failed_said_no",
            Ended::WrongIdentity { .. } => "dials_failed_identity",
            Ended::Broken(_) | Ended::Stalled => "dials_failed_broken",
        });
    }

    pub(super) fn count_up(&mut self, dir: Direction) {
        self.count(match dir {
            Direction::In => "links_up_in",
            Direction::Out => "links_up_out",
        });
    }

    pub(super) fn count_down(&mut self, why: Down) {
        self.count(match why {
            Down::Left => "links_down_left",
            Down::Gone => "links_down_gone",
            Down::Lost => "links_down_lost",
            Down::Silent => "links_down_silent",
            Down::Closed => "links_down_closed",
        });
    }

    /// All of [`COUNTED`] with how often each happened.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counts.0.iter().map(|(name, n)| (*name, *n)).collect()
    }
}
