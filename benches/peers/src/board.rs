//! Who sees whom alive, and since when: what all members report to and all measures are read from.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// IPv4 and UDP headers of one datagram.
const HEADERS: u64 = 28;

/// One member's view of another.
#[derive(Clone, Copy)]
struct Seen {
    alive: bool,
    since: Instant,
}

#[derive(Default)]
struct Notes {
    /// By who sees and who is seen; nothing where they never met.
    seen: HashMap<(usize, usize), Seen>,
    /// How often each was called gone, by whomever.
    falls: HashMap<usize, u64>,
    numbers: HashMap<SocketAddr, usize>,
}

/// Shared by all members of one process.
#[derive(Default)]
pub struct Board {
    notes: Mutex<Notes>,
    sent: AtomicU64,
}

impl Board {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        // The figures of a member that panicked are as good as those before it.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `number` is the member at this address.
    pub fn call(&self, addr: SocketAddr, number: usize) {
        self.notes().numbers.insert(addr, number);
    }

    /// The member at this address.
    pub fn number(&self, addr: SocketAddr) -> Option<usize> {
        self.notes().numbers.get(&addr).copied()
    }

    /// Member `by` now sees `of` alive, or gone.
    pub fn see(&self, by: usize, of: usize, alive: bool) {
        let notes = &mut *self.notes();
        let before = notes.seen.get(&(by, of)).is_some_and(|seen| seen.alive);
        if before != alive {
            notes.seen.insert((by, of), Seen { alive, since: Instant::now() });
            if !alive {
                *notes.falls.entry(of).or_default() += 1;
            }
        }
    }

    /// Member `by` now sees exactly these alive.
    pub fn see_exactly(&self, by: usize, live: &[usize]) {
        let known: Vec<usize> =
            self.notes().seen.keys().filter(|(who, _)| *who == by).map(|(_, of)| *of).collect();
        for of in known.iter().filter(|of| !live.contains(of)) {
            self.see(by, *of, false);
        }
        for of in live.iter().filter(|of| **of != by) {
            self.see(by, *of, true);
        }
    }

    /// Since when each of `by` sees each of `of` so, if that is true of all. Who never met one of them sees it gone.
    pub fn since(&self, by: &[usize], of: &[usize], alive: bool) -> Option<Instant> {
        let notes = self.notes();
        let pairs = by.iter().flat_map(|by| of.iter().map(move |of| (*by, *of)));
        let mut last = None;
        for pair in pairs.filter(|(by, of)| by != of) {
            match notes.seen.get(&pair) {
                Some(seen) if seen.alive == alive => last = last.max(Some(seen.since)),
                None if !alive => {}
                _ => return None,
            }
        }
        last
    }

    /// How often any of these was called gone so far, by whomever.
    pub fn falls(&self, of: &[usize]) -> u64 {
        let notes = self.notes();
        of.iter().filter_map(|of| notes.falls.get(of)).sum()
    }

    /// A datagram with this much in it was sent.
    pub fn count_sent(&self, payload: usize) {
        self.sent.fetch_add(payload as u64 + HEADERS, Ordering::Relaxed);
    }

    /// Bytes sent by all members so far, headers included.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}
