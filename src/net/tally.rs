//! What a daemon counts where no core looks: bytes and frames on its links, turns of its actors. For metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::mesh::tree::TreeCounts;
use crate::wire::Lane;

/// A number that only grows, from any thread.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes over what somebody else counted.
    pub fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One number for each lane.
#[derive(Debug, Default)]
pub struct ByLane([Count; 3]);

impl ByLane {
    /// The number of this lane.
    pub fn of(&self, lane: Lane) -> &Count {
        &self.0[lane as usize]
    }
}

/// All of them. One for a daemon, shared by whoever counts; all begin with 0 at its start.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes read from sockets of peers: encrypted, handshakes included.
    pub bytes_in: Count,
    /// Bytes written to them.
    pub bytes_out: Count,
    /// Frames read from links, by the lane such frames travel in.
    pub frames_in: ByLane,
    /// Frames written to links.
    pub frames_out: ByLane,
    /// Frames that found their lane full, and were not taken.
    pub frames_refused: ByLane,
    /// Records of others that were not taken: conflicting, over a peer's budget, or without room.
    pub records_dropped: Count,
    /// What the tree that news goes over has counted.
    pub tree: TreeTally,
    /// Turns of the actors that share the main thread.
    pub turns: Count,
    /// Those that kept the others waiting.
    pub turns_long: Count,
    /// Microseconds of all turns together.
    pub turns_us: Count,
    /// How often all actors were built again after a failure.
    pub rebuilds: Count,
}

/// What [`TreeCounts`] says, where other threads can read it.
#[derive(Debug, Default)]
pub struct TreeTally {
    /// News pushed here first.
    pub firsts: Count,
    /// News pushed here again.
    pub duplicates: Count,
    /// Links over which the former came, added up.
    pub hops: Count,
    /// The most of them at once.
    pub hops_max: Count,
    /// Names that were asked for.
    pub grafts: Count,
    /// Links made lazy.
    pub prunes: Count,
    /// Names told.
    pub names: Count,
    /// News and names without room.
    pub crowded: Count,
}

impl TreeTally {
    /// Takes over what the core has counted.
    pub fn set(&self, counts: TreeCounts) {
        self.firsts.set(counts.firsts);
        self.duplicates.set(counts.duplicates);
        self.hops.set(counts.hops);
        self.hops_max.set(u64::from(counts.hops_max));
        self.grafts.set(counts.grafts);
        self.prunes.set(counts.prunes);
        self.names.set(counts.names);
        self.crowded.set(counts.crowded);
    }
}

impl Tally {
    /// A turn has ended.
    pub fn turn(&self, took: Duration, long: bool) {
        self.turns.add(1);
        self.turns_long.add(u64::from(long));
        self.turns_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}
